using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: a task switch of each kind between prepared TSSs; registers, saved state, busy bits, links and NT are compared with SDM 3A
/// "Task Management", and each refusal with the vector and error code of its table "Exception Conditions Checked During a Task Switch".
/// </summary>
public sealed unsafe class TaskSwitchTests
{
    private const uint BusyTask = 11;
    private const uint AvailableTask = 9;

    [Fact]
    public void JumpSavesTheOldTaskAndLoadsTheNew()
    {
        using TaskMachine m = new();
        m.State->Gpr[0] = 0x1234_5678;
        m.State->Dr[7] = 0x7FF;
        Assert.Equal(StopReason.Halted, m.Execute(a => a.db(0xEA, 0, 0, 0, 0, (byte)TaskMachine.Second, 0)));
        Assert.Equal(TaskMachine.SecondCode + 1, m.State->Rip);
        Assert.Equal(TaskMachine.Second, m.State->Segments[(int)SegmentIndex.TR].Selector);
        Assert.Equal(AvailableTask, m.TypeOf(TestMachine.TaskSelector));
        Assert.Equal(BusyTask, m.TypeOf(TaskMachine.Second));
        Assert.Equal(0x1111_0000u, m.State->Gpr[0]);
        Assert.Equal(TaskMachine.SecondStack, m.State->Gpr[4]);
        Assert.Equal(0u, m.Processor.Rflags & RflagsBits.NT);
        Assert.Equal(0x1234_5678u, m.Read<uint>(TestMachine.Tss + 0x28));
        Assert.Equal(TestMachine.CodeStart + 7, m.Read<uint>(TestMachine.Tss + 0x20));
        Assert.Equal(TestMachine.KernelCode, m.Read<ushort>(TestMachine.Tss + 0x4C));
        Assert.NotEqual(0u, m.State->Paging.Cr0 & ControlRegisters.Cr0Ts);
        Assert.Equal(0x6AAu, m.State->Dr[7]); // L0-L3 and LE are the task's own
    }

    [Fact]
    public void CallNestsAndIretReturns()
    {
        using TaskMachine m = new();
        m.Program(TaskMachine.SecondCode, 32, a =>
        {
            a.inc(ebx);
            a.iretd();
            a.inc(ecx); // where the second call finds it
            a.hlt();
        });
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.db(0x9A, 0, 0, 0, 0, (byte)TaskMachine.Second, 0);
            a.inc(eax);
            a.db(0x9A, 0, 0, 0, 0, (byte)TaskMachine.Gate, 0);
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x1111_0002u, m.State->Gpr[1]);
        Assert.Equal(0x1111_0004u, m.State->Gpr[3] + 0); // EBX was saved incremented: 11110003 + 1
        Assert.NotEqual(0u, m.Processor.Rflags & RflagsBits.NT);
        Assert.Equal(TestMachine.TaskSelector, m.Read<ushort>(TaskMachine.SecondTss));
        Assert.Equal(BusyTask, m.TypeOf(TestMachine.TaskSelector)); // the caller stays busy
        Assert.Equal(1u, m.Read<uint>(TestMachine.Tss + 0x28));
    }

    [Fact]
    public void SixteenBitTaskHasUpperHalvesOfOnes()
    {
        using TaskMachine m = new();
        Assert.Equal(StopReason.Halted, m.Execute(a => a.db(0xEA, 0, 0, 0, 0, (byte)TaskMachine.Small, 0)));
        Assert.Equal(0x4001u, m.State->Rip);
        Assert.Equal(0xFFFF_2220u, m.State->Gpr[0]);
        Assert.True(m.State->Segments[(int)SegmentIndex.FS].Unusable);
        Assert.Equal(3u, m.TypeOf(TaskMachine.Small));
    }

    [Fact]
    public void ExceptionThroughATaskGatePushesItsErrorCode()
    {
        using TaskMachine m = new();
        m.Write(TestMachine.Idt + (13 * 8), ((ulong)TaskMachine.Second << 16) | (0x85UL << 40));
        _ = m.Execute(a =>
        {
            a.mov(eax, 0xF8);
            a.mov(ds, eax); // beyond the GDT: #GP(F8)
        });
        Assert.Equal(TaskMachine.SecondCode + 1, m.State->Rip);
        Assert.Equal(TaskMachine.SecondStack - 4, m.State->Gpr[4]);
        Assert.Equal(0xF8u, m.Read<uint>(m.State->Gpr[4]));
        Assert.Equal(TestMachine.CodeStart + 5, m.Read<uint>(TestMachine.Tss + 0x20)); // at the faulting instruction
        Assert.NotEqual(0u, m.Read<uint>(TestMachine.Tss + 0x24) & RflagsBits.RF);
        Assert.NotEqual(0u, m.Processor.Rflags & RflagsBits.NT);
    }

    [Fact]
    public void TrapBitIsADebugTrapBeforeTheFirstInstruction()
    {
        using TaskMachine m = new();
        m.Write<ushort>(TaskMachine.SecondTss + 0x64, 1);
        _ = m.Execute(a => a.db(0xEA, 0, 0, 0, 0, (byte)TaskMachine.Second, 0));
        Assert.Equal(1, m.Vector);
        Assert.NotEqual(0u, m.State->Dr[6] & (1u << 15));
        Assert.Equal(TaskMachine.SecondCode, m.Read<uint>(m.State->Gpr[4]));
    }

    [Fact]
    public void VirtualTaskLoadsRealSegments()
    {
        using TaskMachine m = new();
        m.FillTask32(TaskMachine.SecondTss, 0x10, RflagsBits.Fixed1 | RflagsBits.VM, 0x100);
        for (uint i = 0; i < 6; i++)
        {
            m.Write(TaskMachine.SecondTss + 0x48 + (4 * i), 0x1000u + i);
        }

        m.Write(TaskMachine.SecondTss + 4, (uint)TestMachine.KernelStackTop);
        m.Write(TaskMachine.SecondTss + 8, (uint)TestMachine.KernelData);
        m.WriteBytes(0x1_0020, [0xF4]); // 1001:0010, privileged: #GP(0)
        m.Program(TestMachine.CodeStart, 32, a => a.db(0xEA, 0, 0, 0, 0, (byte)TaskMachine.Second, 0));
        _ = m.Run();
        Assert.Equal((13, 0u), m.Fault);
        Assert.Equal(0x10u, m.Read<uint>(m.State->Gpr[4] + 4));
        Assert.Equal(0x1001u, m.Read<uint>(m.State->Gpr[4] + 8));
        Assert.NotEqual(0u, m.Read<uint>(m.State->Gpr[4] + 12) & RflagsBits.VM);
        Assert.Equal(0x100u, m.Read<uint>(m.State->Gpr[4] + 16));
        Assert.Equal(0x1002u, m.Read<uint>(m.State->Gpr[4] + 20));
        Assert.Equal(0x1000u, m.Read<uint>(m.State->Gpr[4] + 24)); // ES, then DS, FS, GS
        Assert.True(m.State->Segments[(int)SegmentIndex.DS].Unusable);
    }

    [Fact]
    public void RefusalsBeforeTheSwitchLeaveTheOldTask()
    {
        Check(TaskMachine.Second, 10, TaskMachine.Second, m => m.SetDescriptor(TaskMachine.Second, TaskMachine.Tss32(TaskMachine.SecondTss, 0x89, 0x66)));
        Check(TaskMachine.Second, 11, TaskMachine.Second, m => m.SetDescriptor(TaskMachine.Second, TaskMachine.Tss32(TaskMachine.SecondTss, 0x09)));
        Check(TaskMachine.Second, 13, TaskMachine.Second, m => m.SetDescriptor(TaskMachine.Second, TaskMachine.Tss32(TaskMachine.SecondTss, 0x8B)));
        Check(TaskMachine.Gate, 11, TaskMachine.Gate, m => m.SetDescriptor(TaskMachine.Gate, ((ulong)TaskMachine.Second << 16) | (0x05UL << 40)));
        Check(TaskMachine.Gate, 13, 0x4C, m => m.SetDescriptor(TaskMachine.Gate, (0x4CUL << 16) | (0x85UL << 40))); // in the LDT
        Check(TestMachine.TaskSelector, 13, TestMachine.TaskSelector, m => { }); // busy: itself
        Check(TaskMachine.Second, 10, TestMachine.TaskSelector, m => m.State->Segments[(int)SegmentIndex.TR].Limit = 0x5E);
    }

    [Theory]
    [InlineData(0x4C, 0x0000, 10, 0x0000)] // CS null
    [InlineData(0x4C, 0x0010, 10, 0x0010)] // CS is data
    [InlineData(0x4C, 0x0100, 10, 0x0100)] // CS beyond the GDT
    [InlineData(0x4C, 0x0018, 10, 0x0018)] // CS of DPL 3 with RPL 0
    [InlineData(0x50, 0x0000, 10, 0x0000)] // SS null
    [InlineData(0x50, 0x0008, 10, 0x0008)] // SS is code
    [InlineData(0x50, 0x0020, 10, 0x0020)] // SS of DPL 3
    [InlineData(0x54, 0x0100, 10, 0x0100)] // DS beyond the GDT
    [InlineData(0x54, 0x0048, 10, 0x0048)] // DS is a TSS
    [InlineData(0x60, 0x0010, 10, 0x0010)] // LDTR is data
    [InlineData(0x60, 0x0064, 10, 0x0064)] // LDTR in the LDT
    [InlineData(0x54, 0x0068, 11, 0x0068)] // DS not present
    [InlineData(0x50, 0x0068, 12, 0x0068)] // SS not present
    [InlineData(0x4C, 0x0070, 11, 0x0070)] // CS not present
    public void FaultsBehindThePointOfNoReturnBelongToTheNewTask(uint field, ushort selector, int vector, uint error)
    {
        using TaskMachine m = new();
        m.SetDescriptor(0x68, TestMachine.Flat(0xC013));
        m.SetDescriptor(0x70, TestMachine.Flat(0xC01B));
        m.Write(TaskMachine.SecondTss + field, selector);

        // The handler needs a stack that works: a task of its own.
        const ulong ThirdTss = 0x3600;
        m.SetDescriptor(0x78, TaskMachine.Tss32(ThirdTss, 0x89));
        m.FillTask32(ThirdTss, (uint)(TestMachine.HandlerStart + (16 * (uint)vector)), 2, 0x3_0000);
        m.Write(TestMachine.Idt + ((uint)vector * 8), (0x78UL << 16) | (0x85UL << 40));
        _ = m.Execute(a => a.db(0xEA, 0, 0, 0, 0, (byte)TaskMachine.Second, 0));
        Assert.Equal((vector, error), m.Fault);
        Assert.Equal(TaskMachine.Second, m.Read<ushort>(ThirdTss)); // the second task was the running one
        Assert.Equal((uint)TaskMachine.SecondCode, m.Read<uint>(TaskMachine.SecondTss + 0x20));
    }

    [Fact]
    public void IretNeedsABusyTask()
    {
        using TaskMachine m = new();
        m.Processor.Rflags |= RflagsBits.NT;
        m.Write(TestMachine.Tss, TaskMachine.Second); // available, not busy
        _ = m.Execute(a => a.iretd());
        Assert.Equal((10, TaskMachine.Second), m.Fault);
    }

    [Fact]
    public void UserNeedsTheGatesPrivilege()
    {
        using TaskMachine m = new();
        m.DropToUser();
        _ = m.Execute(a => a.db(0x9A, 0, 0, 0, 0, (byte)TaskMachine.Gate, 0));
        Assert.Equal((13, TaskMachine.Gate), m.Fault);
        using TaskMachine open = new();
        open.SetDescriptor(TaskMachine.Gate, ((ulong)TaskMachine.Second << 16) | (0xE5UL << 40));
        open.DropToUser();
        _ = open.Execute(a => a.db(0x9A, 0, 0, 0, 0, (byte)TaskMachine.Gate, 0));
        Assert.Equal(TaskMachine.SecondCode + 1, open.State->Rip); // the privilege of the TSS is not asked
        Assert.Equal(0, open.State->Cpl);
    }

    [Fact]
    public void NoTasksInIa32eMode()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.SetGate(13, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Processor.Rflags |= RflagsBits.NT;
        m.Program(TestMachine.CodeStart, 64, a => a.iretq());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0u, m.Read<ulong>(m.State->Gpr[4]));
    }

    private static void Check(ushort target, int vector, uint error, System.Action<TaskMachine> prepare)
    {
        using TaskMachine m = new();
        prepare(m);
        _ = m.Execute(a => a.db(0xEA, 0, 0, 0, 0, (byte)target, 0));
        Assert.Equal((vector, error), m.Fault);
        Assert.Equal(TestMachine.TaskSelector, m.State->Segments[(int)SegmentIndex.TR].Selector);
        Assert.Equal(TestMachine.CodeStart, m.Read<uint>(m.State->Gpr[4] + 4));
        Assert.Equal(BusyTask, m.TypeOf(TestMachine.TaskSelector));
    }
}
