using System;
using System.Runtime.InteropServices;
using System.Text;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>xen_version (xen/include/public/version.h).</summary>
internal static class VersionOps
{
    /// <summary>The dummy policy of Xen shows these to the privileged only.</summary>
    private const string Denied = "<denied>";

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.XenVersion, 0, "XENVER_version", &Shells.Plain<Version>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 1, "XENVER_extraversion", &Shells.Plain<Extraversion>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 2, "XENVER_compile_info", &Shells.Plain<CompileInfo>, "every domain; names are for the privileged"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 3, "XENVER_capabilities", &Shells.Plain<Capabilities>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 4, "XENVER_changeset", &Shells.Plain<Changeset>, "every domain; the text is for the privileged"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 5, "XENVER_platform_parameters", &Shells.Plain<PlatformParameters>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 6, "XENVER_get_features", &Shells.Struct<GetFeatures, XenFeatureInfo>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 7, "XENVER_pagesize", &Shells.Plain<Pagesize>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 8, "XENVER_guest_handle", &Shells.Plain<GuestHandle>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.XenVersion, 9, "XENVER_commandline", &Shells.Plain<Commandline>, "every domain; the text is for the privileged"),
        HypercallEntry.Refuse(HypercallNumber.XenVersion, 10, "XENVER_build_id", Errno.ENODATA, "this Xen has no build id"),
    ];

    private static long WriteText(HypercallContext call, string text, int size)
    {
        Span<byte> buffer = stackalloc byte[size];
        buffer.Clear();
        _ = Encoding.ASCII.GetBytes(text, buffer);
        return call.TryWriteBytes(call.Pointer, buffer) ? 0 : Errno.EFAULT.Negated();
    }

    private readonly struct Version : IHypercall
    {
        public static long Execute(HypercallContext call) => (Hypervisor.VersionMajor << 16) | Hypervisor.VersionMinor;
    }

    private readonly struct Extraversion : IHypercall
    {
        public static long Execute(HypercallContext call) => WriteText(call, ".0-xenolith", 16);
    }

    private readonly struct CompileInfo : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            Span<byte> info = stackalloc byte[64 + 16 + 32 + 32];
            info.Clear();
            bool tell = call.IsPrivileged;
            _ = Encoding.ASCII.GetBytes(tell ? "C#" : Denied, info[..64]);
            _ = Encoding.ASCII.GetBytes(tell ? "xenolith" : Denied, info.Slice(64, 16));
            _ = Encoding.ASCII.GetBytes(tell ? "emulated" : Denied, info.Slice(80, 32));
            _ = Encoding.ASCII.GetBytes(tell ? "always" : Denied, info.Slice(112, 32));
            return call.TryWriteBytes(call.Pointer, info) ? 0 : Errno.EFAULT.Negated();
        }
    }

    private readonly struct Capabilities : IHypercall
    {
        public static long Execute(HypercallContext call) =>
            WriteText(call, "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ", 1024);
    }

    private readonly struct Changeset : IHypercall
    {
        public static long Execute(HypercallContext call) => WriteText(call, call.IsPrivileged ? "xenolith" : Denied, 64);
    }

    private readonly struct PlatformParameters : IHypercall
    {
        /// <summary>virt_start means nothing to a guest without PV paging: zero.</summary>
        public static long Execute(HypercallContext call) =>
            call.TryWriteLong(call.Pointer, 0, 0) ? 0 : Errno.EFAULT.Negated();
    }

    private readonly struct GetFeatures : IHypercall<XenFeatureInfo>
    {
        // XENFEAT_* bits of a translated HVM guest (xen/include/public/features.h): memory_op_vnode_supported is every guest's.
        private const uint AutoTranslatedPhysmap = 1 << 2;
        private const uint SupervisorModeKernel = 1 << 3;
        private const uint HvmCallbackVector = 1 << 8;
        private const uint HvmSafePvclock = 1 << 9;
        private const uint Dom0 = 1 << 11;
        private const uint MemoryOpVnodeSupported = 1 << 13;
        private const uint NotDirectMapped = 1 << 16;

        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref XenFeatureInfo arg)
        {
            if (arg.SubmapIdx != 0)
            {
                return Errno.EINVAL.Negated();
            }

            arg.Submap = AutoTranslatedPhysmap | SupervisorModeKernel | HvmCallbackVector | HvmSafePvclock | MemoryOpVnodeSupported
                | NotDirectMapped | (call.IsPrivileged ? Dom0 : 0);
            return 0;
        }
    }

    private readonly struct Pagesize : IHypercall
    {
        public static long Execute(HypercallContext call) => (long)Mmu.Pages.Size;
    }

    private readonly struct GuestHandle : IHypercall
    {
        public static long Execute(HypercallContext call) =>
            call.TryCopyOut(call.Pointer, call.Caller.Handle) ? 0 : Errno.EFAULT.Negated();
    }

    private readonly struct Commandline : IHypercall
    {
        public static long Execute(HypercallContext call) => WriteText(call, call.IsPrivileged ? string.Empty : Denied, 1024);
    }
}

/// <summary>struct xen_feature_info (xen/include/public/version.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct XenFeatureInfo
{
    public uint SubmapIdx;
    public uint Submap;
}
