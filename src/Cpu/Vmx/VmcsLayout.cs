using System;

namespace Xenolith.Cpu;

/// <summary>
/// Where each field lies in a VMCS region of this processor. The manual leaves the format to the processor; here every field has a
/// slot of 8 bytes at a fixed offset, so that a dump of the region can be read:
/// <code>
/// 0x000 VMCS revision identifier (bits 30:0), shadow-VMCS indicator (bit 31)     0x004 VMX-abort indicator
/// 0x008 launch state: "CLER" or "LNCH", anything else: never cleared             0x00C VMID that counts this VMCS as its own (ASMI)
/// 0x040 fields, a group per width and type
/// </code>
/// The offset of a field is the base of its group plus eight times its index (SDM 3C "Format of the VMCS Region").
/// </summary>
public static class VmcsLayout
{
    /// <summary>VMCS revision identifier that software writes to the first four bytes of a region.</summary>
    public const uint RevisionId = 0x0058_454E;

    /// <summary>Size in bytes of a VMCS or VMXON region.</summary>
    public const int RegionSize = 4096;

    internal const int AbortIndicatorOffset = 4;
    internal const int LaunchStateOffset = 8;
    internal const uint LaunchStateClear = 0x5245_4C43;
    internal const uint LaunchStateLaunched = 0x4843_4E4C;
    internal const int BoundVmidOffset = 12;
    internal const int FieldsOffset = 0x40;

    private const int AsmiIndex = 0x200; // bit 8 of the index: no processor's field reaches it
    private const int AsmiSlots = 8;

    /// <summary>Slots per group, in the order of encoding bits 14:10 (width, type); zero: no such group.</summary>
    private static readonly byte[] s_slots =
    [
        8, 0, 12, 8, 0, 0, 0, 0, // 16-bit: control, read-only, guest, host
        40, 4, 16, 8, 0, 0, 0, 0, // 64-bit
        24, 8, 24, 4, 0, 0, 0, 0, // 32-bit
        8, 8, 24, 16, 0, 0, 0, 0, // natural width
    ];

    private static readonly ushort[] s_groupOffsets = BuildGroupOffsets();
    private static readonly bool[] s_exists = BuildExists();

    /// <summary>True when the field exists on this processor: its feature is offered by the capability MSRs.</summary>
    public static bool Exists(uint encoding) => encoding < s_exists.Length && s_exists[encoding & ~1u] && ((encoding & 1) == 0 || Width(encoding) == 1);

    /// <summary>True for the read-only data fields, which VMWRITE refuses (IA32_VMX_MISC bit 29 is 0).</summary>
    public static bool IsReadOnly(uint encoding) => ((encoding >> 10) & 3) == 1;

    /// <summary>Byte offset of an existing field in its region.</summary>
    public static int Offset(VmcsField field)
    {
        uint encoding = (uint)field;
        int index = (int)(encoding >> 1) & 0xFF;
        int group = GroupIndex(encoding);
        return s_groupOffsets[(encoding & AsmiIndex) == 0 ? group : group + 32] + (index * 8);
    }

    /// <summary>Encoding bits 14:13: 0 for 16 bits, 1 for 64, 2 for 32, 3 natural.</summary>
    internal static int Width(uint encoding) => (int)(encoding >> 13) & 3;

    /// <summary>The bits of a value that a field of this width keeps.</summary>
    internal static ulong WidthMask(uint encoding) => Width(encoding) switch
    {
        0 => ushort.MaxValue,
        2 => uint.MaxValue,
        _ => ulong.MaxValue,
    };

    private static int GroupIndex(uint encoding) => (Width(encoding) * 8) + ((int)(encoding >> 10) & 3);

    private static ushort[] BuildGroupOffsets()
    {
        ushort[] offsets = new ushort[64];
        int next = FieldsOffset;
        for (int group = 0; group < offsets.Length; group++)
        {
            offsets[group] = (ushort)next;
            next += 8 * (group < 32 ? s_slots[group] : s_slots[group - 32] == 0 ? 0 : AsmiSlots);
        }

        return offsets;
    }

    private static bool[] BuildExists()
    {
        bool[] exists = new bool[0x7000];
        foreach (VmcsField field in Enum.GetValues<VmcsField>())
        {
            exists[(int)field] = !IsOfAbsentFeature(field);
        }

        return exists;
    }

    /// <summary>Fields of features that this processor does not offer (docs/UNIMPLEMENTED.md lists the features).</summary>
    private static bool IsOfAbsentFeature(VmcsField field) => field is
        VmcsField.PostedInterruptNotificationVector or VmcsField.EptpIndex or VmcsField.HlatPrefixSize or VmcsField.LastPidPointerIndex
        or VmcsField.GuestInterruptStatus or VmcsField.PmlIndex or VmcsField.GuestUinv or VmcsField.PmlAddress
        or VmcsField.VirtualApicAddress or VmcsField.ApicAccessAddress or VmcsField.PostedInterruptDescriptorAddress
        or VmcsField.VmFunctionControls or (>= VmcsField.EoiExitBitmap0 and <= VmcsField.SpecCtrlShadow)
        or VmcsField.GuestPerfGlobalCtrl or VmcsField.HostPerfGlobalCtrl or (>= VmcsField.GuestBndcfgs and <= VmcsField.GuestLbrCtl)
        or VmcsField.TprThreshold or VmcsField.PleGap or VmcsField.PleWindow or VmcsField.InstructionTimeoutControl
        or VmcsField.GuestSCet or VmcsField.GuestSsp or VmcsField.GuestInterruptSspTable
        or VmcsField.HostSCet or VmcsField.HostSsp or VmcsField.HostInterruptSspTable
        or VmcsField.GuestPkrs or VmcsField.HostPkrs;
}
