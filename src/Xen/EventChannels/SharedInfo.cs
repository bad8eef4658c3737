using System;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>
/// The shared_info page of a domain and the vcpu_info of its vCPUs (xen/include/public/xen.h, arch-x86/xen.h). They belong to the domain
/// and are shared with Xen; where the unit does not allow that, Xen's accesses are refused, counted, and no event arrives.
/// </summary>
internal sealed class SharedInfo(Domain domain, XenMemory memory, Mfn frame)
{
    /// <summary>XEN_LEGACY_MAX_VCPUS: vCPUs with a vcpu_info in this page.</summary>
    public const int LegacyVcpus = 32;

    private const uint VcpuInfoSize = 64;
    private const uint PendingOffset = 2048;
    private const uint TimeOffset = 32;

    /// <summary>The machine frame of the page.</summary>
    public Mfn Frame => frame;

    /// <summary>Where the guest put it last, for XEN_DOMCTL_getdomaininfo; all ones: nowhere.</summary>
    public ulong Gfn { get; set; } = ulong.MaxValue;

    /// <summary>A 32-bit guest's layout: words of 32 bits (latched when the guest sets up its hypercalls, as Xen does).</summary>
    public bool Is32Bit { get; set; }

    /// <summary>Event channels that the two-level ABI can name (EVTCHN_2L_NR_CHANNELS).</summary>
    public uint ChannelCount => Is32Bit ? 1024u : 4096u;

    private uint WordBytes => Is32Bit ? 4u : 8u;

    private Hpa Pending => frame.Address + PendingOffset;

    private Hpa Mask => Pending + (Is32Bit ? 128u : 512u);

    private Hpa WallClock => Mask + (Is32Bit ? 128u : 512u);

    /// <summary>Sets the pending bit. Null when Xen may not; otherwise whether the bit was set before.</summary>
    public bool? TestAndSetPending(uint port) => TestAndSet(Pending, port);

    public bool IsPending(uint port) => TryReadByte(Pending + (port / 8), out byte value) && (value & (1 << (int)(port & 7))) != 0;

    public void ClearPending(uint port) => ClearBit(Pending, port);

    public bool IsMasked(uint port) => TryReadByte(Mask + (port / 8), out byte value) && (value & (1 << (int)(port & 7))) != 0;

    public void ClearMask(uint port) => ClearBit(Mask, port);

    /// <summary>Sets the port's bit in the vCPU's selector. Null when Xen may not; otherwise whether the bit was set before.</summary>
    public bool? TestAndSetSelector(Vcpu vcpu, uint port) =>
        vcpu.TryFindInfo(out Hpa info) ? TestAndSet(info + WordBytes, port / (WordBytes * 8)) : null;

    /// <summary>Sets evtchn_upcall_pending. Null when Xen may not; otherwise whether it was set before.</summary>
    public bool? TestAndSetUpcallPending(Vcpu vcpu)
    {
        if (!vcpu.TryFindInfo(out Hpa info) || !TryReadByte(info, out byte before))
        {
            return null;
        }

        return before != 0 ? true : TryWriteByte(info, 1) ? false : null;
    }

    public bool IsUpcallPending(Vcpu vcpu) => vcpu.TryFindInfo(out Hpa info) && TryReadByte(info, out byte value) && value != 0;

    public void ClearUpcallMask(Vcpu vcpu)
    {
        if (vcpu.TryFindInfo(out Hpa info))
        {
            _ = TryWriteByte(info + 1, 0);
        }
    }

    /// <summary>After the vcpu_info has moved: everything counts as pending, so that no event is lost.</summary>
    public void MarkAllPending(Vcpu vcpu)
    {
        if (vcpu.TryFindInfo(out Hpa info))
        {
            _ = TryWriteByte(info, 1);
            _ = Is32Bit ? TryWrite(info + WordBytes, uint.MaxValue) : TryWrite(info + WordBytes, ulong.MaxValue);
        }
    }

    /// <summary>Where a vCPU's vcpu_info lies as long as it has registered no other place.</summary>
    public bool TryFindDefaultInfo(int vcpu, out Hpa info)
    {
        info = frame.Address + ((uint)vcpu * VcpuInfoSize);
        return vcpu < LegacyVcpus;
    }

    /// <summary>Fills vcpu_time_info: from here on the guest computes system time from its time-stamp counter.</summary>
    public void WriteTime(Vcpu vcpu)
    {
        if (vcpu.TryFindInfo(out Hpa info))
        {
            _ = TryWrite(info + TimeOffset, Clock.TimeInfo);
        }
    }

    /// <summary>Fills the wall clock: the time of day at system time zero.</summary>
    public void WriteWallClock(ulong seconds, uint nanoseconds)
    {
        _ = TryWrite(WallClock + 4, (uint)seconds);
        _ = TryWrite(WallClock + 8, nanoseconds);

        // wc_sec_hi: after wc_nsec for 64-bit guests, the last field of arch_shared_info for 32-bit ones.
        _ = TryWrite(WallClock + (Is32Bit ? 12u + 24u : 12u), (uint)(seconds >> 32));
        _ = TryWrite(WallClock, 2u);
    }

    private bool? TestAndSet(Hpa bits, uint index)
    {
        Hpa address = bits + (index / 8);
        if (!TryReadByte(address, out byte before))
        {
            return null;
        }

        byte bit = (byte)(1 << (int)(index & 7));
        return (before & bit) != 0 ? true : TryWriteByte(address, (byte)(before | bit)) ? false : null;
    }

    private void ClearBit(Hpa bits, uint index)
    {
        Hpa address = bits + (index / 8);
        if (TryReadByte(address, out byte before))
        {
            _ = TryWriteByte(address, (byte)(before & ~(1 << (int)(index & 7))));
        }
    }

    private bool TryReadByte(Hpa address, out byte value) => memory.TryRead(address, out value) || Refused();

    private bool TryWriteByte(Hpa address, byte value) => memory.TryWrite(address, in value) || Refused();

    private bool TryWrite<T>(Hpa address, in T value)
        where T : unmanaged
        => memory.TryWrite(address, in value) || Refused();

    private bool Refused()
    {
        domain.Counters.RefusedXenWrites++;
        return false;
    }
}
