using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Flag control (EFLAG) instructions (SDM 1 "Flag Control (EFLAG) Instructions").</summary>
internal static unsafe class FlagControl
{
    private const ulong Cr4Vme = 1UL << 0;
    private const uint StatusInAh = RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.PF | RflagsBits.CF;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Clc, &Clc);
        table.Set(Mnemonic.Stc, &Stc);
        table.Set(Mnemonic.Cmc, &Cmc);
        table.Set(Mnemonic.Cld, &Cld);
        table.Set(Mnemonic.Std, &Std);
        table.Set(Mnemonic.Lahf, &Lahf);
        table.Set(Mnemonic.Sahf, &Sahf);
        table.Set(Mnemonic.Salc, &Salc);
        table.Set(Mnemonic.Pushf, &PushFlags);
        table.Set(Mnemonic.Pushfd, &PushFlags);
        table.Set(Mnemonic.Pushfq, &PushFlags);
        table.Set(Mnemonic.Popf, &PopFlags, endsBlock: true);
        table.Set(Mnemonic.Popfd, &PopFlags, endsBlock: true);
        table.Set(Mnemonic.Popfq, &PopFlags, endsBlock: true);
    }

    private static Outcome Clc(Processor p, in Instruction i)
    {
        LazyFlags.SetCarry(p.State, carry: false);
        return Outcome.Retired;
    }

    private static Outcome Stc(Processor p, in Instruction i)
    {
        LazyFlags.SetCarry(p.State, carry: true);
        return Outcome.Retired;
    }

    private static Outcome Cmc(Processor p, in Instruction i)
    {
        LazyFlags.SetCarry(p.State, !LazyFlags.Carry(p.State));
        return Outcome.Retired;
    }

    private static Outcome Cld(Processor p, in Instruction i)
    {
        p.State->RflagsSystem &= ~RflagsBits.DF;
        return Outcome.Retired;
    }

    private static Outcome Std(Processor p, in Instruction i)
    {
        p.State->RflagsSystem |= RflagsBits.DF;
        return Outcome.Retired;
    }

    private static Outcome Lahf(Processor p, in Instruction i)
    {
        p.SetGpr(Iced.Intel.Register.AH, (byte)((p.Rflags & StatusInAh) | RflagsBits.Fixed1));
        return Outcome.Retired;
    }

    private static Outcome Sahf(Processor p, in Instruction i)
    {
        uint flags = LazyFlags.Read(p.State) & ~StatusInAh;
        LazyFlags.Write(p.State, flags | (p.Gpr<byte>(Iced.Intel.Register.AH) & StatusInAh));
        return Outcome.Retired;
    }

    /// <summary>AL := CF ? FFH : 0; undocumented, in every processor (not in 64-bit mode).</summary>
    private static Outcome Salc(Processor p, in Instruction i)
    {
        p.SetGpr(Iced.Intel.Register.AL, LazyFlags.Carry(p.State) ? (byte)0xFF : (byte)0);
        return Outcome.Retired;
    }

    /// <summary>SDM 2B "PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register Onto the Stack".</summary>
    private static Outcome PushFlags(Processor p, in Instruction i)
    {
        uint flags = (uint)p.Rflags;
        bool isWord = i.Mnemonic == Mnemonic.Pushf;
        if ((flags & RflagsBits.VM) != 0 && (flags & RflagsBits.IOPL) != RflagsBits.IOPL)
        {
            if (!isWord || (p.State->Paging.Cr4 & Cr4Vme) == 0)
            {
                return p.Raise(Vector.GP, 0);
            }

            // Virtual-8086 mode extensions: VIF is shown in IF's place, and IOPL as 3.
            flags = (flags & ~RflagsBits.IF) | RflagsBits.IOPL | ((flags & RflagsBits.VIF) != 0 ? RflagsBits.IF : 0);
        }

        int size = isWord ? 2 : i.Mnemonic == Mnemonic.Pushfd ? 4 : 8;
        return p.TryPush(size, flags & ~(RflagsBits.VM | RflagsBits.RF)) ? Outcome.Retired : Outcome.Fault;
    }

    /// <summary>SDM 2B "POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register": which flags change depends on CPL, IOPL and mode.</summary>
    private static Outcome PopFlags(Processor p, in Instruction i)
    {
        CpuState* cpu = p.State;
        uint old = (uint)p.Rflags;
        bool isWord = i.Mnemonic == Mnemonic.Popf;
        int size = isWord ? 2 : i.Mnemonic == Mnemonic.Popfd ? 4 : 8;
        uint iopl = (old & RflagsBits.IOPL) >> RflagsBits.IoplShift;
        bool virtual8086 = (old & RflagsBits.VM) != 0;
        bool extended = virtual8086 && iopl < 3;
        if (extended && (!isWord || (cpu->Paging.Cr4 & Cr4Vme) == 0))
        {
            return p.Raise(Vector.GP, 0);
        }

        ulong pointer = p.StackPointer;
        if (!p.TryPopAt(ref pointer, size, out ulong popped))
        {
            return Outcome.Fault;
        }

        uint value = (uint)popped;
        if (extended && ((value & RflagsBits.TF) != 0 || ((value & RflagsBits.IF) != 0 && (old & RflagsBits.VIP) != 0)))
        {
            return p.Raise(Vector.GP, 0);
        }

        uint changeable = RflagsBits.Status | RflagsBits.TF | RflagsBits.DF | RflagsBits.NT | RflagsBits.AC | RflagsBits.ID;
        bool real = (cpu->Paging.Cr0 & 1) == 0;
        int cpl = real ? 0 : virtual8086 ? 3 : cpu->Cpl;
        changeable |= cpl == 0 ? RflagsBits.IOPL | RflagsBits.IF : cpl <= (int)iopl ? RflagsBits.IF : 0;
        if (extended)
        {
            // IF stays; VIF takes its new value.
            changeable = (changeable & ~RflagsBits.IF) | RflagsBits.VIF;
            value = (value & ~RflagsBits.VIF) | ((value & RflagsBits.IF) != 0 ? RflagsBits.VIF : 0);
        }

        if (isWord)
        {
            changeable &= 0xFFFF | RflagsBits.VIF;
        }

        p.StackPointer = pointer;
        p.Rflags = (old & ~(changeable | RflagsBits.RF)) | (value & changeable);
        cpu->Rip = p.NextRip;
        return Outcome.Branched;
    }
}
