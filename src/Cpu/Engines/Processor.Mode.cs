using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>What is derived from control registers, segments and flags, and kept for speed.</content>
public sealed unsafe partial class Processor
{
    private const ulong Cr0Pe = 1UL << 0;
    private const ulong Cr0Am = 1UL << 18;
    private const ulong Cr4La57 = 1UL << 12;
    private const ulong Cr4Smap = 1UL << 21;
    private const ulong EferLma = 1UL << 10;

    /// <summary>Where in <see cref="ExecutionMode"/> the number of the limit of CS lies.</summary>
    private const int CodeLimitShift = 16;
    private const int MaxCodeLimits = 1 << 15;

    private readonly System.Collections.Generic.List<uint> _codeLimits = [uint.MaxValue];
    private uint _codeLimit = uint.MaxValue;
    private uint _codeLimitNumber;
    private bool _areBlocksVoid;

    /// <summary>IA32_EFER.LMA and CS.L: 64-bit mode, not compatibility mode.</summary>
    public bool Is64BitMode => (State->Mode & ExecutionMode.Code64) != 0;

    /// <summary>64, 32 or 16: the default operand and address size of the code segment.</summary>
    public int CodeBits => (State->Mode & ExecutionMode.Code64) != 0 ? 64 : (State->Mode & ExecutionMode.Code32) != 0 ? 32 : 16;

    /// <summary>64, 32 or 16: how much of RSP the stack uses.</summary>
    public int StackBits => (State->Mode & ExecutionMode.Code64) != 0 ? 64 : (State->Mode & ExecutionMode.Stack32) != 0 ? 32 : 16;

    /// <summary>
    /// To be called after every change of CR0, CR4, EFER, CS, DS, ES, SS, CPL, EFLAGS.AC or EFLAGS.VM, before the next access
    /// to memory. The engine calls it too, after <see cref="Outcome.Branched"/> and after delivery of an event.
    /// </summary>
    public void RefreshMode()
    {
        CpuState* cpu = State;
        ref SegmentRegister code = ref cpu->Segments[(int)SegmentIndex.CS];
        ref SegmentRegister stack = ref cpu->Segments[(int)SegmentIndex.SS];
        bool user = cpu->Cpl == 3;
        bool is64 = (cpu->Paging.Efer & EferLma) != 0 && code.L;
        bool alignment = user && (cpu->Paging.Cr0 & Cr0Am) != 0 && (cpu->RflagsSystem & RflagsBits.AC) != 0;

        bool sse = (cpu->Paging.Cr0 & (Cr0Em | Cr0Ts)) == 0 && (cpu->Paging.Cr4 & Cr4OsFxsr) != 0;
        ExecutionMode mode = (alignment ? ExecutionMode.AlignmentCheck : ExecutionMode.None) | (sse ? ExecutionMode.Sse : ExecutionMode.None);
        if (is64)
        {
            mode |= ExecutionMode.Code64 | ExecutionMode.Flat | ExecutionMode.FlatCode;
        }
        else
        {
            bool real = (cpu->Paging.Cr0 & Cr0Pe) == 0 || (cpu->RflagsSystem & RflagsBits.VM) != 0;
            bool flat = IsFlatData(in stack)
                && IsFlatData(in cpu->Segments[(int)SegmentIndex.DS])
                && IsFlatData(in cpu->Segments[(int)SegmentIndex.ES]);
            mode |= (code.Db ? ExecutionMode.Code32 : 0)
                | (stack.Db ? ExecutionMode.Stack32 : 0)
                | (flat ? ExecutionMode.Flat : 0)
                | (code.Base == 0 && code.Limit == uint.MaxValue ? ExecutionMode.FlatCode : 0)
                | (real ? ExecutionMode.RealOrVirtual8086 : 0)
                | (ExecutionMode)(NumberOfLimit(code.Limit) << CodeLimitShift);
        }

        cpu->Mode = mode;
        cpu->DataAccess = user ? AccessMode.User
            : (cpu->Paging.Cr4 & Cr4Smap) != 0 && (cpu->RflagsSystem & RflagsBits.AC) != 0 ? AccessMode.SupervisorAc
            : AccessMode.Supervisor;
        cpu->Tlb = Tlb.Table(cpu->DataAccess);
        cpu->FetchTlb = Tlb.Table(user ? AccessMode.User : AccessMode.Supervisor);
    }

    /// <summary>
    /// Limits of CS that code has been run under, each with a number: where a block must end, and which links may leave it, depends on it.
    /// </summary>
    private uint NumberOfLimit(uint limit)
    {
        if (limit == _codeLimit)
        {
            return _codeLimitNumber;
        }

        int number = _codeLimits.IndexOf(limit);
        if (number < 0)
        {
            if (_codeLimits.Count == MaxCodeLimits)
            {
                _codeLimits.Clear();
                _areBlocksVoid = true; // before the next block is looked for
            }

            number = _codeLimits.Count;
            _codeLimits.Add(limit);
        }

        _codeLimit = limit;
        _codeLimitNumber = (uint)number;
        return _codeLimitNumber;
    }

    /// <summary>Bits 63:47 (or 63:56 with CR4.LA57) are all equal (SDM 1 "Canonical Addressing").</summary>
    public bool IsCanonical(ulong linear)
    {
        int shift = (State->Paging.Cr4 & Cr4La57) != 0 ? 7 : 16;
        return (ulong)((long)(linear << shift) >> shift) == linear;
    }

    /// <summary>A near branch may go there: canonical in 64-bit mode, else within the limit of CS.</summary>
    public bool IsBranchTarget(ulong rip) =>
        Is64BitMode ? IsCanonical(rip) : rip <= State->Segments[(int)SegmentIndex.CS].Limit;

    private static bool IsFlatData(in SegmentRegister segment) =>
        segment.Base == 0 && segment.Limit == uint.MaxValue && !segment.Unusable
        && (segment.Type & 0xE) == SegmentRegister.WritableOrReadableBit;
}
