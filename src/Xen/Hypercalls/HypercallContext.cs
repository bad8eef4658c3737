using System;
using System.Runtime.InteropServices;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>One hypercall under way: who makes it, with which arguments, and the way to the caller's memory.</summary>
internal sealed class HypercallContext(Hypervisor hypervisor, Vcpu vcpu)
{
    private readonly ulong[] _args = new ulong[6];

    public Hypervisor Hypervisor => hypervisor;

    public Vcpu Vcpu => vcpu;

    public Domain Caller => vcpu.Domain;

    public bool IsPrivileged => vcpu.Domain.IsPrivileged;

    /// <summary>The caller runs 32-bit code: its structures have the compat layout.</summary>
    public bool Is32Bit { get; set; }

    public CallerMemory Memory => vcpu.Caller;

    /// <summary>Arguments as the ABI counts them: 0 is the first.</summary>
    public ReadOnlySpan<ulong> Args => _args;

    /// <summary>The sub-operation, for hypercalls that have some.</summary>
    public uint SubOp { get; set; }

    /// <summary>Guest handle of the argument structure.</summary>
    public ulong Pointer { get; set; }

    /// <summary>
    /// The call has done a part and wants to go on with another first argument, after others have had their turn (Xen's continuations):
    /// its result does not count.
    /// </summary>
    public bool IsPreempted { get; private set; }

    /// <summary>The first argument with which a preempted call goes on.</summary>
    public ulong ContinuationArgument { get; private set; }

    public long Preempt(ulong firstArgument)
    {
        IsPreempted = true;
        ContinuationArgument = firstArgument;
        return Errno.ERESTART.Negated();
    }

    /// <summary>For callers that are not interrupted: the preempted call's next part.</summary>
    public bool TryContinue()
    {
        bool preempted = IsPreempted;
        IsPreempted = false;
        _args[0] = preempted ? ContinuationArgument : _args[0];
        return preempted;
    }

    public void SetArgs(ulong arg1, ulong arg2, ulong arg3, ulong arg4, ulong arg5)
    {
        _args[0] = arg1;
        _args[1] = arg2;
        _args[2] = arg3;
        _args[3] = arg4;
        _args[4] = arg5;
    }

    /// <summary>The domain that an argument names: DOMID_SELF, the caller's own number, or (for the privileged) any living one.</summary>
    public Errno TryFindTarget(ushort domId, out Domain target)
    {
        target = Caller;
        if (domId == DomId.Self || domId == Caller.Id)
        {
            return Errno.None;
        }

        if (hypervisor.FindDomain(domId) is not { } found)
        {
            return Errno.ESRCH;
        }

        target = found;
        return IsPrivileged ? Errno.None : Errno.EPERM;
    }

    public bool TryCopyIn<T>(ulong handle, out T value)
        where T : unmanaged
        => Memory.TryRead(handle, out value);

    public bool TryCopyOut<T>(ulong handle, in T value)
        where T : unmanaged
        => Memory.TryWrite(handle, in value);

    /// <summary>Element <paramref name="index"/> of an array of xen_ulong_t or xen_pfn_t: 8 bytes each, 4 for 32-bit callers.</summary>
    public bool TryReadLong(ulong array, ulong index, out ulong value)
    {
        if (!Is32Bit)
        {
            return Memory.TryRead(array + (index * sizeof(ulong)), out value);
        }

        bool read = Memory.TryRead(array + (index * sizeof(uint)), out uint narrow);
        value = narrow;
        return read;
    }

    /// <inheritdoc cref="TryReadLong"/>
    public bool TryWriteLong(ulong array, ulong index, ulong value) =>
        Is32Bit ? Memory.TryWrite(array + (index * sizeof(uint)), (uint)value) : Memory.TryWrite(array + (index * sizeof(ulong)), value);

    /// <summary>Bytes in, for arguments without a structure.</summary>
    public bool TryReadBytes(ulong handle, Span<byte> destination) => Memory.TryRead(handle, destination);

    public bool TryWriteBytes(ulong handle, ReadOnlySpan<byte> source) => Memory.TryWrite(handle, source);

    public bool TryReadArray<T>(ulong handle, Span<T> destination)
        where T : unmanaged
        => Memory.TryRead(handle, MemoryMarshal.AsBytes(destination));
}
