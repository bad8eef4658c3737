using System;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// Access to memory by linear address and by segment and offset. These are the careful, complete ways; the engine's handlers
/// inline the case of a TLB hit and come here for everything else.
/// </content>
public sealed unsafe partial class Processor
{
    /// <summary>Linear addresses outside 64-bit mode have 32 bits and wrap.</summary>
    private ulong LinearMask => Is64BitMode ? ulong.MaxValue : uint.MaxValue;

    /// <summary>
    /// The address behind the end of a page; tables and stacks of 64-bit handlers may lie high while compatibility mode runs.
    /// </summary>
    private ulong Behind(ulong linear, int bytes) => (linear + (uint)bytes) & (linear > uint.MaxValue ? ulong.MaxValue : LinearMask);

    /// <summary>Reads by segment and offset at the current privilege: #SS, #GP, #AC, #PF or a VM exit when it says false.</summary>
    public bool TryRead<T>(SegmentIndex segment, ulong offset, out T value)
        where T : unmanaged
    {
        value = default;
        return TryLinear(segment, offset, (uint)sizeof(T), AccessKind.Read, out ulong linear)
            && TryReadLinear(new Gva(linear), State->DataAccess, out value);
    }

    /// <summary>Writes by segment and offset at the current privilege; nothing is written when it says false.</summary>
    public bool TryWrite<T>(SegmentIndex segment, ulong offset, T value)
        where T : unmanaged =>
        TryLinear(segment, offset, (uint)sizeof(T), AccessKind.Write, out ulong linear)
        && TryWriteLinear(new Gva(linear), State->DataAccess, value);

    /// <summary>Reads by linear address in a given right. Canonicality is the caller's business.</summary>
    public bool TryReadLinear<T>(Gva gva, AccessMode mode, out T value)
        where T : unmanaged
    {
        T local = default;
        bool done = TryReadBytes(gva.Value, mode, (byte*)&local, sizeof(T));
        value = local;
        return done;
    }

    /// <summary>Writes by linear address in a given right; nothing is written when it says false.</summary>
    public bool TryWriteLinear<T>(Gva gva, AccessMode mode, T value)
        where T : unmanaged =>
        TryWriteBytes(gva.Value, mode, (byte*)&value, sizeof(T));

    /// <summary>
    /// The linear address of an access (SDM 3A "Limit Checking", "Type Checking"; SDM 1 "Canonical Addressing"). False with #GP(0),
    /// or #SS(0) for the stack segment, or #AC(0), raised.
    /// </summary>
    public bool TryLinear(SegmentIndex segment, ulong offset, uint sizeBytes, AccessKind kind, out ulong linear)
    {
        if (!TryLinearAnyAlignment(segment, offset, sizeBytes, kind, out linear))
        {
            return false;
        }

        if ((State->Mode & ExecutionMode.AlignmentCheck) != 0 && kind != AccessKind.Execute && (linear & (AlignmentOf(sizeBytes) - 1)) != 0)
        {
            return Fail(Vector.AC, 0);
        }

        return true;
    }

    /// <summary>As <see cref="TryLinear"/>, of accesses that never raise #AC.</summary>
    internal bool TryLinearAnyAlignment(SegmentIndex segment, ulong offset, uint sizeBytes, AccessKind kind, out ulong linear)
    {
        CpuState* cpu = State;
        ref SegmentRegister register = ref cpu->Segments[(int)segment];
        if (Is64BitMode)
        {
            linear = segment >= SegmentIndex.FS ? register.Base + offset : offset;
            if (!IsCanonical(linear) || !IsCanonical(linear + sizeBytes - 1))
            {
                return Fail(segment == SegmentIndex.SS ? Vector.SS : Vector.GP, 0);
            }
        }
        else
        {
            linear = (uint)(register.Base + offset);
            if (!SegmentAllows(in register, (uint)offset, sizeBytes, kind))
            {
                return Fail(segment == SegmentIndex.SS ? Vector.SS : Vector.GP, 0);
            }
        }

        return true;
    }

    /// <summary>Reads bytes that may cross into the next page.</summary>
    internal bool TryReadBytes(ulong linear, AccessMode mode, byte* destination, int sizeBytes)
    {
        State->DataAccesses++;
        int first = (int)Math.Min((ulong)sizeBytes, Pages.Size - (linear & Pages.OffsetMask));
        if (!TryTranslate(linear, AccessKind.Read, mode, out Hpa low))
        {
            return false;
        }

        if (first == sizeBytes)
        {
            ReadPhysical(low, destination, sizeBytes);
            NoteDataAccess(linear, sizeBytes, AccessKind.Read);
            return true;
        }

        State->DataAccesses++;
        if (!TryTranslate(Behind(linear, first), AccessKind.Read, mode, out Hpa high))
        {
            return false;
        }

        ReadPhysical(low, destination, first);
        ReadPhysical(high, destination + first, sizeBytes - first);
        NoteDataAccess(linear, sizeBytes, AccessKind.Read);
        return true;
    }

    /// <summary>Writes bytes that may cross into the next page: both pages are asked before the first byte changes.</summary>
    internal bool TryWriteBytes(ulong linear, AccessMode mode, byte* source, int sizeBytes)
    {
        if (!TryPrepareWrite(linear, mode, sizeBytes, out WriteTarget target))
        {
            return false;
        }

        CommitWrite(in target, source);
        return true;
    }

    /// <summary>Asks for permission to write; <see cref="CommitWrite"/> then cannot fail.</summary>
    internal bool TryPrepareWrite(ulong linear, AccessMode mode, int sizeBytes, out WriteTarget target)
    {
        target = default;
        State->DataAccesses++;
        int first = (int)Math.Min((ulong)sizeBytes, Pages.Size - (linear & Pages.OffsetMask));
        if (!TryTranslate(linear, AccessKind.Write, mode, out Hpa low))
        {
            return false;
        }

        target.Low = low;
        target.LowBytes = first;
        target.HighBytes = sizeBytes - first;
        NoteDataAccess(linear, sizeBytes, AccessKind.Write);
        if (first == sizeBytes)
        {
            return true;
        }

        State->DataAccesses++;
        bool mapped = TryTranslate(Behind(linear, first), AccessKind.Write, mode, out Hpa high);
        target.High = high;
        return mapped;
    }

    internal void CommitWrite(in WriteTarget target, byte* source)
    {
        WritePhysical(target.Low, source, target.LowBytes);
        if (target.HighBytes != 0)
        {
            WritePhysical(target.High, source + target.LowBytes, target.HighBytes);
        }
    }

    /// <summary>What a read of the bytes about to be written finds (read-modify-write).</summary>
    internal void ReadTarget(in WriteTarget target, byte* destination)
    {
        ReadPhysical(target.Low, destination, target.LowBytes);
        if (target.HighBytes != 0)
        {
            ReadPhysical(target.High, destination + target.LowBytes, target.HighBytes);
        }
    }

    /// <summary>One translation through the TLB; #PF or a pending VM exit when it says false.</summary>
    internal bool TryTranslate(ulong linear, AccessKind kind, AccessMode mode, out Hpa address)
    {
        FastTlbEntry* entry = Tlb.Table(mode) + ((linear >> Pages.Shift) & 0xFFFF);
        ulong tag = kind switch { AccessKind.Read => entry->ReadTag, AccessKind.Write => entry->WriteTag, _ => entry->FetchTag };
        if (tag == (linear & ~Pages.OffsetMask))
        {
            address = new Hpa((ulong)((nint)linear + entry->Addend - (nint)Memory.Bus.Memory.Base));
            return true;
        }

        bool done = Tlb.TryFill(ref State->Paging, new Gva(linear), kind, mode, out Translation translation, out TranslationStatus status);
        address = translation.Hpa;
        return done || FailTranslation(status, in translation);
    }

    /// <summary>
    /// Host pointer of a byte of memory at the current privilege; null when a device is there. False with the fault raised.
    /// </summary>
    internal bool TryRamPointer(ulong linear, AccessKind kind, out byte* pointer)
    {
        pointer = null;
        if (!TryTranslate(linear, kind, State->DataAccess, out Hpa address))
        {
            return false;
        }

        pointer = Memory.Bus.IsRam(address, 1) ? Memory.Bus.RamPointer(address) : null;
        return true;
    }

    internal void ReadPhysical(Hpa address, byte* destination, int sizeBytes)
    {
        if (Memory.Bus.IsRam(address, (uint)sizeBytes))
        {
            Unsafe.CopyBlockUnaligned(destination, Memory.Bus.RamPointer(address), (uint)sizeBytes);
            return;
        }

        for (int done = 0; done < sizeBytes;)
        {
            int part = DevicePart(sizeBytes - done);
            ulong value = Memory.Bus.ReadDevice(address + (uint)done, part);
            Unsafe.CopyBlockUnaligned(destination + done, &value, (uint)part);
            done += part;
        }
    }

    internal void WritePhysical(Hpa address, byte* source, int sizeBytes)
    {
        if (Memory.Bus.IsRam(address, (uint)sizeBytes))
        {
            Memory.Bus.NoteWrite(address, (uint)sizeBytes);
            Unsafe.CopyBlockUnaligned(Memory.Bus.RamPointer(address), source, (uint)sizeBytes);
            return;
        }

        for (int done = 0; done < sizeBytes;)
        {
            int part = DevicePart(sizeBytes - done);
            ulong value = 0;
            Unsafe.CopyBlockUnaligned(&value, source + done, (uint)part);
            Memory.Bus.WriteDevice(address + (uint)done, part, value);
            done += part;
        }

        RequestBoundary(); // the device may have raised an interrupt
    }

    /// <summary>Devices are asked for 1, 2, 4 or 8 bytes at a time.</summary>
    private static int DevicePart(int sizeBytes) => sizeBytes >= 8 ? 8 : sizeBytes >= 4 ? 4 : sizeBytes >= 2 ? 2 : 1;

    /// <summary>
    /// SDM 3A "Alignment Check Exception (#AC)": natural alignment of scalars; x87 state by its words; larger operands by 8.
    /// </summary>
    private static uint AlignmentOf(uint sizeBytes) =>
        sizeBytes switch { 1 => 1, 2 or 14 or 94 => 2, 4 or 6 or 28 or 108 => 4, 16 or 32 => 16, _ => 8 };

    private bool SegmentAllows(in SegmentRegister segment, uint offset, uint sizeBytes, AccessKind kind)
    {
        if ((State->Mode & ExecutionMode.RealOrVirtual8086) == 0)
        {
            bool isCode = (segment.AccessRights & SegmentRegister.CodeBit) != 0;
            bool bit1 = (segment.AccessRights & SegmentRegister.WritableOrReadableBit) != 0;
            bool allowed = kind switch
            {
                AccessKind.Read => !isCode || bit1,
                AccessKind.Write => !isCode && bit1,
                _ => isCode,
            };
            if (segment.Unusable || !allowed)
            {
                return false;
            }
        }

        ulong last = (ulong)offset + sizeBytes - 1;
        bool expandDown = (segment.AccessRights & (SegmentRegister.CodeBit | SegmentRegister.ExpandDownOrConformingBit))
            == SegmentRegister.ExpandDownOrConformingBit;
        return expandDown
            ? offset > segment.Limit && last <= (segment.Db ? uint.MaxValue : ushort.MaxValue)
            : last <= segment.Limit;
    }

    /// <summary>Where a write will go: one or two pieces, each within a page.</summary>
    internal struct WriteTarget
    {
        public Hpa Low;
        public Hpa High;
        public int LowBytes;
        public int HighBytes;
    }
}
