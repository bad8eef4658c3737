using System;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>What switches tasks: bits 31:30 of the exit qualification (SDM 3C "Exit Qualification for Task Switches").</summary>
internal enum TaskSwitchKind : uint
{
    Call = 0,
    Iret = 1,
    Jump = 2,
    InterruptGate = 3,
}

/// <content>
/// Hardware task switches (SDM 3A "Task Management"): checks in the order of "Task Switching", then the point of no return; what fails
/// behind it fails in the new task. In VMX non-root operation every switch exits.
/// </content>
public sealed unsafe partial class Processor
{
    private const uint TssBusy = 2;
    private const ulong PendingDebugBt = 1UL << 15;

    /// <summary>L0 to L3 and LE of DR7.</summary>
    private const ulong Dr7Local = 0x155;

    /// <summary>The far transfer or delivery under way has become a VM exit.</summary>
    private bool _transferExited;

    /// <summary>The outcome of an instruction whose far transfer was done, or was not.</summary>
    internal Outcome EndTransfer(bool done)
    {
        if (_transferExited)
        {
            _transferExited = false;
            return Outcome.VmExit;
        }

        return done ? Outcome.Branched : Outcome.Fault;
    }

    /// <summary>Far CALL or JMP to a TSS descriptor or a task gate (SDM 2A "CALL", TASK-GATE and TASK-STATE-SEGMENT).</summary>
    internal bool TrySwitchFar(ushort selector, in SegmentDescriptor descriptor, TaskSwitchKind kind)
    {
        uint error = selector & 0xFFFCu;
        if (descriptor.Dpl < (uint)State->Cpl || descriptor.Dpl < (selector & 3u))
        {
            return Fail(Vector.GP, error);
        }

        ushort task = selector;
        if (descriptor.Type == SegmentDescriptor.TypeTaskGate)
        {
            if (!descriptor.P)
            {
                return Fail(Vector.NP, error);
            }

            task = descriptor.GateSelector;
        }

        return TryReadTask(task, wantsBusy: false, Vector.GP, 0, out SegmentDescriptor tss)
            && TrySwitchTask(new TaskSwitch { Selector = task, Kind = kind, ReturnRip = NextRip, Flags = (uint)Rflags }, in tss);
    }

    /// <summary>IRET with NT set: back to the task that the current TSS names (SDM 2A "IRET", TASK-RETURN).</summary>
    internal bool TryReturnToTask()
    {
        ref SegmentRegister current = ref Segment(SegmentIndex.TR);
        return TryReadLinear(new Gva((uint)current.Base), AccessMode.Supervisor, out ushort link)
            && TryReadTask(link, wantsBusy: true, Vector.TS, 0, out SegmentDescriptor tss)
            && TrySwitchTask(
                new TaskSwitch { Selector = link, Kind = TaskSwitchKind.Iret, ReturnRip = NextRip, Flags = (uint)Rflags & ~RflagsBits.NT }, in tss);
    }

    /// <summary>An event meets a task gate in the IDT, whose presence and DPL have been checked.</summary>
    private bool TrySwitchForEvent(in EventToDeliver current, in SegmentDescriptor gate, ulong returnRip)
    {
        TaskSwitch request = new()
        {
            Selector = gate.GateSelector,
            Kind = TaskSwitchKind.InterruptGate,
            ReturnRip = returnRip,
            Flags = (uint)PushedFlags(in current),
            Ext = current.Ext,
            HasErrorCode = current.HasErrorCode,
            ErrorCode = current.ErrorCode,
        };
        return TryReadTask(request.Selector, wantsBusy: false, Vector.GP, current.Ext, out SegmentDescriptor tss) && TrySwitchTask(in request, in tss);
    }

    /// <summary>
    /// The TSS descriptor of a selector: in the GDT, of the right type and state (else the vector given), and present (else #NP).
    /// </summary>
    private bool TryReadTask(ushort selector, bool wantsBusy, Vector vector, uint ext, out SegmentDescriptor tss)
    {
        uint error = (selector & 0xFFFCu) | ext;
        tss = default;
        if ((selector & 4) != 0)
        {
            return Fail(vector, error);
        }

        if (!TryReadDescriptor(selector, vector, ext, out tss))
        {
            return false;
        }

        uint available = tss.Type & ~TssBusy;
        bool isTask = !tss.S && available is SegmentDescriptor.TypeTss16Available or SegmentDescriptor.TypeTssAvailable;
        if (!isTask || ((tss.Type & TssBusy) != 0) != wantsBusy)
        {
            return Fail(vector, error);
        }

        return tss.P || Fail(Vector.NP, error);
    }

    private bool TrySwitchTask(in TaskSwitch request, in SegmentDescriptor tss)
    {
        bool is32 = (tss.Type & 8) != 0;
        uint size = is32 ? TaskState.Size32 : TaskState.Size16;
        if (tss.Limit < size - 1)
        {
            return Fail(Vector.TS, (request.Selector & 0xFFFCu) | request.Ext);
        }

        if (State->Paging.NonRoot)
        {
            uint length = request.Kind == TaskSwitchKind.InterruptGate ? 0 : (uint)(NextRip - State->Rip);
            _ = Vmx.Exit(ExitReason.TaskSwitch, request.Selector | ((ulong)request.Kind << 30), length);
            _transferExited = true;
            return true;
        }

        byte* incoming = stackalloc byte[(int)TaskState.Size32];
        if (!TryReadBytes((uint)tss.Base, AccessMode.Supervisor, incoming, (int)size)
            || !TryPrepareSwitch(in request, in tss, out SwitchTargets targets))
        {
            return false;
        }

        CommitSwitch(in request, in tss, in targets);
        return TryEnterTask(in request, TaskState.Read(incoming, is32), is32);
    }

    /// <summary>Everything that the switch will write: asked for before the first byte changes.</summary>
    private bool TryPrepareSwitch(in TaskSwitch request, in SegmentDescriptor tss, out SwitchTargets targets)
    {
        targets = default;
        ref SegmentRegister old = ref Segment(SegmentIndex.TR);
        bool was32 = (old.Type & 8) != 0;
        uint first = was32 ? TaskState.FirstSaved32 : TaskState.FirstSaved16;
        uint bytes = was32 ? TaskState.SavedBytes32 : TaskState.SavedBytes16;
        uint error = (old.Selector & 0xFFFCu) | request.Ext;
        if (old.Unusable || old.Limit < first + bytes - 1)
        {
            return Fail(Vector.TS, error);
        }

        if (!TryPrepareWrite((uint)(old.Base + first), AccessMode.Supervisor, (int)bytes, out targets.Saved))
        {
            return false;
        }

        if (request.FreesOldTask
            && (!TryDescriptorAddress(old.Selector, 8, out ulong oldDescriptor) ? !Fail(Vector.TS, error)
                : !TryPrepareWrite((uint)(oldDescriptor + 5), AccessMode.Supervisor, 1, out targets.OldRights)))
        {
            return false;
        }

        if (request.TakesNewTask)
        {
            _ = TryDescriptorAddress(request.Selector, 8, out ulong newDescriptor);
            if (!TryPrepareWrite((uint)(newDescriptor + 5), AccessMode.Supervisor, 1, out targets.NewRights))
            {
                return false;
            }
        }

        return !request.Nests || TryPrepareWrite((uint)tss.Base, AccessMode.Supervisor, 2, out targets.Link);
    }

    /// <summary>The old task is saved, busy bits and the back link are set, TR is loaded: nothing of this can fail.</summary>
    private void CommitSwitch(in TaskSwitch request, in SegmentDescriptor tss, in SwitchTargets targets)
    {
        ref SegmentRegister task = ref Segment(SegmentIndex.TR);
        byte* saved = stackalloc byte[(int)TaskState.Size32];
        ReadTarget(in targets.Saved, saved);
        TaskState.Save(State, request.ReturnRip, request.Flags, saved, (task.Type & 8) != 0);
        CommitWrite(in targets.Saved, saved);
        byte rights;
        if (request.FreesOldTask)
        {
            ReadTarget(in targets.OldRights, &rights);
            rights &= unchecked((byte)~TssBusy);
            CommitWrite(in targets.OldRights, &rights);
        }

        if (request.TakesNewTask)
        {
            ReadTarget(in targets.NewRights, &rights);
            rights |= (byte)TssBusy;
            CommitWrite(in targets.NewRights, &rights);
        }

        if (request.Nests)
        {
            ushort link = task.Selector;
            CommitWrite(in targets.Link, (byte*)&link);
        }

        task = tss.ToRegister(request.Selector);
        task.AccessRights |= TssBusy;
        State->Paging.Cr0 |= ControlRegisters.Cr0Ts;
        State->Dr[7] &= ~Dr7Local;
        State->Interruptibility &= ~InterruptShadow;
        EndStep();
    }

    /// <summary>Loads the new task's registers; a fault from here on belongs to the new task.</summary>
    private bool TryEnterTask(in TaskSwitch request, in TaskState next, bool is32)
    {
        Rflags = (next.Flags & RflagsBits.Defined) | (request.Nests ? RflagsBits.NT : 0);
        State->Rip = next.Ip;
        for (int i = 0; i < 8; i++)
        {
            State->Gpr[i] = next.Gpr[i];
        }

        // Visible parts first: a fault finds them in the registers, and knows the privilege level.
        bool isVirtual8086 = IsVirtual8086;
        int cpl = isVirtual8086 ? 3 : next.Selectors[(int)SegmentIndex.CS] & 3;
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.LDTR; index++)
        {
            Segment(index) = NullSegment(next.Selectors[(int)index], index == SegmentIndex.SS ? cpl : 0);
        }

        RefreshMode();
        if (is32 && (State->Paging.Cr0 & ControlRegisters.Cr0Pg) != 0 && !TryWriteCr3(next.Cr3))
        {
            return false;
        }

        if (next.HasTrap)
        {
            State->PendingDebug |= PendingDebugBt;
        }

        if (!TryLoadTaskLdt(next.Selectors[(int)SegmentIndex.LDTR], request.Ext) || !TryLoadTaskSegments(in next, cpl, request.Ext))
        {
            return false;
        }

        RefreshMode();
        if (State->Rip > Segment(SegmentIndex.CS).Limit)
        {
            return Fail(Vector.GP, request.Ext);
        }

        return !request.HasErrorCode || TryPush(is32 ? 4 : 2, request.ErrorCode);
    }

    private bool TryLoadTaskLdt(ushort selector, uint ext)
    {
        if (IsNull(selector))
        {
            return true;
        }

        uint error = (selector & 0xFFFCu) | ext;
        if ((selector & 4) != 0)
        {
            return Fail(Vector.TS, error);
        }

        if (!TryReadDescriptor(selector, Vector.TS, ext, out SegmentDescriptor ldt))
        {
            return false;
        }

        if (ldt.S || ldt.Type != SegmentDescriptor.TypeLdt || !ldt.P)
        {
            return Fail(Vector.TS, error);
        }

        Segment(SegmentIndex.LDTR) = ldt.ToRegister(selector);
        return true;
    }

    private bool TryLoadTaskSegments(in TaskState next, int cpl, uint ext)
    {
        if (IsVirtual8086)
        {
            for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
            {
                LoadRealSegment(index, next.Selectors[(int)index]);
            }

            return true;
        }

        ReadOnlySpan<SegmentIndex> data = [SegmentIndex.ES, SegmentIndex.DS, SegmentIndex.FS, SegmentIndex.GS];
        if (!TryLoadTaskCode(next.Selectors[(int)SegmentIndex.CS], cpl, ext) || !TryLoadTaskStack(next.Selectors[(int)SegmentIndex.SS], cpl, ext))
        {
            return false;
        }

        foreach (SegmentIndex index in data)
        {
            if (!TryLoadTaskData(index, next.Selectors[(int)index], (uint)cpl, ext))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryLoadTaskCode(ushort selector, int cpl, uint ext)
    {
        uint error = (selector & 0xFFFCu) | ext;
        if (IsNull(selector))
        {
            return Fail(Vector.TS, error);
        }

        if (!TryReadDescriptor(selector, Vector.TS, ext, out SegmentDescriptor code))
        {
            return false;
        }

        if (!code.IsCode || (code.IsConforming ? code.Dpl > cpl : code.Dpl != cpl))
        {
            return Fail(Vector.TS, error);
        }

        if (!code.P)
        {
            return Fail(Vector.NP, error);
        }

        return TryCommitTaskSegment(SegmentIndex.CS, selector, in code);
    }

    private bool TryLoadTaskStack(ushort selector, int cpl, uint ext)
    {
        if (IsNull(selector))
        {
            return Fail(Vector.TS, (selector & 0xFFFCu) | ext);
        }

        return TryReadDescriptor(selector, Vector.TS, ext, out SegmentDescriptor stack) && MayLoadStack(selector, in stack, cpl, Vector.TS, ext)
            && TryCommitTaskSegment(SegmentIndex.SS, selector, in stack);
    }

    private bool TryLoadTaskData(SegmentIndex index, ushort selector, uint cpl, uint ext)
    {
        if (IsNull(selector))
        {
            return true;
        }

        if (!TryReadDescriptor(selector, Vector.TS, ext, out SegmentDescriptor data))
        {
            return false;
        }

        uint error = (selector & 0xFFFCu) | ext;
        bool isConformingCode = data.IsCode && data.IsConforming;
        if (!data.IsReadable || (!isConformingCode && (data.Dpl < cpl || data.Dpl < (selector & 3u))))
        {
            return Fail(Vector.TS, error);
        }

        if (!data.P)
        {
            return Fail(Vector.NP, error);
        }

        return TryCommitTaskSegment(index, selector, in data);
    }

    private bool TryCommitTaskSegment(SegmentIndex index, ushort selector, in SegmentDescriptor descriptor)
    {
        if (!TrySetTypeBit(selector, in descriptor, SegmentRegister.AccessedBit))
        {
            return false;
        }

        Segment(index) = descriptor.ToRegister(selector);
        Segment(index).AccessRights |= SegmentRegister.AccessedBit;
        return true;
    }

    /// <summary>One task switch.</summary>
    private ref struct TaskSwitch
    {
        public ushort Selector;
        public TaskSwitchKind Kind;
        public ulong ReturnRip;
        public uint Flags;
        public uint Ext;
        public bool HasErrorCode;
        public uint ErrorCode;

        /// <summary>The new task returns to the old one.</summary>
        public readonly bool Nests => Kind is TaskSwitchKind.Call or TaskSwitchKind.InterruptGate;

        public readonly bool FreesOldTask => Kind is TaskSwitchKind.Jump or TaskSwitchKind.Iret;

        public readonly bool TakesNewTask => Kind != TaskSwitchKind.Iret;
    }

    private struct SwitchTargets
    {
        public WriteTarget Saved;
        public WriteTarget OldRights;
        public WriteTarget NewRights;
        public WriteTarget Link;
    }
}
