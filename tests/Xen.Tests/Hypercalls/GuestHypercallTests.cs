using System;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

namespace Xenolith.Xen.Tests.Hypercalls;

// Method: each hypercall is made once as it should be, and with each misuse that Xen names an errno for, in an unprivileged domain's
// name through that domain's own memory. The expected numbers are those of Xen 4.17's sources and headers, not of this code.
public sealed class GuestHypercallTests : IDisposable
{
    private readonly TestMachine _machine = new();
    private readonly Domain _guest;

    public GuestHypercallTests()
    {
        _guest = _machine.CreateDomain(32, vcpus: 2);
        _machine.Unpause(_guest);
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void VersionIsFourSeventeen()
    {
        Assert.Equal(0x0004_0011, _machine.CallAs(_guest, HypercallNumber.XenVersion, 0));
        Assert.Equal(4096, _machine.CallAs(_guest, HypercallNumber.XenVersion, 7));
        XenFeatureInfo features = new() { SubmapIdx = 1 };
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.XenVersion, 6, ref features));
        features.SubmapIdx = 0;
        Assert.Equal(0, _machine.CallAs(_guest, HypercallNumber.XenVersion, 6, ref features));
        Assert.Equal(0x4u, features.Submap & 0x4); // XENFEAT_auto_translated_physmap
        Assert.Equal(-(long)Errno.EFAULT, _machine.CallAs(_guest, HypercallNumber.XenVersion, 1, 0xFFFF_F000));
    }

    [Fact]
    public void ConsoleWritesWholeStringsAndRefusesWildOnes()
    {
        _machine.Xen.Memory.TryWrite(_guest.Physmap.Find(new Gfn(2)).Frame.Address, "hello"u8);
        Assert.Equal(0, _machine.CallAs(_guest, HypercallNumber.ConsoleIo, 0, 5, 0x2000));
        Assert.Equal("hello", _machine.Console(_guest.Id).ToString());
        Assert.Equal(-(long)Errno.EFAULT, _machine.CallAs(_guest, HypercallNumber.ConsoleIo, 0, 5, 0x7FFF_FFFF_F000));
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.ConsoleIo, 0, ulong.MaxValue, 0x2000));
        Assert.Equal(-(long)Errno.ENOSYS, _machine.CallAs(_guest, HypercallNumber.ConsoleIo, 2, 5, 0x2000));
    }

    [Fact]
    public void DomctlIsForDom0()
    {
        XenDomctl argument = new(DomctlCommand.PauseDomain, _guest.Id);
        Assert.Equal(-(long)Errno.EPERM, CallDomctl(ref argument));
        argument.Domain = 999;
        Assert.Equal(-(long)Errno.ESRCH, CallDomctl(ref argument));
        argument.InterfaceVersion = 1;
        Assert.Equal(-(long)Errno.EACCES, CallDomctl(ref argument));
        Assert.Equal(-(long)Errno.EFAULT, _machine.CallAs(_guest, HypercallNumber.Domctl, 0x8000_0000));
    }

    [Fact]
    public void EventChannelsConnectTwoPorts()
    {
        EvtchnAllocUnbound alloc = new() { Dom = DomId.Self, RemoteDom = DomId.Self };
        Assert.Equal(0, Evtchn(EvtchnOp.AllocUnbound, ref alloc));
        EvtchnBindInterdomain bind = new() { RemoteDom = DomId.Self, RemotePort = alloc.Port };
        Assert.Equal(0, Evtchn(EvtchnOp.BindInterdomain, ref bind));
        Assert.NotEqual(alloc.Port, bind.LocalPort);
        EvtchnPort send = new() { Port = bind.LocalPort };
        Assert.Equal(0, Evtchn(EvtchnOp.Send, ref send));
        Assert.True(_guest.SharedInfo.IsPending(alloc.Port));
        EvtchnStatus status = new() { Dom = DomId.Self, Port = alloc.Port };
        Assert.Equal(0, Evtchn(EvtchnOp.Status, ref status));
        Assert.Equal((EvtchnState.Interdomain, bind.LocalPort), (status.Status, status.RemotePort));
        EvtchnPort close = new() { Port = bind.LocalPort };
        Assert.Equal(0, Evtchn(EvtchnOp.Close, ref close));
        Assert.Equal(0, Evtchn(EvtchnOp.Status, ref status));
        Assert.Equal(EvtchnState.Unbound, status.Status);
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.Close, ref close));
    }

    [Fact]
    public void EventChannelMisuse()
    {
        EvtchnPort wild = new() { Port = 0x7FFF_FFFF };
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.Send, ref wild));
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.Unmask, ref wild));
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.Close, ref wild));
        EvtchnAllocUnbound foreign = new() { Dom = 0, RemoteDom = 1 };
        Assert.Equal(-(long)Errno.EPERM, Evtchn(EvtchnOp.AllocUnbound, ref foreign));
        foreign.Dom = 77;
        Assert.Equal(-(long)Errno.ESRCH, Evtchn(EvtchnOp.AllocUnbound, ref foreign));
        EvtchnBindInterdomain bind = new() { RemoteDom = 77, RemotePort = 1 };
        Assert.Equal(-(long)Errno.ESRCH, Evtchn(EvtchnOp.BindInterdomain, ref bind));
        EvtchnBindVirq virq = new() { Virq = (Virq)99 };
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.BindVirq, ref virq));
        virq = new EvtchnBindVirq { Virq = Virq.Timer, Vcpu = 9 };
        Assert.Equal(-(long)Errno.ENOENT, Evtchn(EvtchnOp.BindVirq, ref virq));
        virq.Vcpu = 0;
        Assert.Equal(0, Evtchn(EvtchnOp.BindVirq, ref virq));
        Assert.Equal(-(long)Errno.EEXIST, Evtchn(EvtchnOp.BindVirq, ref virq));
        EvtchnBindVcpu move = new() { Port = virq.Port, Vcpu = 1 };
        Assert.Equal(-(long)Errno.EINVAL, Evtchn(EvtchnOp.BindVcpu, ref move)); // a vCPU's own interrupt stays with it
    }

    [Fact]
    public void PortsRunOutCleanly()
    {
        long result = 0;
        int opened = 0;
        for (; result == 0 && opened < 5000; opened++)
        {
            EvtchnAllocUnbound alloc = new() { Dom = DomId.Self, RemoteDom = 0 };
            result = Evtchn(EvtchnOp.AllocUnbound, ref alloc);
        }

        Assert.Equal((-(long)Errno.ENOSPC, 4096), (result, opened)); // ports 1 to 4095, then the failure
    }

    [Fact]
    public void MaskedEventsWaitForUnmask()
    {
        EvtchnBindIpi bind = new() { Vcpu = 0 };
        Assert.Equal(0, Evtchn(EvtchnOp.BindIpi, ref bind));
        Hpa mask = _guest.SharedInfo.Frame.Address + 2560 + (bind.Port / 8);
        _machine.Xen.Memory.Write(mask, (byte)(1 << (int)(bind.Port & 7)));
        EvtchnPort port = new() { Port = bind.Port };
        Assert.Equal(0, Evtchn(EvtchnOp.Send, ref port));
        Assert.True(_guest.SharedInfo.IsPending(bind.Port));
        Assert.False(_guest.SharedInfo.IsUpcallPending(_guest.Vcpus[0]));
        Assert.Equal(0, Evtchn(EvtchnOp.Unmask, ref port));
        Assert.True(_guest.SharedInfo.IsUpcallPending(_guest.Vcpus[0]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SharedInfoAndGrantFramesAppearWhereAsked(bool is32Bit)
    {
        Assert.Equal(0, AddToPhysmap(XenMapSpace.SharedInfo, 0, 0x100, is32Bit));
        Assert.Equal(_guest.SharedInfo.Frame, _guest.Physmap.Find(new Gfn(0x100)).Frame);
        Assert.Equal(is32Bit, _guest.SharedInfo.Is32Bit);
        Assert.Equal(0x8000_0000u, _machine.Xen.Memory.Read<uint>(_guest.SharedInfo.Frame.Address + 56)); // tsc_to_system_mul
        Assert.Equal(0, AddToPhysmap(XenMapSpace.SharedInfo, 0, 0x101, is32Bit));
        Assert.False(_guest.Physmap.Find(new Gfn(0x100)).IsMapped);
        Assert.Equal(0, AddToPhysmap(XenMapSpace.GrantTable, 3, 0x102, is32Bit));
        Assert.Equal(4u, _guest.Grants.FrameCount);
        Assert.Equal(-(long)Errno.EINVAL, AddToPhysmap(XenMapSpace.SharedInfo, 1, 0x103, is32Bit));
        Assert.Equal(-(long)Errno.EINVAL, AddToPhysmap(XenMapSpace.GrantTable, 64, 0x103, is32Bit));
        Assert.Equal(-(long)Errno.EINVAL, AddToPhysmap(XenMapSpace.GmfnForeign, 0, 0x103, is32Bit));
    }

    [Fact]
    public void ForeignMappingIsForDom0()
    {
        Domain other = _machine.CreateDomain(16);
        _machine.Xen.Memory.TryWrite(_guest.Physmap.Find(new Gfn(2)).Frame.Address, stackalloc byte[64]);
        XenAddToPhysmapBatch batch = new()
        {
            DomId = DomId.Self,
            Space = (ushort)XenMapSpace.GmfnForeign,
            Size = 1,
            ForeignDomId = other.Id,
            Idxs = 0x2000,
            Gpfns = 0x2008,
            Errs = 0x2010,
        };
        Assert.Equal(0, _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmapBatch, ref batch));
        Assert.Equal(-(int)Errno.EPERM, _machine.Xen.Memory.Read<int>(_guest.Physmap.Find(new Gfn(2)).Frame.Address + 0x10));
    }

    [Fact]
    public void ReservationsGrowAndShrinkWithinTheLimit()
    {
        ulong before = _guest.TotalPages;
        Assert.Equal(1, Reserve(XenMem.PopulatePhysmap, 0x200));
        Assert.Equal(before + 1, _guest.TotalPages);
        Assert.Equal(1, Reserve(XenMem.DecreaseReservation, 0x200));
        Assert.Equal(before, _guest.TotalPages);
        Assert.Equal(0, Reserve(XenMem.DecreaseReservation, 0x200)); // nothing there any more
        Assert.Equal(0, Reserve(XenMem.PopulatePhysmap, 0x201, domId: 0)); // not its own: no extent is done
        ulong gfn = 0x300;
        while (Reserve(XenMem.PopulatePhysmap, gfn) == 1)
        {
            gfn++;
        }

        Assert.Equal(_guest.MaxPages, _guest.TotalPages);
    }

    [Fact]
    public void ParametersOfItsOwnAndOfOthers()
    {
        XenHvmParam param = new() { DomId = DomId.Self, Index = HvmParam.CallbackIrq, Value = (2UL << 56) | 0xF3 };
        Assert.Equal(0, HvmOpCall(HvmOp.SetParam, ref param));
        Assert.Equal(0xF3, _guest.CallbackVector);
        param.Value = (2UL << 56) | 3;
        Assert.Equal(-(long)Errno.EINVAL, HvmOpCall(HvmOp.SetParam, ref param));
        param.Index = HvmParam.ConsolePfn;
        Assert.Equal(-(long)Errno.EPERM, HvmOpCall(HvmOp.SetParam, ref param));
        Assert.Equal(0, HvmOpCall(HvmOp.GetParam, ref param));
        param.Index = HvmParam.Count;
        Assert.Equal(-(long)Errno.EINVAL, HvmOpCall(HvmOp.GetParam, ref param));
        param = new XenHvmParam { DomId = 0, Index = HvmParam.CallbackIrq };
        Assert.Equal(-(long)Errno.EPERM, HvmOpCall(HvmOp.GetParam, ref param));
        param.DomId = 500;
        Assert.Equal(-(long)Errno.ESRCH, HvmOpCall(HvmOp.GetParam, ref param));
        XenHvmEvtchnUpcallVector vector = new() { Vcpu = 0, Vector = 15 };
        Assert.Equal(-(long)Errno.EINVAL, HvmOpCall(HvmOp.SetEvtchnUpcallVector, ref vector));
        vector = new XenHvmEvtchnUpcallVector { Vcpu = 5, Vector = 0x40 };
        Assert.Equal(-(long)Errno.ENOENT, HvmOpCall(HvmOp.SetEvtchnUpcallVector, ref vector));
    }

    [Fact]
    public void VcpuOperations()
    {
        Assert.Equal(-(long)Errno.ENOENT, _machine.CallAs(_guest, HypercallNumber.VcpuOp, (uint)VcpuOp.IsUp, 7));
        Assert.Equal(0, _machine.CallAs(_guest, HypercallNumber.VcpuOp, (uint)VcpuOp.IsUp, 1));
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.VcpuOp, (uint)VcpuOp.Up, 1));
        Assert.Equal(-(long)Errno.EFAULT, _machine.CallAs(_guest, HypercallNumber.VcpuOp, (uint)VcpuOp.SetPeriodicTimer, 0, 0x7FFF_F000));
        VcpuRegisterVcpuInfo info = new() { Mfn = 5, Offset = 4096 - 63 };
        Assert.Equal(-(long)Errno.EINVAL, RegisterInfo(info));
        info.Offset = 128;
        Assert.Equal(0, RegisterInfo(info));
        Assert.Equal(-(long)Errno.EINVAL, RegisterInfo(info)); // once in a vCPU's life
        Hpa place = _guest.Physmap.Find(new Gfn(5)).Frame.Address + 128;
        Assert.Equal(1, _machine.Xen.Memory.Read<byte>(place));
        Assert.Equal(ulong.MaxValue, _machine.Xen.Memory.Read<ulong>(place + 8));
    }

    [Fact]
    public void SchedulingMisuse()
    {
        SchedShutdown shutdown = new() { Reason = (ShutdownReason)6 };
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Shutdown, ref shutdown));
        SchedPoll poll = new() { Ports = 0x2000, NrPorts = 129 };
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Poll, ref poll));
        SchedWatchdog dog = new() { Id = 3, Timeout = 1 };
        Assert.Equal(-(long)Errno.EINVAL, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Watchdog, ref dog));
        dog = new SchedWatchdog { Id = 0, Timeout = 1 };
        Assert.Equal(1, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Watchdog, ref dog));
        Assert.Equal(2, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Watchdog, ref dog));
        Assert.Equal(-(long)Errno.ENOSPC, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.Watchdog, ref dog));
        SchedRemoteShutdown remote = new() { DomainId = 0 };
        Assert.Equal(-(long)Errno.EPERM, _machine.CallAs(_guest, HypercallNumber.SchedOp, (uint)SchedOp.RemoteShutdown, ref remote));
    }

    [Fact]
    public void MemoryMapIsCutToTheCallersBuffer()
    {
        XenMemoryMap map = new() { NrEntries = 8, Buffer = 0x2000 };
        Assert.Equal(-(long)Errno.ENOSYS, _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)XenMem.MemoryMap, ref map));
        _guest.MemoryMap = [new E820Entry { Size = 0x1000, Type = E820Type.Ram }, new E820Entry { Address = 0x2000, Size = 0x1000, Type = E820Type.Ram }];
        map.NrEntries = 1;
        Assert.Equal(0, _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)XenMem.MemoryMap, ref map));
        Assert.Equal(1u, map.NrEntries);
        Assert.Equal(0x1000UL, _machine.Xen.Memory.Read<ulong>(_guest.Physmap.Find(new Gfn(2)).Frame.Address + 8));
    }

    private long CallDomctl(ref XenDomctl argument)
    {
        const ulong Address = 0x3000;
        Vcpu vcpu = _guest.Vcpus[0];
        vcpu.DescribeCaller();
        Assert.True(vcpu.Caller.TryWrite(Address, in argument));
        return _machine.CallAs(_guest, HypercallNumber.Domctl, Address);
    }

    private long RegisterInfo(VcpuRegisterVcpuInfo info)
    {
        const ulong Address = 0x3000;
        Vcpu vcpu = _guest.Vcpus[0];
        vcpu.DescribeCaller();
        Assert.True(vcpu.Caller.TryWrite(Address, in info));
        return _machine.CallAs(_guest, HypercallNumber.VcpuOp, (uint)VcpuOp.RegisterVcpuInfo, 0, Address);
    }

    private long Evtchn<T>(EvtchnOp operation, ref T argument)
        where T : unmanaged
        => _machine.CallAs(_guest, HypercallNumber.EventChannelOp, (uint)operation, ref argument);

    private long HvmOpCall<T>(HvmOp operation, ref T argument)
        where T : unmanaged
        => _machine.CallAs(_guest, HypercallNumber.HvmOp, (uint)operation, ref argument);

    private long AddToPhysmap(XenMapSpace space, ulong index, ulong gpfn, bool is32Bit)
    {
        if (is32Bit)
        {
            CompatAddToPhysmap compat = new() { DomId = DomId.Self, Space = space, Idx = (uint)index, Gpfn = (uint)gpfn };
            return _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmap, ref compat, is32Bit: true);
        }

        XenAddToPhysmap argument = new() { DomId = DomId.Self, Space = space, Idx = index, Gpfn = gpfn };
        return _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmap, ref argument);
    }

    private long Reserve(XenMem operation, ulong gfn, ushort domId = DomId.Self)
    {
        _machine.Xen.Memory.Write(_guest.Physmap.Find(new Gfn(2)).Frame.Address, gfn);
        XenMemoryReservation reservation = new() { ExtentStart = 0x2000, NrExtents = 1, DomId = domId };
        return _machine.CallAs(_guest, HypercallNumber.MemoryOp, (uint)operation, ref reservation);
    }
}
