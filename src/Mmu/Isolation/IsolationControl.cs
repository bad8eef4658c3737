using System;
using System.Collections.Generic;

namespace Xenolith.Mmu;

/// <summary>Why the unit refused a request of the hypervisor; <see cref="None"/> is success.</summary>
public enum IsolationError : byte
{
    None,

    /// <summary>No free segment, and nobody could be made to give one (ASMI Algorithm 1: memory_full_exception).</summary>
    MemoryFull,

    /// <summary>The asker does not own the segment that it wants to give away or share.</summary>
    NotOwner,

    /// <summary>No such identity, or no such segment.</summary>
    NoSuchObject,

    /// <summary>Identities have run out (docs/asmi.md, G16).</summary>
    IdentitiesExhausted,

    /// <summary>The hypervisor asks in the name of a VM whose consent the unit cannot see (docs/asmi.md, G18).</summary>
    NoConsent,

    /// <summary>This unit, or this profile of it, has no such operation.</summary>
    NotSupported,

    /// <summary>The segment holds its owner's VMIDR slot and cannot leave it before the others have (docs/asmi.md, G1).</summary>
    SlotInUse,
}

/// <summary>Why two identities shall reach one segment (docs/asmi.md, G12, G17 and G18).</summary>
public enum SharePurpose : byte
{
    /// <summary>Memory of a domain that is not born yet: the hypervisor's own, open to the builder who loads the image.</summary>
    Building,

    /// <summary>A page that Xen's ABI makes guest and hypervisor (or Dom0's daemons) both use: shared_info, rings, grant frames.</summary>
    AbiPage,

    /// <summary>A granted page that another VM maps.</summary>
    Grant,
}

/// <summary>
/// The control side of an isolation unit: identities, ownership, transitions. The base class is the unit that hands out identities
/// (so that traces can name who acted) and otherwise permits everything; <see cref="NoIsolation"/> uses it as it is.
/// Every method is called at most once per VM transition or per allocated segment: virtual calls are fine here.
/// </summary>
public class IsolationControl
{
    private readonly Dictionary<Vmid, int> _boundVmcs = [];
    private uint _lastIdentity;
    private readonly Stack<ulong> _released = new();
    private ulong _nextFreeSegment;

    /// <param name="memorySizeBytes">Size of the RAM that the unit stands before.</param>
    /// <param name="segmentSizeBytes">Size of one segment, a power of two of at least 4 KiB.</param>
    public IsolationControl(ulong memorySizeBytes, ulong segmentSizeBytes)
    {
        CheckSegmentSize(memorySizeBytes, segmentSizeBytes);
        SegmentSizeBytes = segmentSizeBytes;
        SegmentCount = memorySizeBytes / segmentSizeBytes;
    }

    public ulong SegmentSizeBytes { get; }

    /// <summary>TSEG: the number of segments (ASMI 3.2).</summary>
    public ulong SegmentCount { get; }

    /// <summary>The hypervisor's identity; <see cref="Vmid.None"/> until it registered.</summary>
    public Vmid Hypervisor { get; protected set; }

    public bool HasHypervisor => Hypervisor != Vmid.None;

    /// <summary>
    /// VMLAUNCH by a hypervisor: its own registration (P7, G8). [first, first + count) are the segments it declared its own.
    /// </summary>
    public virtual IsolationError RegisterHypervisor(ulong firstSegment, ulong segmentCount, out Vmid hypervisor)
    {
        if (!TryNextIdentity(out hypervisor))
        {
            return IsolationError.IdentitiesExhausted;
        }

        Hypervisor = hypervisor;
        _nextFreeSegment = firstSegment + segmentCount;
        return IsolationError.None;
    }

    /// <summary>VMLAUNCH with a zero VMID binding: a new VM (P7, G7).</summary>
    public virtual IsolationError CreateVm(out Vmid vm) =>
        TryNextIdentity(out vm) ? IsolationError.None : IsolationError.IdentitiesExhausted;

    /// <summary>VMCLEAR that ends a VM (P8, G6): its segments return.</summary>
    public virtual IsolationError DestroyVm(Vmid vm) => IsolationError.None;

    /// <summary>A VMCS has been bound to a VM (G7): by the VMLAUNCH that made the VM, or as that of a further vCPU.</summary>
    public void OnVmcsBound(Vmid vm) => _boundVmcs[vm] = _boundVmcs.GetValueOrDefault(vm) + 1;

    /// <summary>VMCLEAR of a VMCS bound to a VM (P8). True when the binding is over, because the VM has ended or is about to.</summary>
    /// <param name="vm">The VMID that the VMCS was bound to.</param>
    /// <param name="destroyRequested">The hypervisor has asked for the end of the VM (VMCS field AsmiDestroyRequested; G6).</param>
    public bool OnVmcsCleared(Vmid vm, bool destroyRequested)
    {
        if (!destroyRequested && !VmclearDestroys)
        {
            return false;
        }

        int left = _boundVmcs.GetValueOrDefault(vm) - 1;
        _boundVmcs[vm] = left;
        if (left <= 0 || VmclearDestroys)
        {
            _boundVmcs.Remove(vm);
            _ = DestroyVm(vm);
        }

        return true;
    }

    /// <summary>True when every VMCLEAR of a bound VMCS ends its VM, as the paper's words say (the literal profile; G6).</summary>
    protected virtual bool VmclearDestroys => false;

    /// <summary>VM entry (P9): the processor's VMIDR becomes the VM's. Atomic with the transition.</summary>
    /// <param name="vm">The VMID that the VMCS is bound to.</param>
    /// <param name="vmidr">The processor's VMIDR (<see cref="PagingContext.Name"/>), changed in place.</param>
    public virtual IsolationError OnVmEntry(Vmid vm, ref Vmid vmidr)
    {
        vmidr = vm;
        Transitions++;
        return IsolationError.None;
    }

    /// <summary>VM exit (P9): the processor's VMIDR becomes the hypervisor's. Atomic with the transition.</summary>
    /// <param name="vm">The VMID that the VMCS is bound to.</param>
    /// <param name="vmidr">The processor's VMIDR, changed in place.</param>
    public virtual void OnVmExit(Vmid vm, ref Vmid vmidr)
    {
        vmidr = Hypervisor;
        Transitions++;
    }

    /// <summary>Algorithm 1: one segment for the asker.</summary>
    public virtual IsolationError AllocateSegment(Vmid asker, out ulong segment)
    {
        if (_released.TryPop(out segment))
        {
            return IsolationError.None;
        }

        segment = _nextFreeSegment;
        if (segment >= SegmentCount)
        {
            return IsolationError.MemoryFull;
        }

        _nextFreeSegment++;
        return IsolationError.None;
    }

    /// <summary>A segment changes its owner with the owner's consent: <paramref name="giver"/> must own it (G12).</summary>
    public virtual IsolationError Transfer(Vmid giver, ulong segment, Vmid receiver) => IsolationError.None;

    /// <summary>The owner gives the segment back; it is free (and, in a hardened unit, scrubbed) afterwards.</summary>
    public virtual IsolationError Release(Vmid owner, ulong segment)
    {
        _released.Push(segment);
        return IsolationError.None;
    }

    /// <summary>
    /// The owner lets a second identity use the segment too; <see cref="Vmid.None"/> ends it. A transfer keeps the second identity,
    /// so that a page can be prepared whose new owner goes on using it together with somebody else.
    /// </summary>
    public virtual IsolationError Share(Vmid owner, ulong segment, Vmid second, SharePurpose purpose) => IsolationError.None;

    /// <summary>Who owns a segment, for reports; <see cref="Vmid.None"/> when free or unknown.</summary>
    public virtual Vmid OwnerOf(ulong segment) => Vmid.None;

    /// <summary>The second identity of a shared segment; <see cref="Vmid.None"/> when there is none.</summary>
    public virtual Vmid SecondOf(ulong segment) => Vmid.None;

    /// <summary>TOT: how many VMs and hypervisors share the memory (ASMI 3.2); zero where a unit does not count them.</summary>
    public virtual ulong Tot => 0;

    /// <summary>SegMax: the segments that each of them is sure of, TSEG / TOT (ASMI 3.2); zero where a unit has no such register.</summary>
    public virtual ulong SegMax => 0;

    /// <summary>Asked when memory is full; null leaves every request unanswered.</summary>
    public ISwapResponder? SwapResponder { get; set; }

    /// <summary>Requests to swap that were made (Algorithm 1, line 6).</summary>
    public ulong SwapRequests { get; protected set; }

    /// <summary>VM entries and exits that changed VMIDR.</summary>
    public ulong Transitions { get; protected set; }

    /// <summary>Loads and stores of VMIDR slots at transitions: two for each where the unit has slots (P9, docs/counting.md).</summary>
    public ulong SlotAccesses { get; protected set; }

    /// <summary>The greatest identity that may be handed out; identities are never used again within a boot (G16).</summary>
    public uint IdentityLimit { get; internal set; } = MemoryProtectionTable.MaxIdentity;

    /// <summary>Rises whenever a verdict that was given before may no longer hold: translations filled before are stale (G14).</summary>
    public ulong Generation { get; protected set; }

    /// <exception cref="ArgumentOutOfRangeException">The size is no power of two, too small or too large; the message is for the
    /// user.</exception>
    internal static void CheckSegmentSize(ulong memorySizeBytes, ulong segmentSizeBytes)
    {
        if (!ulong.IsPow2(segmentSizeBytes) || segmentSizeBytes < Pages.Size || segmentSizeBytes > memorySizeBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(segmentSizeBytes), "segment size must be a power of two, at least 4 KiB and at most the memory size");
        }
    }

    /// <summary>A fresh identity; false when they have run out.</summary>
    protected bool TryNextIdentity(out Vmid identity)
    {
        bool left = _lastIdentity < IdentityLimit;
        identity = left ? new Vmid(++_lastIdentity) : Vmid.None;
        return left;
    }
}
