using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>The x87 register stack, status word and exceptions (SDM 1 "Programming with the x87 FPU").</content>
public sealed unsafe partial class Processor
{
    internal const ushort FswStackFault = 1 << 6;
    internal const ushort FswBusy = 1 << 15;
    internal const ushort FswC0 = 1 << 8;
    internal const ushort FswC1 = 1 << 9;
    internal const ushort FswC2 = 1 << 10;
    internal const ushort FswC3 = 1 << 14;
    internal const int FswTopShift = 11;

    private const ulong Cr0Mp = 1UL << 1;
    private const int TagEmpty = 3;

    internal int X87Top => (State->Fsw >> FswTopShift) & 7;

    /// <summary>#NM with CR0.EM or CR0.TS. All that control instructions without a wait ask for.</summary>
    internal bool X87Available()
    {
        if ((State->Paging.Cr0 & (Cr0Em | Cr0Ts)) == 0)
        {
            return true;
        }

        _ = Raise(Vector.NM);
        return false;
    }

    /// <summary>As <see cref="X87Available"/>, and #MF when an unmasked exception is pending.</summary>
    internal bool X87Ready()
    {
        if (!X87Available())
        {
            return false;
        }

        return (State->Fsw & FswErrorSummary) == 0 || MayIgnoreX87Error();
    }

    /// <summary>
    /// A pending exception is #MF with CR0.NE. Without, it is the board's business (SDM 1 "MS-DOS Compatibility Sub-mode"), and the
    /// instruction goes on, as where IGNNE# is asserted.
    /// </summary>
    internal bool MayIgnoreX87Error()
    {
        if ((State->Paging.Cr0 & ControlRegisters.Cr0Ne) != 0)
        {
            _ = Raise(Vector.MF);
            return false;
        }

        Platform.SignalFpuError();
        return true;
    }

    /// <summary>WAIT: #NM only with both CR0.MP and CR0.TS.</summary>
    internal bool WaitReady()
    {
        const ulong Both = Cr0Mp | Cr0Ts;
        if ((State->Paging.Cr0 & Both) == Both)
        {
            _ = Raise(Vector.NM);
            return false;
        }

        return (State->Fsw & FswErrorSummary) == 0 || MayIgnoreX87Error();
    }

    /// <summary>
    /// Pointers of the last instruction that was not a control instruction (SDM 1 "x87 FPU Instruction and Data (Operand) Pointers").
    /// </summary>
    internal void RecordX87(in Instruction i)
    {
        CpuState* cpu = State;
        cpu->Fip = cpu->Rip;
        cpu->Fop = X87Opcode.Of(in i);
        cpu->Fcs = cpu->Segments[(int)SegmentIndex.CS].Selector;
        if (i.Op0Kind == OpKind.Memory)
        {
            RecordX87(in i, EffectiveAddress(in i));
        }
    }

    /// <summary>As above, of a memory operand whose offset is known.</summary>
    internal void RecordX87(in Instruction i, ulong offset)
    {
        CpuState* cpu = State;
        cpu->Fip = cpu->Rip;
        cpu->Fop = X87Opcode.Of(in i);
        cpu->Fcs = cpu->Segments[(int)SegmentIndex.CS].Selector;
        cpu->Fdp = offset;
        cpu->Fds = cpu->Segments[(int)SegmentOf(in i)].Selector;
    }

    /// <summary>ST(<paramref name="index"/>).</summary>
    internal ref X87Register St(int index) => ref State->X87[(X87Top + index) & 7];

    internal bool StIsEmpty(int index) => ((State->Ftw >> (2 * ((X87Top + index) & 7))) & 3) == TagEmpty;

    /// <summary>Writes ST(<paramref name="index"/>) and its tag.</summary>
    internal void SetSt(int index, X87Register value)
    {
        int physical = (X87Top + index) & 7;
        State->X87[physical] = value;
        SetTag(physical, ExtendedFormat.Tag(in value));
    }

    /// <summary>
    /// Writes a normal number or zero without reading it back, and PE and C1 (which has been cleared) into the status word.
    /// </summary>
    internal void SetSt(int index, ulong significand, uint signExponent, uint status)
    {
        int physical = (X87Top + index) & 7;
        ref X87Register register = ref State->X87[physical];
        register.Significand = significand;
        register.SignExponent = (ushort)signExponent;
        SetTag(physical, significand == 0 ? 1 : 0);
        if (status != 0)
        {
            State->Fsw |= (ushort)status;
            if ((State->Fcw & MxcsrBits.PE) == 0)
            {
                UpdateErrorSummary();
            }
        }
    }

    internal void FreeSt(int index) => SetTag((X87Top + index) & 7, TagEmpty);

    /// <summary>Makes TOP one less; the new ST(0) is not written.</summary>
    internal void DecrementTop() => SetTop(X87Top - 1);

    internal void IncrementTop() => SetTop(X87Top + 1);

    internal void Pop()
    {
        FreeSt(0);
        IncrementTop();
    }

    /// <summary>
    /// Pushes a value. On a full stack that is a stack fault: the indefinite NaN is pushed when #IS is masked, nothing otherwise.
    /// </summary>
    internal void Push(X87Register value)
    {
        if (!StIsEmpty(7))
        {
            if (!StackFault(overflow: true))
            {
                return;
            }

            value = ExtendedFormat.Indefinite;
        }

        DecrementTop();
        SetSt(0, value);
    }

    /// <summary>#IS: false when it is unmasked, and the instruction must leave things as they are.</summary>
    internal bool StackFault(bool overflow)
    {
        State->Fsw |= (ushort)(MxcsrBits.IE | FswStackFault | (overflow ? FswC1 : 0));
        if (!overflow)
        {
            State->Fsw &= unchecked((ushort)~FswC1);
        }

        UpdateErrorSummary();
        return (State->Fcw & MxcsrBits.IE) != 0;
    }

    /// <summary>Puts exceptions and C1 into the status word. False when an unmasked one forbids the result.</summary>
    internal bool CommitX87(in FloatEnvironment environment)
    {
        CpuState* cpu = State;
        uint raised = environment.Raised;
        uint unmasked = raised & ~environment.Masked;
        bool stopped = (unmasked & MxcsrBits.PreComputation) != 0;
        cpu->Fsw |= (ushort)(stopped ? raised & MxcsrBits.PreComputation : raised);
        cpu->Fsw = (ushort)((cpu->Fsw & ~FswC1) | (environment.RoundedUp && (raised & MxcsrBits.PE) != 0 && !stopped ? FswC1 : 0));
        UpdateErrorSummary();
        return !stopped;
    }

    internal void ClearC1() => State->Fsw &= unchecked((ushort)~FswC1);

    /// <summary>ES and B follow the exceptions that are raised and unmasked.</summary>
    internal void UpdateErrorSummary()
    {
        bool pending = (State->Fsw & ~State->Fcw & MxcsrBits.Flags) != 0;
        const ushort Both = FswErrorSummary | FswBusy;
        State->Fsw = (ushort)(pending ? State->Fsw | Both : State->Fsw & ~Both);
    }

    private void SetTop(int top) => State->Fsw = (ushort)((State->Fsw & ~FswTop) | ((top & 7) << FswTopShift));

    private void SetTag(int physical, int tag) =>
        State->Ftw = (ushort)((State->Ftw & ~(3 << (2 * physical))) | (tag << (2 * physical)));
}
