using System;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;

using Xenolith.Mmu;
using Xenolith.Toolstack.Xenstore;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

using Xunit;

namespace Xenolith.Toolstack.Tests;

/// <summary>
/// Method: domains are built, looked at through Dom0's hypercalls only, run and destroyed on a real machine with a real isolation unit.
/// Fails when a domain does
/// not get what its configuration says, when something stays behind after its end, or when a failed construction leaks.
/// </summary>
public sealed class DomainManagerTests : IDisposable
{
    private readonly TestMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private DomainManager Manager => _machine.Manager;

    [Fact]
    public void ABuiltDomainIsWhatItsConfigurationSays()
    {
        ManagedDomain domain = _machine.Create("hello", "maxmem=32");
        Dom0Client dom0 = new(_machine.Hypervisor.Dom0);
        XenDomctl argument = new(DomctlCommand.GetDomainInfo, domain.Id);
        Assert.False(dom0.Domctl(ref argument).IsError);
        XenDomctlGetdomaininfo info = argument.Argument<XenDomctlGetdomaininfo>();
        Assert.Equal(domain.Id, argument.Domain);
        Assert.Equal(XenDomctlGetdomaininfo.HvmGuest | XenDomctlGetdomaininfo.Paused, info.Flags & (XenDomctlGetdomaininfo.HvmGuest | XenDomctlGetdomaininfo.Paused));
        Assert.InRange(info.TotPages, (16UL << 8) + 2, (16UL << 8) + 16); // RAM, two rings, and what Xen keeps for it
        Assert.InRange(info.MaxPages, 32UL << 8, 34UL << 8);
        byte[] handle = [.. (ReadOnlySpan<byte>)info.Handle];
        Assert.Equal(DomainIdentity.HandleOf("hello"), handle);

        dom0.GetHvmParam(domain.Id, HvmParam.StorePfn, out ulong store);
        dom0.GetHvmParam(domain.Id, HvmParam.ConsolePfn, out ulong console);
        dom0.GetHvmParam(domain.Id, HvmParam.StoreEvtchn, out ulong storePort);
        dom0.GetHvmParam(domain.Id, HvmParam.ConsoleEvtchn, out ulong consolePort);
        Assert.Equal(0xFEFFCUL, store);
        Assert.Equal(0xFEFFFUL, console);
        Assert.Equal(Manager.Store.Read($"/local/domain/{domain.Id}/store/port"), storePort.ToString());
        Assert.Equal(Manager.Store.Read($"/local/domain/{domain.Id}/console/port"), consolePort.ToString());
        Assert.NotEqual(storePort, consolePort);
    }

    [Fact]
    public void ImageAndStartInfoLieInTheDomainsMemory()
    {
        ManagedDomain domain = _machine.Create("hello", "cmdline='one two'");
        Dom0Client dom0 = new(_machine.Hypervisor.Dom0);
        byte[] file = File.ReadAllBytes(Path.Combine(TestMachine.Images, "hello", "hello.elf"));
        byte[] memory = ReadMemory(dom0, domain.Id, 0x100, 64);
        int code = file.AsSpan().IndexOf(memory.AsSpan(0, 64));
        Assert.True(code > 0, "the bytes at 1 MiB are not the file's");

        byte[] all = ReadMemory(dom0, domain.Id, 0x100, 256);
        int start = all.AsSpan().IndexOf(BitConverter.GetBytes(0x336EC578u).AsSpan());
        while (start >= 0 && BitConverter.ToUInt32(all, start + 4) != 1)
        {
            int next = all.AsSpan(start + 4).IndexOf(BitConverter.GetBytes(0x336EC578u).AsSpan());
            start = next < 0 ? -1 : start + 4 + next;
        }

        Assert.True(start > 0, "there is no start info");
        ulong commandLine = BitConverter.ToUInt64(all, start + 24) - 0x100000;
        Assert.Equal("one two\0"u8.ToArray(), all[(int)commandLine..((int)commandLine + 8)]);
        Assert.Equal(2u, BitConverter.ToUInt32(all, start + 48));
    }

    [Fact]
    public void XenstoreHoldsWhatLibxlWrites()
    {
        ManagedDomain domain = _machine.Create("hello");
        XenstoreServer store = Manager.Store;
        string path = $"/local/domain/{domain.Id}";
        string uuid = DomainIdentity.UuidOf("hello");
        Assert.Equal("hello", store.Read(path + "/name"));
        Assert.Equal("/vm/" + uuid, store.Read(path + "/vm"));
        Assert.Equal(domain.Id.ToString(), store.Read(path + "/domid"));
        Assert.Equal("16384", store.Read(path + "/memory/target"));
        Assert.Equal("16384", store.Read(path + "/memory/static-max"));
        Assert.Equal("online", store.Read(path + "/cpu/0/availability"));
        Assert.Equal("1", store.Read(path + "/control/platform-feature-xs_reset_watches"));
        Assert.Equal($"n0,r{domain.Id}", store.PermissionsOf(path));
        Assert.Equal($"n0,r{domain.Id}", store.PermissionsOf(path + "/name"));
        Assert.Equal($"n{domain.Id}", store.PermissionsOf(path + "/control/shutdown"));
        Assert.Equal($"n{domain.Id}", store.PermissionsOf(path + "/data"));
        Assert.Equal(["port", "ring-ref"], store.List(path + "/store"));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("asmi")]
    [InlineData("asmi:literal")]
    public void ADomainRunsEndsAndLeavesNothing(string isolation)
    {
        using TestMachine machine = new(isolation);
        ManagedDomain domain = machine.Create("hello");
        DomainExit? told = null;
        machine.Manager.Ended = ended => told = ended.Report.Exit;
        machine.Manager.Unpause(domain);
        Assert.Equal(RunStop.AllEnded, machine.Hypervisor.Run(10_000_000));
        Assert.Equal(DomainExitKind.Poweroff, told?.Kind);
        Assert.True(domain.IsDestroyed);
        Assert.Equal(DomainState.Dead, domain.Report.State);
        Assert.Contains("all checks passed", machine.Printed["hello"], StringComparison.Ordinal);
        Assert.Null(machine.Manager.Store.Read($"/local/domain/{domain.Id}/name"));
        Assert.Equal(0UL, domain.Report.TotalPages);
    }

    [Fact]
    public void MemoryComesBackWithEachEnd()
    {
        // 128 MiB hold a handful of these at once; twenty in a row only fit if all of them give everything back.
        for (int i = 0; i < 20; i++)
        {
            ManagedDomain domain = _machine.Create("hello", $"name='d{i}'; memory=32");
            Manager.Destroy(domain);
            Manager.Destroy(domain); // a second time is harmless
        }

        Assert.Equal(20, Manager.Domains.Select(domain => domain.Id).Distinct().Count());
    }

    [Fact]
    public void AConstructionThatFailsLeavesNothing()
    {
        DomainConfig tooBig = _machine.Config("hello", "name='big'; memory=127");
        for (int i = 0; i < 5; i++)
        {
            InputException e = Assert.Throws<InputException>(() => Manager.Create(tooBig));
            Assert.Contains("not enough free memory for domain big", e.Message, StringComparison.Ordinal);
        }

        ManagedDomain domain = _machine.Create("hello", "memory=64");
        Manager.Unpause(domain);
        Assert.Equal(RunStop.AllEnded, _machine.Hypervisor.Run(50_000_000));
        Assert.Equal(DomainExitKind.Poweroff, domain.Report.Exit.Kind);
    }

    [Fact]
    public void ARamdiskTakesItsPlace()
    {
        string path = Path.GetTempFileName();
        byte[] files = new byte[10_000];
        new Random(3).NextBytes(files);
        File.WriteAllBytes(path, files);
        ManagedDomain domain = _machine.Create("hello", $"ramdisk='{path}'");
        File.Delete(path);
        byte[] memory = ReadMemory(new Dom0Client(_machine.Hypervisor.Dom0), domain.Id, 0x100, 256);
        int at = memory.AsSpan().IndexOf(files);
        Assert.True(at > 0 && (at & 0xFFF) == 0, $"the RAM disk lies at {at:x}");
        Manager.Unpause(domain);
        Assert.Equal(RunStop.AllEnded, _machine.Hypervisor.Run(10_000_000));
        Assert.Equal(DomainExitKind.Poweroff, domain.Report.Exit.Kind);
    }

    [Fact]
    public void ADomainKilledInMidRunDisturbsNobody()
    {
        ManagedDomain first = _machine.Create("tenant", "name='first'; cmdline='name=A seed=1 secret=x rounds=2 memory=1M'");
        ManagedDomain second = _machine.Create("hello");
        Manager.Unpause(first);
        Manager.Unpause(second);
        _machine.Hypervisor.Run(100_000);
        Manager.Destroy(first);
        Assert.Equal(RunStop.AllEnded, _machine.Hypervisor.Run(20_000_000));
        Assert.Equal(DomainExitKind.Killed, first.Report.Exit.Kind);
        Assert.Equal(DomainExitKind.Poweroff, second.Report.Exit.Kind);
    }

    [Fact]
    public void Dom0CannotReadARunningDomainUnderAsmi()
    {
        ManagedDomain domain = _machine.Create("tenant", "cmdline='name=A seed=1 secret=x rounds=2 memory=1M'");
        Dom0Client dom0 = new(_machine.Hypervisor.Dom0);
        Assert.NotEmpty(ReadMemory(dom0, domain.Id, 0x100, 1)); // while it is being built, its memory is its builder's
        Manager.Unpause(domain);
        Assert.True(dom0.TryMap(domain.Id, new Gfn(0x101), out Gpa address, out Errno error), error.ToString());
        Assert.False(_machine.Hypervisor.Dom0.TryRead(address, new byte[8]));
        Assert.Equal(Errno.EFAULT, dom0.Write(domain.Id, new Gpa(0x100000), new byte[8]));
    }

    [Fact]
    public void Dom0ReadsARunningDomainWithoutIsolation()
    {
        using TestMachine machine = new("none");
        ManagedDomain domain = machine.Create("tenant", "cmdline='name=A seed=1 secret=x rounds=2 memory=1M'");
        machine.Manager.Unpause(domain);
        Assert.NotEmpty(ReadMemory(new Dom0Client(machine.Hypervisor.Dom0), domain.Id, 0x100, 1));
    }

    private static byte[] ReadMemory(Dom0Client dom0, ushort domain, ulong firstFrame, int frames)
    {
        byte[] memory = new byte[frames * 4096];
        for (int i = 0; i < frames; i++)
        {
            Assert.True(dom0.TryMap(domain, new Gfn(firstFrame + (ulong)i), out Gpa address, out Errno error), error.ToString());
            Assert.True(dom0.Context.TryRead(address, memory.AsSpan(i * 4096, 4096)));
            dom0.Unmap(address);
        }

        return memory;
    }
}
