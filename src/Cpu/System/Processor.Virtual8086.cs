using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Virtual-8086 mode and its extensions (SDM 3B "8086 Emulation", "Virtual-8086 Mode Extensions").</content>
public sealed unsafe partial class Processor
{
    /// <summary>RFLAGS.IOPL.</summary>
    internal int Iopl => (int)(State->RflagsSystem & RflagsBits.IOPL) >> RflagsBits.IoplShift;

    internal bool HasVme => (State->Paging.Cr4 & ControlRegisters.Cr4Vme) != 0;

    /// <summary>VIF takes the place of IF where IOPL forbids the latter: in virtual-8086 mode with VME, at CPL 3 with PVI.</summary>
    internal bool HasVirtualInterrupts => IsVirtual8086 ? HasVme : State->Cpl == 3 && (State->Paging.Cr4 & ControlRegisters.Cr4Pvi) != 0;

    /// <summary>
    /// INT n in virtual-8086 mode: with VME, a clear bit in the redirection bitmap of the TSS sends it to the task's own interrupt vector
    /// table. False with a fault raised.
    /// </summary>
    internal bool TryRedirectInterrupt(byte vector, out bool redirected)
    {
        const uint BitmapBaseOffset = 0x66;
        const uint RedirectionBytes = 32;
        redirected = false;
        if (!HasVme)
        {
            return true;
        }

        ref SegmentRegister tss = ref Segment(SegmentIndex.TR);
        if (tss.Limit < BitmapBaseOffset + 1)
        {
            return Fail(Vector.GP, 0);
        }

        if (!TryReadLinear(new Gva((uint)(tss.Base + BitmapBaseOffset)), AccessMode.Supervisor, out ushort bitmapBase))
        {
            return false;
        }

        // The 32 bytes below the I/O permission bitmap.
        uint offset = bitmapBase - RedirectionBytes + (vector / 8u);
        if (offset > tss.Limit)
        {
            return Fail(Vector.GP, 0);
        }

        if (!TryReadLinear(new Gva((uint)(tss.Base + offset)), AccessMode.Supervisor, out byte bits))
        {
            return false;
        }

        redirected = (bits & (1 << (vector & 7))) == 0;
        return !redirected || TryEnterVirtualHandler(vector);
    }

    private bool TryEnterVirtualHandler(byte vector)
    {
        if (!TryReadLinear(new Gva(vector * 4u), AccessMode.Supervisor, out uint handler))
        {
            return false;
        }

        uint flags = (uint)Rflags;
        bool isGuarded = Iopl < 3;
        if (isGuarded)
        {
            flags = (flags & ~RflagsBits.IF) | RflagsBits.IOPL | ((flags & RflagsBits.VIF) != 0 ? RflagsBits.IF : 0);
        }

        ulong stack = StackPointer;
        if (!MayPush(stack, 2, 3) || !TryPushAt(ref stack, 2, (ushort)flags)
            || !TryPushAt(ref stack, 2, Segment(SegmentIndex.CS).Selector) || !TryPushAt(ref stack, 2, (ushort)NextRip))
        {
            return false;
        }

        StackPointer = stack;
        State->RflagsSystem &= ~(RflagsBits.TF | (isGuarded ? RflagsBits.VIF : RflagsBits.IF));
        EndStep();
        LoadRealSegment(SegmentIndex.CS, (ushort)(handler >> 16));
        State->Rip = (ushort)handler;
        return true;
    }
}
