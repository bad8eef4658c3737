namespace Xenolith.Cpu;

/// <content>SDM 3C "Checks on Guest Segment Registers", one method per group of registers.</content>
public sealed unsafe partial class VmxUnit
{
    private const uint AccessRightsReserved = 0xFFFE_0F00; // bits 11:8 and 31:17
    private const uint Virtual8086AccessRights = 0xF3;

    private bool GuestSegmentsAreValid()
    {
        if (!GuestSelectorsAreValid() || !GuestBasesAreValid() || !GuestTrIsValid() || !GuestLdtrIsValid())
        {
            return false;
        }

        return GuestIsVirtual8086 ? GuestVirtual8086SegmentsAreValid() : GuestCsIsValid() && GuestSsIsValid() && GuestDataSegmentsAreValid();
    }

    private bool GuestSelectorsAreValid()
    {
        const uint Ti = 1 << 2;
        if ((Read32(VmcsField.GuestTrSelector) & Ti) != 0 || (IsUsable(SegmentIndex.LDTR) && (Read32(VmcsField.GuestLdtrSelector) & Ti) != 0))
        {
            return false;
        }

        return GuestIsVirtual8086 || GuestIsUnrestricted
            || (Read32(VmcsField.GuestSsSelector) & 3) == (Read32(VmcsField.GuestCsSelector) & 3);
    }

    private bool GuestBasesAreValid()
    {
        if (!IsCanonical(Base(SegmentIndex.TR)) || !IsCanonical(Base(SegmentIndex.FS)) || !IsCanonical(Base(SegmentIndex.GS))
            || (IsUsable(SegmentIndex.LDTR) && !IsCanonical(Base(SegmentIndex.LDTR))) || Base(SegmentIndex.CS) >> 32 != 0)
        {
            return false;
        }

        return (!IsUsable(SegmentIndex.SS) || Base(SegmentIndex.SS) >> 32 == 0) && (!IsUsable(SegmentIndex.DS) || Base(SegmentIndex.DS) >> 32 == 0)
            && (!IsUsable(SegmentIndex.ES) || Base(SegmentIndex.ES) >> 32 == 0);
    }

    /// <summary>In virtual-8086 mode: base is 16 times the selector, limit FFFFH, access rights F3H.</summary>
    private bool GuestVirtual8086SegmentsAreValid()
    {
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            if (Base(index) != (ulong)Selector(index) << 4 || Limit(index) != ushort.MaxValue || Rights(index) != Virtual8086AccessRights)
            {
                return false;
            }
        }

        return true;
    }

    private bool GuestCsIsValid()
    {
        uint rights = Rights(SegmentIndex.CS);
        uint dpl = (rights >> 5) & 3;
        uint ssDpl = (Rights(SegmentIndex.SS) >> 5) & 3;
        bool dplIsValid = (rights & 0xF) switch
        {
            3 => GuestIsUnrestricted && dpl == 0, // read/write accessed data: real mode's CS
            9 or 11 => dpl == ssDpl,
            13 or 15 => dpl <= ssDpl,
            _ => false,
        };

        bool dbIsValid = !GuestIsIa32e || (rights & SegmentRegister.LBit) == 0 || (rights & SegmentRegister.DbBit) == 0;
        return dplIsValid && dbIsValid && IsPresentOfKind(SegmentIndex.CS, isSystem: false);
    }

    private bool GuestSsIsValid()
    {
        uint rights = Rights(SegmentIndex.SS);
        uint dpl = (rights >> 5) & 3;
        uint csType = Rights(SegmentIndex.CS) & 0xF;
        bool realMode = (Read(VmcsField.GuestCr0) & ControlRegisters.Cr0Pe) == 0;
        if (!GuestIsUnrestricted && dpl != (Selector(SegmentIndex.SS) & 3u))
        {
            return false;
        }

        if ((csType == 3 || realMode) && dpl != 0)
        {
            return false;
        }

        return !IsUsable(SegmentIndex.SS) || ((rights & 0xF) is 3 or 7 && IsPresentOfKind(SegmentIndex.SS, isSystem: false));
    }

    private bool GuestDataSegmentsAreValid() => GuestDataSegmentIsValid(SegmentIndex.DS) && GuestDataSegmentIsValid(SegmentIndex.ES)
        && GuestDataSegmentIsValid(SegmentIndex.FS) && GuestDataSegmentIsValid(SegmentIndex.GS);

    private bool GuestDataSegmentIsValid(SegmentIndex index)
    {
        if (!IsUsable(index))
        {
            return true;
        }

        uint rights = Rights(index);
        bool isCode = (rights & SegmentRegister.CodeBit) != 0;
        if ((rights & SegmentRegister.AccessedBit) == 0 || (isCode && (rights & SegmentRegister.WritableOrReadableBit) == 0))
        {
            return false;
        }

        // Conforming code segments (types 12-15) have no rule about DPL.
        if (!GuestIsUnrestricted && (rights & 0xF) <= 11 && ((rights >> 5) & 3) < (Selector(index) & 3u))
        {
            return false;
        }

        return IsPresentOfKind(index, isSystem: false);
    }

    private bool GuestTrIsValid()
    {
        uint type = Rights(SegmentIndex.TR) & 0xF;
        return (type == 11 || (type == 3 && !GuestIsIa32e)) && IsUsable(SegmentIndex.TR) && IsPresentOfKind(SegmentIndex.TR, isSystem: true);
    }

    private bool GuestLdtrIsValid() =>
        !IsUsable(SegmentIndex.LDTR) || ((Rights(SegmentIndex.LDTR) & 0xF) == 2 && IsPresentOfKind(SegmentIndex.LDTR, isSystem: true));

    /// <summary>
    /// What all usable segments have in common: S as their kind demands, P, reserved bits clear, G in accord with the limit.
    /// </summary>
    private bool IsPresentOfKind(SegmentIndex index, bool isSystem)
    {
        uint rights = Rights(index);
        uint limit = Limit(index);
        bool g = (rights & SegmentRegister.GBit) != 0;
        bool granularityIsValid = ((limit & 0xFFF) == 0xFFF || !g) && (limit >> 20 == 0 || g);
        return ((rights & SegmentRegister.SBit) == 0) == isSystem && (rights & SegmentRegister.PBit) != 0
            && (rights & AccessRightsReserved) == 0 && granularityIsValid;
    }

    private bool IsUsable(SegmentIndex index) => (Rights(index) & SegmentRegister.UnusableBit) == 0;

    // The eight segment registers have consecutive encodings in each group of fields, in the order of SegmentIndex.
    private ushort Selector(SegmentIndex index) => (ushort)Read(VmcsField.GuestEsSelector + (2 * (uint)index));

    private ulong Base(SegmentIndex index) => Read(VmcsField.GuestEsBase + (2 * (uint)index));

    private uint Limit(SegmentIndex index) => Read32(VmcsField.GuestEsLimit + (2 * (uint)index));

    private uint Rights(SegmentIndex index) => Read32(VmcsField.GuestEsAccessRights + (2 * (uint)index));
}
