using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Xen.Abi;

using Xunit;

namespace Xenolith.Xen.Tests.Abi;

// Method: sizes and offsets below were printed by a C program compiled against Debian's libxen-dev 4.17 headers with gcc for x86-64
// (sizeof, offsetof); those of 32-bit layouts follow from the i386 ABI (8-byte members aligned to 4) unless the header says otherwise.
// A field that is missing, reordered, or of another width makes one of them fail.
public class AbiLayoutTests
{
    [Fact]
    public void SizesOfStructuresForSixtyFourBitCallers()
    {
        Assert.Equal(144, Unsafe.SizeOf<XenDomctl>());
        Assert.Equal(64, Unsafe.SizeOf<XenDomctlCreatedomain>());
        Assert.Equal(112, Unsafe.SizeOf<XenDomctlGetdomaininfo>());
        Assert.Equal(16, Unsafe.SizeOf<XenDomctlHvmcontext>());
        Assert.Equal(24, Unsafe.SizeOf<XenDomctlHvmcontextPartial>());
        Assert.Equal(24, Unsafe.SizeOf<XenDomctlGetvcpuinfo>());
        Assert.Equal(32, Unsafe.SizeOf<XenMemoryReservation>());
        Assert.Equal(24, Unsafe.SizeOf<XenAddToPhysmap>());
        Assert.Equal(32, Unsafe.SizeOf<XenAddToPhysmapBatch>());
        Assert.Equal(16, Unsafe.SizeOf<XenRemoveFromPhysmap>());
        Assert.Equal(16, Unsafe.SizeOf<XenMemoryMap>());
        Assert.Equal(24, Unsafe.SizeOf<XenForeignMemoryMap>());
        Assert.Equal(20, Unsafe.SizeOf<E820Entry>());
        Assert.Equal(16, Unsafe.SizeOf<XenHvmParam>());
        Assert.Equal(8, Unsafe.SizeOf<XenHvmEvtchnUpcallVector>());
        Assert.Equal(8, Unsafe.SizeOf<EvtchnAllocUnbound>());
        Assert.Equal(12, Unsafe.SizeOf<EvtchnBindInterdomain>());
        Assert.Equal(12, Unsafe.SizeOf<EvtchnBindVirq>());
        Assert.Equal(8, Unsafe.SizeOf<EvtchnBindIpi>());
        Assert.Equal(24, Unsafe.SizeOf<EvtchnStatus>());
        Assert.Equal(8, Unsafe.SizeOf<EvtchnBindVcpu>());
        Assert.Equal(2, Unsafe.SizeOf<EvtchnReset>());
        Assert.Equal(24, Unsafe.SizeOf<SchedPoll>());
        Assert.Equal(8, Unsafe.SizeOf<SchedRemoteShutdown>());
        Assert.Equal(8, Unsafe.SizeOf<SchedWatchdog>());
        Assert.Equal(48, Unsafe.SizeOf<VcpuRunstateInfo>());
        Assert.Equal(16, Unsafe.SizeOf<VcpuSetSingleshotTimer>());
        Assert.Equal(16, Unsafe.SizeOf<VcpuRegisterVcpuInfo>());
        Assert.Equal(32, Unsafe.SizeOf<VcpuTimeInfo>());
        Assert.Equal(32, Unsafe.SizeOf<GnttabMapGrantRef>());
        Assert.Equal(24, Unsafe.SizeOf<GnttabUnmapGrantRef>());
        Assert.Equal(24, Unsafe.SizeOf<GnttabSetupTable>());
        Assert.Equal(40, Unsafe.SizeOf<GnttabCopy>());
        Assert.Equal(16, Unsafe.SizeOf<GnttabQuerySize>());
        Assert.Equal(8, Unsafe.SizeOf<GnttabGetVersion>());
        Assert.Equal(8, Unsafe.SizeOf<GrantEntryV1>());
        Assert.Equal(1032, Unsafe.SizeOf<HvmHwCpu>());
        Assert.Equal(24, Unsafe.SizeOf<HvmSaveHeader>());
        Assert.Equal(8, Unsafe.SizeOf<HvmSaveDescriptor>());
        Assert.Equal(64, Unsafe.SizeOf<MulticallEntry>());
        Assert.Equal(8, Unsafe.SizeOf<XenFeatureInfo>());
    }

    [Fact]
    public void SizesOfStructuresForThirtyTwoBitCallers()
    {
        Assert.Equal(20, Unsafe.SizeOf<CompatMemoryReservation>());
        Assert.Equal(16, Unsafe.SizeOf<CompatAddToPhysmap>());
        Assert.Equal(20, Unsafe.SizeOf<CompatAddToPhysmapBatch>());
        Assert.Equal(8, Unsafe.SizeOf<CompatRemoveFromPhysmap>());
        Assert.Equal(8, Unsafe.SizeOf<CompatMemoryMap>());
        Assert.Equal(12, Unsafe.SizeOf<CompatForeignMemoryMap>());
        Assert.Equal(16, Unsafe.SizeOf<CompatSchedPoll>());
        Assert.Equal(12, Unsafe.SizeOf<CompatSetSingleshotTimer>());
        Assert.Equal(44, Unsafe.SizeOf<CompatRunstateInfo>());
        Assert.Equal(16, Unsafe.SizeOf<CompatSetupTable>());
        Assert.Equal(24, Unsafe.SizeOf<CompatCopy>());
        Assert.Equal(32, Unsafe.SizeOf<CompatMulticallEntry>());
    }

    [Theory]
    [InlineData(typeof(XenDomctl), nameof(XenDomctl.Domain), 8)]
    [InlineData(typeof(XenDomctlCreatedomain), nameof(XenDomctlCreatedomain.Handle), 4)]
    [InlineData(typeof(XenDomctlCreatedomain), nameof(XenDomctlCreatedomain.Flags), 20)]
    [InlineData(typeof(XenDomctlCreatedomain), nameof(XenDomctlCreatedomain.MaxVcpus), 28)]
    [InlineData(typeof(XenDomctlCreatedomain), nameof(XenDomctlCreatedomain.Arch), 56)]
    [InlineData(typeof(XenDomctlGetdomaininfo), nameof(XenDomctlGetdomaininfo.TotPages), 8)]
    [InlineData(typeof(XenDomctlGetdomaininfo), nameof(XenDomctlGetdomaininfo.SharedInfoFrame), 48)]
    [InlineData(typeof(XenDomctlGetdomaininfo), nameof(XenDomctlGetdomaininfo.Handle), 76)]
    [InlineData(typeof(XenDomctlGetdomaininfo), nameof(XenDomctlGetdomaininfo.GpaddrBits), 96)]
    [InlineData(typeof(XenDomctlGetdomaininfo), nameof(XenDomctlGetdomaininfo.ArchConfig), 104)]
    [InlineData(typeof(XenDomctlHvmcontext), nameof(XenDomctlHvmcontext.Buffer), 8)]
    [InlineData(typeof(XenDomctlGetvcpuinfo), nameof(XenDomctlGetvcpuinfo.CpuTime), 8)]
    [InlineData(typeof(XenDomctlGetvcpuinfo), nameof(XenDomctlGetvcpuinfo.Cpu), 16)]
    [InlineData(typeof(XenMemoryReservation), nameof(XenMemoryReservation.ExtentOrder), 16)]
    [InlineData(typeof(XenMemoryReservation), nameof(XenMemoryReservation.DomId), 24)]
    [InlineData(typeof(XenAddToPhysmap), nameof(XenAddToPhysmap.Idx), 8)]
    [InlineData(typeof(XenAddToPhysmapBatch), nameof(XenAddToPhysmapBatch.ForeignDomId), 6)]
    [InlineData(typeof(XenAddToPhysmapBatch), nameof(XenAddToPhysmapBatch.Errs), 24)]
    [InlineData(typeof(XenRemoveFromPhysmap), nameof(XenRemoveFromPhysmap.Gpfn), 8)]
    [InlineData(typeof(XenForeignMemoryMap), nameof(XenForeignMemoryMap.Map), 8)]
    [InlineData(typeof(XenHvmParam), nameof(XenHvmParam.Value), 8)]
    [InlineData(typeof(EvtchnStatus), nameof(EvtchnStatus.DomOrVirq), 16)]
    [InlineData(typeof(SchedPoll), nameof(SchedPoll.Timeout), 16)]
    [InlineData(typeof(VcpuRunstateInfo), nameof(VcpuRunstateInfo.TimeRunning), 16)]
    [InlineData(typeof(CompatRunstateInfo), nameof(CompatRunstateInfo.TimeRunning), 12)]
    [InlineData(typeof(VcpuTimeInfo), nameof(VcpuTimeInfo.TscToSystemMul), 24)]
    [InlineData(typeof(GnttabSetupTable), nameof(GnttabSetupTable.FrameList), 16)]
    [InlineData(typeof(CompatSetupTable), nameof(CompatSetupTable.FrameList), 12)]
    [InlineData(typeof(GnttabMapGrantRef), nameof(GnttabMapGrantRef.Status), 18)]
    [InlineData(typeof(GnttabUnmapGrantRef), nameof(GnttabUnmapGrantRef.Status), 20)]
    [InlineData(typeof(GnttabCopy), nameof(GnttabCopy.Dest), 16)]
    [InlineData(typeof(GnttabCopy), nameof(GnttabCopy.Len), 32)]
    [InlineData(typeof(GnttabQuerySize), nameof(GnttabQuerySize.Status), 12)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.Rip), 640)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.CsSel), 736)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.CsBase), 808)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.MsrEfer), 992)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.Tsc), 1008)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.PendingEvent), 1016)]
    [InlineData(typeof(HvmHwCpu), nameof(HvmHwCpu.Flags), 1024)]
    public void OffsetsOfFields(System.Type type, string field, int offset) => Assert.Equal(offset, (int)Marshal.OffsetOf(type, field));

    [Fact]
    public void UnionOfDomctlStartsAfterItsHeader()
    {
        XenDomctl argument = new(DomctlCommand.MaxMem, 7);
        argument.Argument<XenDomctlMaxMem>().MaxMemkb = 0x1122_3344_5566_7788;
        System.ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new System.ReadOnlySpan<XenDomctl>(in argument));
        Assert.Equal(0x1122_3344_5566_7788UL, MemoryMarshal.Read<ulong>(bytes[16..]));
        Assert.Equal(7, MemoryMarshal.Read<ushort>(bytes[8..]));
    }
}
