using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Descriptor tables and loads of segment registers (SDM 3A "Protected-Mode Memory Management", "Protection").</content>
public sealed unsafe partial class Processor
{
    internal const int RspIndex = 4;

    private const uint RealModeData = 0x93;

    /// <summary>CR0.PE is set.</summary>
    internal bool IsProtected => (State->Paging.Cr0 & ControlRegisters.Cr0Pe) != 0;

    internal bool IsVirtual8086 => (State->RflagsSystem & RflagsBits.VM) != 0;

    /// <summary>IA32_EFER.LMA is set: 64-bit or compatibility mode.</summary>
    internal bool IsLongMode => (State->Paging.Efer & ControlRegisters.EferLma) != 0;

    internal bool IsRealOrVirtual8086 => !IsProtected || IsVirtual8086;

    internal ref SegmentRegister Segment(SegmentIndex index) => ref State->Segments[(int)index];

    internal static bool IsNull(ushort selector) => (selector & ~3) == 0;

    /// <summary>
    /// Reads the descriptor that a non-null selector names; outside its table: <paramref name="vector"/>(selector | EXT).
    /// </summary>
    internal bool TryReadDescriptor(ushort selector, Vector vector, uint ext, out SegmentDescriptor descriptor)
    {
        descriptor = default;
        if (!TryDescriptorAddress(selector, 8, out ulong address))
        {
            return Fail(vector, (selector & 0xFFFCu) | ext);
        }

        if (!TryReadLinear(new Gva(address), AccessMode.Supervisor, out ulong low))
        {
            return false;
        }

        descriptor = new SegmentDescriptor(low);
        return true;
    }

    /// <summary>Reads a system descriptor, which has 16 bytes in IA-32e mode.</summary>
    internal bool TryReadSystemDescriptor(ushort selector, Vector vector, uint ext, out SegmentDescriptor descriptor)
    {
        if (!TryReadDescriptor(selector, vector, ext, out descriptor))
        {
            return false;
        }

        if (!IsLongMode)
        {
            return true;
        }

        if (!TryDescriptorAddress(selector, 16, out ulong address))
        {
            return Fail(vector, (selector & 0xFFFCu) | ext);
        }

        if (!TryReadLinear(new Gva(address + 8), AccessMode.Supervisor, out ulong high))
        {
            return false;
        }

        descriptor = new SegmentDescriptor(descriptor.Low, high);

        // The type field of the upper half must be zero (SDM 3A "System Segment and Gate Descriptors in IA-32e mode").
        return (high & 0x1F00_0000_0000) == 0 || Fail(vector, (selector & 0xFFFCu) | ext);
    }

    /// <summary>
    /// The descriptor for LAR, LSL, VERR and VERW, which do not fault for a selector outside its table: false then, and false with
    /// <paramref name="faulted"/> when reading the table faulted.
    /// </summary>
    internal bool TryFindDescriptor(ushort selector, out SegmentDescriptor descriptor, out bool faulted)
    {
        descriptor = default;
        faulted = false;
        if (IsNull(selector) || !TryDescriptorAddress(selector, 8, out ulong address))
        {
            return false;
        }

        faulted = !TryReadLinear(new Gva(address), AccessMode.Supervisor, out ulong low);
        descriptor = new SegmentDescriptor(low);
        return !faulted;
    }

    /// <summary>Sets the accessed bit of a code or data descriptor that has been loaded, or changes the type of a TSS to busy.</summary>
    internal bool TrySetTypeBit(ushort selector, in SegmentDescriptor descriptor, uint bit)
    {
        if ((descriptor.Type & bit) != 0)
        {
            return true;
        }

        _ = TryDescriptorAddress(selector, 8, out ulong address);
        byte rights = (byte)((descriptor.Low >> 40) | bit);
        return TryWriteLinear(new Gva(address + 5), AccessMode.Supervisor, rights);
    }

    /// <summary>MOV, POP and LxS to a segment register other than CS, with all checks (SDM 2A "MOV", protected-mode exceptions).</summary>
    internal bool TryLoadSegment(SegmentIndex index, ushort selector)
    {
        if (IsRealOrVirtual8086)
        {
            LoadRealSegment(index, selector);
            return true;
        }

        if (IsNull(selector))
        {
            return TryLoadNull(index, selector);
        }

        if (!TryReadDescriptor(selector, Vector.GP, 0, out SegmentDescriptor descriptor)
            || !(index == SegmentIndex.SS ? MayLoadStack(selector, in descriptor, State->Cpl, Vector.GP, 0) : MayLoadData(selector, in descriptor))
            || !TrySetTypeBit(selector, in descriptor, SegmentRegister.AccessedBit))
        {
            return false;
        }

        Segment(index) = descriptor.ToRegister(selector);
        Segment(index).AccessRights |= SegmentRegister.AccessedBit;
        return true;
    }

    /// <summary>
    /// The checks of a load of SS at a privilege level: <paramref name="vector"/> (#GP or #TS) with the selector, #SS when absent.
    /// </summary>
    internal bool MayLoadStack(ushort selector, in SegmentDescriptor descriptor, int cpl, Vector vector, uint ext)
    {
        uint error = (selector & 0xFFFCu) | ext;
        if ((selector & 3) != cpl || !descriptor.IsWritableData || descriptor.Dpl != cpl)
        {
            return Fail(vector, error);
        }

        return descriptor.P || Fail(Vector.SS, error);
    }

    /// <summary>Real-address and virtual-8086 mode: base is 16 times the selector.</summary>
    internal void LoadRealSegment(SegmentIndex index, ushort selector)
    {
        ref SegmentRegister segment = ref Segment(index);
        segment.Selector = selector;
        segment.Base = (ulong)selector << 4;
        if (IsVirtual8086)
        {
            segment.Limit = ushort.MaxValue;
            segment.AccessRights = 0xF3;
        }
        else if (segment.Unusable)
        {
            segment.Limit = ushort.MaxValue;
            segment.AccessRights = RealModeData; // a load makes the register usable; otherwise limit and rights stay ("unreal mode")
        }
    }

    /// <summary>A register that has been loaded with a null selector.</summary>
    internal static SegmentRegister NullSegment(ushort selector, int dpl) => new()
    {
        Selector = selector,
        AccessRights = SegmentRegister.UnusableBit | ((uint)dpl << 5),
    };

    private bool TryLoadNull(SegmentIndex index, ushort selector)
    {
        if (index == SegmentIndex.SS && (!Is64BitMode || State->Cpl == 3 || (selector & 3) != State->Cpl))
        {
            return Fail(Vector.GP, 0);
        }

        Segment(index) = NullSegment(selector, index == SegmentIndex.SS ? State->Cpl : 0);
        return true;
    }

    private bool MayLoadData(ushort selector, in SegmentDescriptor descriptor)
    {
        bool isConformingCode = descriptor.IsCode && descriptor.IsConforming;
        bool isPrivileged = !isConformingCode && ((selector & 3u) > descriptor.Dpl || (uint)State->Cpl > descriptor.Dpl);
        if (!descriptor.IsReadable || isPrivileged)
        {
            return Fail(Vector.GP, selector & 0xFFFCu);
        }

        return descriptor.P || Fail(Vector.NP, selector & 0xFFFCu);
    }

    /// <summary>Linear address of a descriptor; false when it does not lie within its table.</summary>
    private bool TryDescriptorAddress(ushort selector, uint sizeBytes, out ulong address)
    {
        ulong tableBase = State->Gdtr.Base;
        uint limit = State->Gdtr.Limit;
        if ((selector & 4) != 0)
        {
            ref SegmentRegister ldt = ref Segment(SegmentIndex.LDTR);
            tableBase = ldt.Base;
            limit = ldt.Limit;
            if (ldt.Unusable)
            {
                address = 0;
                return false;
            }
        }

        uint offset = selector & 0xFFF8u;
        address = tableBase + offset;
        if (!IsLongMode)
        {
            address = (uint)address;
        }

        return (ulong)offset + sizeBytes - 1 <= limit;
    }
}
