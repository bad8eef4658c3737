using System;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// Access in a given name, without translation: what Xen, the microcode and devices use. A range over several pages is judged once per
/// page, and a refusal anywhere must leave nothing read or written; each judged page must be in the record when there is a sink.
/// </summary>
public class PortTests
{
    [Fact]
    public void EachPageIsJudgedOnceAndRecorded()
    {
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        byte[] data = new byte[0x2004];
        new Random(1).NextBytes(data);
        Assert.True(machine.Unit.TryWrite(ScriptedUnit.Guest, new Hpa(0x1FFE), data));
        byte[] back = new byte[data.Length];
        Assert.True(machine.Unit.TryRead(ScriptedUnit.Guest, new Hpa(0x1FFE), back, AccessOrigin.Dma));
        Assert.Equal(data, back);
        Assert.Equal(8UL, machine.Unit.Counters.Judged);
        Assert.Equal(8, machine.Records.Count);
        Assert.All(machine.Records, record => Assert.Equal(WalkStage.Datum, Assert.Single(record.Steps).Stage));
        Assert.Equal(AccessKind.Read, machine.Records[7].Steps[0].Kind);
        Assert.Equal(0x4000UL, machine.Records[3].Steps[0].Hpa.Value);
        Assert.Equal(0UL, machine.Unit.Counters.Walks);
    }

    [Fact]
    public void RefusalOfOnePageLeavesNothingDone()
    {
        byte[] denied = new byte[16];
        denied[3] = 1 << (int)AccessKind.Write;
        using TestMachine machine = TestMachine.WithScript(denied, recording: true);
        Assert.False(machine.Unit.TryWrite(ScriptedUnit.Guest, new Hpa(0x2FF8), [1, 2, 3, 4, 5, 6, 7, 8, 9]));
        Assert.Equal(0UL, machine.Read64(0x2FF8));
        Assert.Equal(TranslationStatus.IsolationViolation, machine.Records[1].Status);
        Assert.Equal(0x3000UL, machine.Records[1].Record.Result.DeniedHpa.Value);
        Assert.True(machine.Unit.TryWrite(ScriptedUnit.Guest, new Hpa(0x2FF8), [1, 2, 3, 4, 5, 6, 7, 8]));
        Assert.True(machine.Unit.TryRead(ScriptedUnit.Guest, new Hpa(0x2FF8), new byte[16]));
    }

    [Theory]
    [InlineData(0xF_FFF9UL, 8)]
    [InlineData(0x10_0000UL, 1)]
    [InlineData(ulong.MaxValue, 8)]
    [InlineData(ulong.MaxValue - 3, 8)]
    [InlineData(0UL, (1 << 20) + 1)]
    public void WhatIsNotRamIsRefusedUnjudged(ulong address, int size)
    {
        using TestMachine machine = TestMachine.WithScript([]);
        Assert.False(machine.Unit.TryRead(ScriptedUnit.Guest, new Hpa(address), new byte[size]));
        Assert.False(machine.Unit.TryWrite(ScriptedUnit.Guest, new Hpa(address), new byte[size]));
        Assert.Equal(0UL, machine.Unit.Counters.Judged);
    }

    [Fact]
    public void WriteTellsTheObserversOfCode()
    {
        using TestMachine machine = TestMachine.WithScript([]);
        Observer observer = new();
        machine.Bus.Observe(observer);
        machine.Bus.MarkCode(new Mfn(5));
        Assert.True(machine.Unit.TryWrite(default, new Hpa(0x4FFF), [1]));
        Assert.Equal(0, observer.Count);
        Assert.True(machine.Unit.TryWrite(default, new Hpa(0x4FFF), [1, 2]));
        Assert.Equal(1, observer.Count);
        Assert.False(machine.Bus.HoldsCode(new Mfn(5)));
    }

    private sealed class Observer : ICodePageObserver
    {
        public int Count { get; private set; }

        public void OnCodePageMarked(Mfn frame)
        {
        }

        public bool OnCodePageWritten(Hpa address, ulong sizeBytes)
        {
            Count++;
            return false;
        }
    }
}
