using System;
using System.IO;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// An isolation unit from an assembly that nothing here references (tests/SampleUnit), selected by its name: its verdicts must reach
/// walks, TLB and ports. And the registry's answers to what users get wrong.
/// </summary>
public class PlugInTests
{
    private static string PlugIn => Path.Combine(AppContext.BaseDirectory, "Xenolith.SampleUnit.dll");

    [Fact]
    public void PlugInUnitJudgesEveryAccess()
    {
        IsolationRegistry registry = new();
        Assert.Equal(1, registry.LoadPlugIn(PlugIn));
        using HostMemory memory = new(1 << 20);
        MemoryUnit unit = registry.Parse("deny-writes-above:0x8000").Build(new PhysicalBus(memory), Pages.Size, null);
        Assert.True(unit.TryWrite(default, new Hpa(0x7FF8), new byte[8]));
        Assert.False(unit.TryWrite(default, new Hpa(0x7FF8), new byte[16]));
        Assert.True(unit.TryRead(default, new Hpa(0x8000), new byte[16]));
        Assert.Equal(1UL, unit.Counters.Denied);

        // Its answers hold for one kind of access only: a page that was read must be judged again when it is written.
        PagingContext context = default;
        using Tlb tlb = new(unit);
        Assert.True(tlb.TryFill(ref context, new Gva(0x9000), AccessKind.Read, AccessMode.Supervisor, out Translation read, out _));
        Assert.True(read.MayRead && !read.MayWrite);
        Assert.False(tlb.TryFill(ref context, new Gva(0x9000), AccessKind.Write, AccessMode.Supervisor, out Translation denied, out TranslationStatus status));
        Assert.Equal(TranslationStatus.IsolationViolation, status);
        Assert.Equal(0x9000UL, denied.DeniedHpa.Value);
        Assert.True(denied.ErrorCode.HasFlag(PageFaultCode.ISO));
        Assert.True(tlb.TryFill(ref context, new Gva(0x5000), AccessKind.Read, AccessMode.Supervisor, out _, out _));
        Assert.True(tlb.TryFill(ref context, new Gva(0x5000), AccessKind.Write, AccessMode.Supervisor, out Translation written, out _));
        Assert.True(written.MayRead && written.MayWrite && !written.MayExecute);
    }

    [Theory]
    [InlineData("deny-writes-above")]
    [InlineData("deny-writes-above:xyz")]
    [InlineData("deny-writes-above:0x1")]
    [InlineData("asmi:soft")]
    [InlineData("asmi:hardened+")]
    [InlineData("asmi:literal+shared")]
    [InlineData("none:hardened")]
    [InlineData("")]
    [InlineData("ASMI")]
    [InlineData("nobody")]
    public void WhatUsersGetWrongIsOneArgumentException(string text)
    {
        IsolationRegistry registry = new();
        _ = registry.LoadPlugIn(PlugIn);
        using HostMemory memory = new(1 << 20);
        ArgumentException error = Assert.ThrowsAny<ArgumentException>(() => registry.Parse(text).Build(new PhysicalBus(memory), Pages.Size, null));
        Assert.NotEmpty(error.Message);
    }

    [Theory]
    [InlineData("asmi", true, false, false)]
    [InlineData("asmi:hardened", true, false, false)]
    [InlineData("asmi:literal", false, false, false)]
    [InlineData("asmi:+shared", true, true, false)]
    [InlineData("asmi:hardened+shared+cache", true, true, true)]
    [InlineData("asmi:literal+cache", false, false, true)]
    public void ProfilesOfAsmi(string text, bool hardened, bool shared, bool cache)
    {
        using TestMachine machine = TestMachine.With(text);
        Assert.Equal(new ProMemProfile(hardened, shared, cache), ((ProMemControl)machine.Unit.Control).Profile);
    }

    [Fact]
    public void PlugInsThatAreNone()
    {
        IsolationRegistry registry = new();
        Assert.Throws<ArgumentException>(() => registry.LoadPlugIn("no-such-file.dll"));
        string text = Path.Combine(Path.GetTempPath(), $"xenolith-{Environment.ProcessId}.dll");
        File.WriteAllText(text, "no assembly");
        Assert.Throws<ArgumentException>(() => registry.LoadPlugIn(text));
        File.Delete(text);
        Assert.Throws<ArgumentException>(() => registry.LoadPlugIn(typeof(Assert).Assembly.Location));
        _ = registry.LoadPlugIn(PlugIn);
        Assert.Throws<ArgumentException>(() => registry.LoadPlugIn(PlugIn)); // the name is taken
        Assert.Equal(["asmi", "deny-writes-above", "none"], System.Linq.Enumerable.Select(registry.Factories, factory => factory.Name));
    }
}
