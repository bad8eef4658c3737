using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// Instructions that exit (SDM 3C "Instructions That Cause VM Exits"). Each method is asked by the instruction itself, in non-root
/// operation,
/// after the exceptions that go before the exit.
/// </content>
public sealed unsafe partial class VmxUnit
{
    private const ulong MsrHighFirst = 0xC000_0000;
    private const ulong MsrRangeSize = 0x2000;

    // Access types in the exit qualification for control-register accesses (SDM 3C "Exit Qualification for Control-Register Accesses").
    private const ulong CrMovTo = 0;
    private const ulong CrMovFrom = 1 << 4;
    private const ulong CrClts = 2 << 4;
    private const ulong CrLmsw = 3 << 4;

    /// <summary>An instruction that exits when a primary control is 1.</summary>
    internal bool TryExit(PrimaryControls control, ExitReason reason, in Instruction i, out Outcome outcome, ulong qualification = 0)
    {
        bool exits = InNonRoot && (_primary & control) != 0;
        outcome = exits ? Exit(reason, qualification, (uint)i.Length) : Outcome.Retired;
        return exits;
    }

    /// <summary>An instruction that exits when a secondary control is 1.</summary>
    internal bool TryExit(SecondaryControls control, ExitReason reason, in Instruction i, out Outcome outcome, ulong qualification = 0, uint information = 0)
    {
        bool exits = InNonRoot && (_secondary & control) != 0;
        outcome = exits ? Exit(reason, qualification, (uint)i.Length, information) : Outcome.Retired;
        return exits;
    }

    /// <summary>
    /// True when the guest may use an instruction that a secondary control enables (RDTSCP, INVPCID); otherwise it is #UD.
    /// </summary>
    internal bool Enables(SecondaryControls control) => !InNonRoot || (_secondary & control) != 0;

    internal bool HasPrimary(PrimaryControls control) => InNonRoot && (_primary & control) != 0;

    /// <summary>SDM 3A "Restrictions on VMX Operation": bits that are fixed while in VMX operation.</summary>
    internal bool AllowsCr0(ulong value)
    {
        if (!InOperation)
        {
            return true;
        }

        ulong mustBe1 = InNonRoot && _secondary.HasFlag(SecondaryControls.UnrestrictedGuest)
            ? VmxCapabilities.Cr0Fixed0 & ~(ControlRegisters.Cr0Pe | ControlRegisters.Cr0Pg)
            : VmxCapabilities.Cr0Fixed0;
        return (value & mustBe1) == mustBe1;
    }

    internal bool AllowsCr4(ulong value) => !InOperation || (value & ControlRegisters.Cr4Vmxe) != 0;

    /// <summary>What the guest reads of CR0 or CR4: the read shadow where the mask has ones.</summary>
    internal ulong GuestView(ulong value, VmcsField maskField, VmcsField shadowField)
    {
        if (!InNonRoot)
        {
            return value;
        }

        ulong mask = Read(maskField);
        return (value & ~mask) | (Read(shadowField) & mask);
    }

    /// <summary>MOV to CR. Without an exit, <paramref name="value"/> keeps the bits that belong to the host as they are.</summary>
    internal bool TryExitForMovToCr(int number, int gpr, int length, ref ulong value, out Outcome outcome)
    {
        bool exits = number switch
        {
            0 => ExitsForHostBits(value, VmcsField.Cr0Mask, VmcsField.Cr0ReadShadow),
            3 => _primary.HasFlag(PrimaryControls.Cr3LoadExiting) && !IsCr3Target(value),
            4 => ExitsForHostBits(value, VmcsField.Cr4Mask, VmcsField.Cr4ReadShadow),
            8 => _primary.HasFlag(PrimaryControls.Cr8LoadExiting),
            _ => false,
        };
        if (exits)
        {
            outcome = Exit(ExitReason.ControlRegisterAccess, (uint)number | CrMovTo | ((uint)gpr << 8), (uint)length);
            return true;
        }

        outcome = Outcome.Retired;
        value = number switch
        {
            0 => KeepHostBits(value, State->Paging.Cr0, VmcsField.Cr0Mask),
            4 => KeepHostBits(value, State->Paging.Cr4, VmcsField.Cr4Mask),
            _ => value,
        };
        return false;
    }

    internal bool TryExitForMovFromCr(int number, int gpr, int length, out Outcome outcome)
    {
        bool exits = (number == 3 && _primary.HasFlag(PrimaryControls.Cr3StoreExiting)) || (number == 8 && _primary.HasFlag(PrimaryControls.Cr8StoreExiting));
        outcome = exits ? Exit(ExitReason.ControlRegisterAccess, (uint)number | CrMovFrom | ((uint)gpr << 8), (uint)length) : Outcome.Retired;
        return exits;
    }

    internal bool TryExitForMovDr(int number, int gpr, bool isRead, int length, out Outcome outcome)
    {
        bool exits = _primary.HasFlag(PrimaryControls.MovDrExiting);
        outcome = exits ? Exit(ExitReason.MovDr, (uint)number | (isRead ? 1u << 4 : 0) | ((uint)gpr << 8), (uint)length) : Outcome.Fault;
        return exits;
    }

    /// <summary>CLTS exits when TS is the host's and shown as 1; it changes nothing when TS is the host's and shown as 0.</summary>
    internal bool TryExitForClts(int length, out bool changes, out Outcome outcome)
    {
        bool hosts = (Read(VmcsField.Cr0Mask) & ControlRegisters.Cr0Ts) != 0;
        bool exits = hosts && (Read(VmcsField.Cr0ReadShadow) & ControlRegisters.Cr0Ts) != 0;
        changes = !hosts;
        outcome = exits ? Exit(ExitReason.ControlRegisterAccess, CrClts, (uint)length) : Outcome.Retired;
        return exits;
    }

    /// <summary>LMSW exits when it would change a host's bit 3:1, or set PE while PE is the host's and shown as 0.</summary>
    /// <param name="source">The operand.</param>
    /// <param name="isMemory">The operand lies in memory.</param>
    /// <param name="length">Length of the instruction in bytes.</param>
    /// <param name="bits">Bits 3:0 to load; bits that belong to the host keep their value.</param>
    /// <param name="outcome">The exit.</param>
    internal bool TryExitForLmsw(ushort source, bool isMemory, int length, ref ulong bits, out Outcome outcome)
    {
        ulong mask = Read(VmcsField.Cr0Mask) & 0xF;
        ulong shadow = Read(VmcsField.Cr0ReadShadow);
        bool setsPe = (mask & source & ~shadow & ControlRegisters.Cr0Pe) != 0;
        if (setsPe || ((source ^ shadow) & mask & 0xE) != 0)
        {
            ulong qualification = CrLmsw | (isMemory ? 1u << 6 : 0) | ((ulong)source << 16);
            if (isMemory)
            {
                Write(VmcsField.GuestLinearAddress, _processor.LastOperandLinear);
            }

            outcome = Exit(ExitReason.ControlRegisterAccess, qualification, (uint)length);
            return true;
        }

        bits = (bits & ~mask) | (State->Paging.Cr0 & mask);
        outcome = Outcome.Retired;
        return false;
    }

    /// <summary>
    /// I/O instructions: unconditionally, or as the I/O bitmaps say for any byte of the access (SDM 3C "I/O-Bitmap Addresses").
    /// </summary>
    internal bool ExitsForPort(uint port, int sizeBytes)
    {
        if (!_primary.HasFlag(PrimaryControls.UseIoBitmaps))
        {
            return _primary.HasFlag(PrimaryControls.UnconditionalIoExiting);
        }

        for (uint p = port; p < port + (uint)sizeBytes; p++)
        {
            // An access that wraps around the port space exits.
            if (p > ushort.MaxValue || IsBitSet(p < 0x8000 ? VmcsField.IoBitmapA : VmcsField.IoBitmapB, 0, p & 0x7FFF))
            {
                return true;
            }
        }

        return false;
    }

    internal Outcome ExitForPort(ulong qualification, uint instructionLength, uint information, ulong linear)
    {
        Write(VmcsField.GuestLinearAddress, linear); // defined for INS and OUTS only
        return Exit(ExitReason.IoInstruction, qualification, instructionLength, information);
    }

    /// <summary>
    /// IRET ends blocking by NMI, but not while NMIs exit and are not virtual (SDM 3C "Changes to Instruction Behavior").
    /// </summary>
    internal bool IretUnblocksNmi => !InNonRoot || !_pin.HasFlag(PinControls.NmiExiting) || _pin.HasFlag(PinControls.VirtualNmis);

    /// <summary>
    /// RDMSR and WRMSR (SDM 3C "MSR-Bitmap Address"): four bitmaps of 1 KiB, for reads and writes of low and high numbers.
    /// </summary>
    internal bool TryExitForMsr(uint msr, bool isWrite, in Instruction i, out Outcome outcome)
    {
        bool low = msr < MsrRangeSize;
        bool high = msr >= MsrHighFirst && msr < MsrHighFirst + MsrRangeSize;
        uint part = (isWrite ? 0x800u : 0) + (high ? 0x400u : 0);
        bool exits = !_primary.HasFlag(PrimaryControls.UseMsrBitmaps) || (!low && !high)
            || IsBitSet(VmcsField.MsrBitmaps, part, msr & (uint)(MsrRangeSize - 1));
        outcome = exits ? Exit(isWrite ? ExitReason.Wrmsr : ExitReason.Rdmsr, 0, (uint)i.Length) : Outcome.Retired;
        return exits;
    }

    /// <summary>A bit of a bitmap page, read in the hypervisor's name; a page that is refused counts as all ones.</summary>
    private bool IsBitSet(VmcsField pageField, uint offset, uint bit) =>
        !TryStructure(State->Paging.HypervisorName, Read(pageField), AccessKind.Read, out byte* page)
        || (page[offset + (bit >> 3)] & (1 << (int)(bit & 7))) != 0;

    private bool ExitsForHostBits(ulong value, VmcsField maskField, VmcsField shadowField) => ((value ^ Read(shadowField)) & Read(maskField)) != 0;

    private ulong KeepHostBits(ulong value, ulong current, VmcsField maskField)
    {
        ulong mask = Read(maskField);
        return (value & ~mask) | (current & mask);
    }

    private bool IsCr3Target(ulong value)
    {
        uint count = Read32(VmcsField.Cr3TargetCount);
        for (uint i = 0; i < count; i++)
        {
            if (Read(VmcsField.Cr3Target0 + (2 * i)) == value)
            {
                return true;
            }
        }

        return false;
    }
}
