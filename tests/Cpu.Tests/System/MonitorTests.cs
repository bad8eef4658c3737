using Iced.Intel;

using Xenolith.Mmu;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: a processor waits in MWAIT for a line that MONITOR has armed; another processor, a device, or an interrupt comes, near the line
/// and on it. It fails when the wait does not begin, does not end, or ends without a reason (SDM 2B "MONITOR", "MWAIT").
/// </summary>
public sealed unsafe class MonitorTests
{
    private const ulong Line = 0x9_0040;

    [Theory]
    [InlineData(Line, 1, true)]
    [InlineData(Line + 63, 1, true)]
    [InlineData(Line + 64, 8, false)]
    [InlineData(Line - 1, 1, false)]
    [InlineData(Line - 4, 8, true)]
    public void StoreOfAnotherProcessorEndsTheWait(ulong address, int size, bool wakes)
    {
        using TestMachine m = Waiting(0);
        using Processor other = new(m.Memory, new TestPlatform());
        other.State->Paging = m.State->Paging;
        other.State->Segments = m.State->Segments;
        other.State->Rip = 0x2_4000;
        other.OnContextReplaced();
        m.Program(0x2_4000, 64, a =>
        {
            a.mov(__qword_ptr[0x9_0800], rax); // the page is in the TLB now
            if (size == 1)
            {
                a.mov(__byte_ptr[address], cl);
            }
            else
            {
                a.mov(__qword_ptr[address], rcx);
            }
        });
        _ = other.Run(2);
        Assert.Equal(wakes ? ActivityState.Active : ActivityState.Hlt, m.State->Activity);
        Assert.Equal(wakes ? StopReason.Budget : StopReason.Halted, m.Run(1));
    }

    [Fact]
    public void StoreBetweenMonitorAndMwaitMakesItPass()
    {
        using TestMachine m = Ready(0);
        Assert.Equal(StopReason.Budget, m.Run(1));
        m.Bus.NoteWrite(new Hpa(Line), 4); // a device
        Assert.Equal(StopReason.Budget, m.Run(2));
        Assert.Equal(1u, m.State->Gpr[3]);
    }

    [Fact]
    public void MwaitWithoutMonitorPasses()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mwait();
            a.inc(ebx);
        });
        Assert.Equal(StopReason.Budget, m.Run(2));
        Assert.Equal(1u, m.State->Gpr[3]);
    }

    [Theory]
    [InlineData(0, false, false)] // masked: it waits on
    [InlineData(1, false, true)] // ECX bit 0: ends, and nothing is delivered
    [InlineData(0, true, true)]
    public void InterruptsEndTheWait(int extensions, bool enabled, bool wakes)
    {
        using TestMachine m = Waiting(extensions);
        m.SetGate(0x40, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Processor.Rflags |= enabled ? RflagsBits.IF : 0;
        m.Platform.Interrupts.Enqueue(0x40);
        StopReason reason = m.Run(1);
        Assert.Equal(wakes, m.State->Activity == ActivityState.Active || m.State->Rip == TestMachine.HandlerStart + 1);
        Assert.Equal(wakes && !enabled ? 1u : 0, m.State->Gpr[3]);
        Assert.NotEqual(StopReason.Shutdown, reason);
    }

    [Theory]
    [InlineData(2, 0, 13)] // unsupported extension
    [InlineData(0, 1, 13)] // MONITOR with ECX not 0
    public void ReservedBitsFault(int mwaitEcx, int monitorEcx, int vector)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.SetGate((byte)vector, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.State->Gpr[0] = Line;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(ecx, monitorEcx);
            a.monitor();
            a.mov(ecx, mwaitEcx);
            a.mwait();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + 1, m.State->Rip);
    }

    [Fact]
    public void MiscEnableTakesThemAway()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.State->Msr.MiscEnable = 1;
        m.SetGate(6, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Program(TestMachine.CodeStart, 64, a => a.monitor());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0u, CpuidModel.Query(1, 0, m.State).Ecx & 8);
    }

    private static TestMachine Ready(int extensions)
    {
        TestMachine m = new();
        m.EnterLongMode();
        m.State->Gpr[0] = Line + 8;
        m.State->Gpr[1] = 0;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.monitor();
            if (extensions != 0)
            {
                a.mov(ecx, extensions);
            }

            a.mwait();
            a.inc(ebx);
            a.nop();
        });
        m.State->Gpr[3] = 0;
        return m;
    }

    private static TestMachine Waiting(int extensions)
    {
        TestMachine m = Ready(extensions);
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0u, m.State->Gpr[3]);
        return m;
    }
}
