using System;
using System.Collections.Generic;

using Xunit;

using static Xenolith.Cpu.VmcsField;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: a VMCS that is valid in every field is changed in one place, as one sentence of SDM 3C "VM Entries" describes, and VMLAUNCH is
/// tried. Every check has a case that breaks it and, next to it, one on its other side ("ok"). It fails when a check is missing, too
/// strict, or reported as another class (controls, host state, guest state).
/// </summary>
public sealed class EntryCheckTests
{
    private const ulong TooWide = 1UL << Processor.MaxPhysicalAddressBits;
    private const ulong NotCanonical = 1UL << 62;
    private const uint Valid = 1u << 31;

    private static readonly SortedDictionary<string, (Action<VmxMachine> Change, Expected Expected)> s_cases = Cases();

    private enum Expected
    {
        Ok,
        Controls,
        Host,
        Guest,
        GuestPdpte,
        GuestLink,
    }

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Check(string name)
    {
        (Action<VmxMachine> change, Expected expected) = s_cases[name];
        using VmxMachine m = new();
        m.Guest(a => a.hlt());
        change(m);
        VmxResult result = m.Vmx.Vmlaunch();
        switch (expected)
        {
            case Expected.Controls:
                Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidControlFields), result);
                Assert.Equal(7u, m[VmcsField.VmInstructionError]);
                Assert.False(m.Vmx.InNonRoot);
                return;
            case Expected.Host:
                Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidHostStateFields), result);
                return;
            case Expected.Ok:
                Assert.True(result.IsSuccess, result.ToString());
                Assert.True(m.Vmx.InNonRoot);
                return;
        }

        Assert.True(result.IsSuccess, result.ToString());
        Assert.Equal(StopReason.VmExit, m.Run(10));
        Assert.Equal(0x8000_0021u, m[VmcsField.ExitReason]);
        Assert.Equal(expected switch { Expected.GuestPdpte => 2u, Expected.GuestLink => 4u, _ => 0u }, m.Qualification);
        Assert.Equal(VmxMachine.HostEntry, RipOf(m));
        Assert.Equal(VmcsLayout.LaunchStateClear, m.Read<uint>(VmxMachine.VmcsRegion + VmcsLayout.LaunchStateOffset));
    }

    private static unsafe ulong RipOf(VmxMachine m) => m.State->Rip;

    private static SortedDictionary<string, (Action<VmxMachine> Change, Expected Expected)> Cases()
    {
        SortedDictionary<string, (Action<VmxMachine> Change, Expected Expected)> cases = new(StringComparer.Ordinal);
        void Add(string name, Expected expected, Action<VmxMachine> change) => cases.Add(name, (change, expected));
        void Set(string name, Expected expected, VmcsField field, ulong value) => Add(name, expected, m => m[field] = value);

        Add("nothing changed, ok", Expected.Ok, _ => { });
        AddExecutionControls(Add, Set);
        AddExitAndEntryControls(Add, Set);
        AddInjection(Add);
        AddHost(Add, Set);
        AddGuestRegisters(Add, Set);
        AddGuestSegments(Add, Set);
        AddGuestNonRegisterState(Add, Set);
        return cases;
    }

    private static void AddExecutionControls(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        set("pin: default1 bit clear", Expected.Controls, PinBasedControls, 0);
        set("pin: posted interrupts are not offered", Expected.Controls, PinBasedControls, VmxCapabilities.PinDefault1 | (1u << 7));
        add("primary: default1 bit clear", Expected.Controls, m => m[PrimaryProcessorBasedControls] &= ~2UL);
        add("primary: TPR shadow is not offered", Expected.Controls, m => m.SetPrimary(PrimaryControls.UseTprShadow));
        add("primary: CR3 exiting may be 1, ok", Expected.Ok, m => m.SetPrimary(PrimaryControls.Cr3LoadExiting));
        add("secondary: PML is not offered", Expected.Controls, m => m.AddSecondary(SecondaryControls.EnablePml));
        add("secondary: ignored when not activated, ok", Expected.Ok, m =>
        {
            m.MakeGuestLong();
            m.AddSecondary(SecondaryControls.EnablePml);
            m[PrimaryProcessorBasedControls] &= ~(1UL << 31);
            m[GuestTrAccessRights] = 0x8B;
            m[GuestCr3] = TestMachine.PageTables;
        });
        set("CR3 targets: 4, ok", Expected.Ok, Cr3TargetCount, 4);
        set("CR3 targets: 5", Expected.Controls, Cr3TargetCount, 5);
        add("I/O bitmap A not aligned", Expected.Controls, m =>
        {
            m.SetPrimary(PrimaryControls.UseIoBitmaps);
            m[VmcsField.IoBitmapA] = VmxMachine.IoBitmapA + 8;
        });
        add("I/O bitmap B beyond the address width", Expected.Controls, m =>
        {
            m.SetPrimary(PrimaryControls.UseIoBitmaps);
            m[VmcsField.IoBitmapB] = TooWide;
        });
        set("I/O bitmap not aligned but unused, ok", Expected.Ok, VmcsField.IoBitmapA, 8);
        add("I/O bitmaps, ok", Expected.Ok, m => m.SetPrimary(PrimaryControls.UseIoBitmaps));
        add("MSR bitmap not aligned", Expected.Controls, m =>
        {
            m.SetPrimary(PrimaryControls.UseMsrBitmaps);
            m[MsrBitmaps] = VmxMachine.MsrBitmap + 4;
        });
        add("MSR bitmap, ok", Expected.Ok, m => m.SetPrimary(PrimaryControls.UseMsrBitmaps));
        add("virtual NMIs without NMI exiting", Expected.Controls, m => m.SetPin(PinControls.VirtualNmis));
        add("virtual NMIs with NMI exiting, ok", Expected.Ok, m => m.SetPin(PinControls.VirtualNmis | PinControls.NmiExiting));
        add("NMI window without virtual NMIs", Expected.Controls, m => m.SetPrimary(PrimaryControls.NmiWindowExiting));
        set("VPID 0", Expected.Controls, VirtualProcessorIdentifier, 0);
        set("EPTP: memory type 1", Expected.Controls, EptPointer, VmxMachine.EptRoot | (3 << 3) | 1);
        set("EPTP: uncacheable, ok", Expected.Ok, EptPointer, VmxMachine.EptRoot | (3 << 3));
        set("EPTP: three levels", Expected.Controls, EptPointer, VmxMachine.EptRoot | (2 << 3) | 6);
        set("EPTP: five levels, ok", Expected.Ok, EptPointer, VmxMachine.EptRoot | (4 << 3) | 6);
        set("EPTP: accessed and dirty flags, ok", Expected.Ok, EptPointer, VmxMachine.EptRoot | (1 << 6) | (3 << 3) | 6);
        set("EPTP: reserved bit 7", Expected.Controls, EptPointer, VmxMachine.EptRoot | (1 << 7) | (3 << 3) | 6);
        set("EPTP: beyond the address width", Expected.Controls, EptPointer, TooWide | (3 << 3) | 6);
        add("unrestricted guest without EPT", Expected.Controls, m =>
            m[SecondaryProcessorBasedControls] = (uint)SecondaryControls.UnrestrictedGuest);
        add("mode-based execute without EPT", Expected.Controls, m =>
            m[SecondaryProcessorBasedControls] = (uint)SecondaryControls.ModeBasedExecuteControl);
    }

    private static void AddExitAndEntryControls(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        add("exit: reserved control", Expected.Controls, m => m[VmExitControls] |= (uint)ExitControls.ClearBndcfgs);
        add("exit: save timer without the timer", Expected.Controls, m => m[VmExitControls] |= (uint)ExitControls.SavePreemptionTimer);
        add("exit: save timer with the timer, ok", Expected.Ok, m =>
        {
            m.SetPin(PinControls.ActivateVmxPreemptionTimer);
            m[PreemptionTimerValue] = 100;
            m[VmExitControls] |= (uint)ExitControls.SavePreemptionTimer;
        });
        foreach ((VmcsField count, VmcsField address, string area) in new[]
        {
            (ExitMsrStoreCount, ExitMsrStoreAddress, "exit MSR-store area"),
            (ExitMsrLoadCount, ExitMsrLoadAddress, "exit MSR-load area"),
            (EntryMsrLoadCount, EntryMsrLoadAddress, "entry MSR-load area"),
        })
        {
            add($"{area}: not aligned", Expected.Controls, m => (m[count], m[address]) = (1, VmxMachine.MsrArea + 8));
            add($"{area}: last byte beyond the address width", Expected.Controls, m => (m[count], m[address]) = (2, TooWide - 16));
            add($"{area}: unused, ok", Expected.Ok, m => (m[count], m[address]) = (0, 8));
        }

        add("entry: reserved control", Expected.Controls, m => m[VmEntryControls] |= (uint)EntryControls.EntryToSmm);
        add("entry: default1 bit clear", Expected.Controls, m => m[VmEntryControls] &= ~1UL);
    }

    private static void AddInjection(Action<string, Expected, Action<VmxMachine>> add)
    {
        void Inject(string name, Expected expected, uint information, Action<VmxMachine>? more = null) => add("injection: " + name, expected, m =>
        {
            m[EntryInterruptionInformation] = information;
            m[EntryInstructionLength] = 2;
            m[GuestRflags] |= RflagsBits.IF;
            more?.Invoke(m);
        });

        Inject("type 1 is reserved", Expected.Controls, Valid | (1 << 8) | 32);
        Inject("type 7 needs the monitor trap flag", Expected.Controls, Valid | (7 << 8));
        Inject("not valid, anything goes, ok", Expected.Ok, (1 << 8) | 0x7000_0000);
        Inject("reserved bits", Expected.Controls, Valid | (1 << 12) | 32);
        Inject("external interrupt, ok", Expected.Ok, Valid | 32);
        Inject("NMI with vector 3", Expected.Controls, Valid | (2 << 8) | 3);
        Inject("NMI, ok", Expected.Ok, Valid | (2 << 8) | 2);
        Inject("exception with vector 32", Expected.Controls, Valid | (3 << 8) | 32);
        Inject("#UD, ok", Expected.Ok, Valid | (3 << 8) | 6);
        Inject("#UD with an error code", Expected.Controls, Valid | (3 << 8) | 6 | (1 << 11));
        Inject("#GP without an error code", Expected.Controls, Valid | (3 << 8) | 13);
        Inject("#GP with an error code, ok", Expected.Ok, Valid | (3 << 8) | 13 | (1 << 11));
        Inject("error code of more than 16 bits", Expected.Controls, Valid | (3 << 8) | 13 | (1 << 11), m => m[EntryExceptionErrorCode] = 0x1_0000);
        Inject("#GP in real mode has no error code, ok", Expected.Ok, Valid | (3 << 8) | 13, MakeReal);
        Inject("#GP in real mode with an error code", Expected.Controls, Valid | (3 << 8) | 13 | (1 << 11), MakeReal);
        Inject("software interrupt of length 0", Expected.Controls, Valid | (4 << 8) | 0x80, m => m[EntryInstructionLength] = 0);
        Inject("software interrupt of length 16", Expected.Controls, Valid | (4 << 8) | 0x80, m => m[EntryInstructionLength] = 16);
        Inject("software interrupt, ok", Expected.Ok, Valid | (4 << 8) | 0x80);
        Inject("external interrupt with IF clear", Expected.Guest, Valid | 32, m => m[GuestRflags] = RflagsBits.Fixed1);
        Inject("external interrupt under blocking by STI", Expected.Guest, Valid | 32, m => m[GuestInterruptibilityState] = 1);
        Inject("NMI under blocking by MOV SS", Expected.Guest, Valid | (2 << 8) | 2, m => m[GuestInterruptibilityState] = 2);
        Inject("NMI under virtual-NMI blocking", Expected.Guest, Valid | (2 << 8) | 2, m =>
        {
            m.SetPin(PinControls.NmiExiting | PinControls.VirtualNmis);
            m[GuestInterruptibilityState] = 8;
        });
        Inject("#UD into a halted guest", Expected.Guest, Valid | (3 << 8) | 6, m => m[GuestActivityState] = 1);
        Inject("#DB into a halted guest, ok", Expected.Ok, Valid | (3 << 8) | 1, m => m[GuestActivityState] = 1);
        Inject("interrupt into a guest in shutdown", Expected.Guest, Valid | 32, m => m[GuestActivityState] = 2);
        Inject("NMI into a guest in shutdown, ok", Expected.Ok, Valid | (2 << 8) | 2, m => m[GuestActivityState] = 2);
    }

    private static void AddHost(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        add("host CR0: NE clear", Expected.Host, m => m[HostCr0] &= ~ControlRegisters.Cr0Ne);
        add("host CR0: high bit", Expected.Host, m => m[HostCr0] |= 1UL << 32);
        add("host CR4: VMXE clear", Expected.Host, m => m[HostCr4] &= ~ControlRegisters.Cr4Vmxe);
        add("host CR4: reserved bit", Expected.Host, m => m[HostCr4] |= 1UL << 15);
        set("host CR3: beyond the address width", Expected.Host, HostCr3, TooWide);
        set("host SYSENTER_ESP not canonical", Expected.Host, HostSysenterEsp, NotCanonical);
        set("host SYSENTER_EIP not canonical", Expected.Host, HostSysenterEip, NotCanonical);
        add("host PAT: type 2", Expected.Host, m =>
        {
            m[VmExitControls] |= (uint)ExitControls.LoadPat;
            m[HostPat] = 2;
        });
        add("host PAT, ok", Expected.Ok, m =>
        {
            m[VmExitControls] |= (uint)ExitControls.LoadPat;
            m[HostPat] = 0x0007_0406_0007_0406;
        });
        set("host PAT: type 2 but not loaded, ok", Expected.Ok, HostPat, 2);
        add("host EFER: LMA clear with 64-bit host", Expected.Host, m => m[HostEfer] &= ~ControlRegisters.EferLma);
        add("host EFER: reserved bit", Expected.Host, m => m[HostEfer] |= 2);
        set("host CS null", Expected.Host, HostCsSelector, 0);
        set("host TR null", Expected.Host, HostTrSelector, 0);
        set("host SS null in 64-bit mode, ok", Expected.Ok, HostSsSelector, 0);
        set("host DS with RPL", Expected.Host, HostDsSelector, 0x13);
        set("host ES in the LDT", Expected.Host, HostEsSelector, 0x14);
        set("host FS base not canonical", Expected.Host, HostFsBase, NotCanonical);
        set("host GS base not canonical", Expected.Host, HostGsBase, NotCanonical);
        set("host TR base not canonical", Expected.Host, HostTrBase, NotCanonical);
        set("host GDTR base not canonical", Expected.Host, HostGdtrBase, NotCanonical);
        set("host IDTR base not canonical", Expected.Host, HostIdtrBase, NotCanonical);
        set("host RIP not canonical", Expected.Host, HostRip, NotCanonical);
        add("host CR4.PAE clear in 64-bit mode", Expected.Host, m => m[HostCr4] &= ~ControlRegisters.Cr4Pae);
        add("32-bit host while in 64-bit mode", Expected.Host, m =>
        {
            m[VmExitControls] &= ~(ulong)(ExitControls.HostAddressSpaceSize | ExitControls.LoadEfer);
        });
    }

    private static void AddGuestRegisters(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        add("guest CR0: NE clear", Expected.Guest, m => m[GuestCr0] &= ~ControlRegisters.Cr0Ne);
        add("guest CR0: PG without PE", Expected.Guest, m => m[GuestCr0] = ControlRegisters.Cr0Pg | ControlRegisters.Cr0Ne);
        add("guest CR0: PE clear without unrestricted guest", Expected.Guest, m =>
        {
            MakeReal(m);
            m[SecondaryProcessorBasedControls] &= ~(ulong)SecondaryControls.UnrestrictedGuest;
        });
        add("guest in real mode, ok", Expected.Ok, MakeReal);
        add("guest CR4: VMXE clear", Expected.Guest, m => m[GuestCr4] = 0);
        add("guest CR4: reserved bit", Expected.Guest, m => m[GuestCr4] |= 1UL << 15);
        add("guest CR4: PCIDE outside IA-32e mode", Expected.Guest, m => m[GuestCr4] |= ControlRegisters.Cr4Pcide);
        set("guest CR3: beyond the address width", Expected.Guest, GuestCr3, TooWide);
        add("guest in IA-32e mode, ok", Expected.Ok, m => m.MakeGuestLong());
        add("guest in IA-32e mode without PAE", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestCr4] &= ~ControlRegisters.Cr4Pae;
        });
        add("guest in IA-32e mode without paging", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestCr0] &= ~ControlRegisters.Cr0Pg;
        });
        add("guest EFER: LMA without the control", Expected.Guest, m => m[GuestEfer] = ControlRegisters.EferLma | ControlRegisters.EferLme);
        add("guest EFER: LMA and LME differ under paging", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestEfer] &= ~ControlRegisters.EferLme;
        });
        set("guest EFER: LME alone without paging, ok", Expected.Ok, GuestEfer, ControlRegisters.EferLme);
        set("guest EFER: reserved bit", Expected.Guest, GuestEfer, 2);
        add("guest DR7: high bit, when loaded", Expected.Guest, m =>
        {
            m[VmEntryControls] |= (uint)EntryControls.LoadDebugControls;
            m[GuestDr7] = 1UL << 32;
        });
        add("guest DEBUGCTL: reserved bit, when loaded", Expected.Guest, m =>
        {
            m[VmEntryControls] |= (uint)EntryControls.LoadDebugControls;
            m[GuestDebugCtl] = 1 << 15;
        });
        set("guest SYSENTER_ESP not canonical", Expected.Guest, GuestSysenterEsp, NotCanonical);
        set("guest SYSENTER_EIP not canonical", Expected.Guest, GuestSysenterEip, NotCanonical);
        add("guest PAT: type 3, when loaded", Expected.Guest, m =>
        {
            m[VmEntryControls] |= (uint)EntryControls.LoadPat;
            m[GuestPat] = 3;
        });
        set("guest GDTR base not canonical", Expected.Guest, GuestGdtrBase, NotCanonical);
        set("guest GDTR limit of more than 16 bits", Expected.Guest, GuestGdtrLimit, 0x1_0000);
        set("guest IDTR limit of more than 16 bits", Expected.Guest, GuestIdtrLimit, 0x1_0000);
        set("guest RIP of more than 32 bits", Expected.Guest, GuestRip, 1UL << 32);
        add("guest RIP canonical in 64-bit mode, ok", Expected.Ok, m =>
        {
            m.MakeGuestLong();
            m[GuestRip] = 0xFFFF_8000_0000_0000;
        });
        add("guest RIP not canonical in 64-bit mode", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestRip] = 0x8000_0000_0000;
        });
        set("guest RFLAGS: bit 1 clear", Expected.Guest, GuestRflags, 0);
        set("guest RFLAGS: bit 3", Expected.Guest, GuestRflags, 2 | 8);
        set("guest RFLAGS: bit 22", Expected.Guest, GuestRflags, 2 | (1 << 22));
        set("guest RFLAGS: bit 32", Expected.Guest, GuestRflags, 2 | (1UL << 32));
        add("guest RFLAGS: VM in IA-32e mode", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestRflags] |= RflagsBits.VM;
        });
    }

    private static void AddGuestSegments(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        set("guest TR in the LDT", Expected.Guest, GuestTrSelector, 4);
        set("guest TR unusable", Expected.Guest, GuestTrAccessRights, 0x1_008B);
        set("guest TR available", Expected.Guest, GuestTrAccessRights, 0x89);
        set("guest TR of 16 bits, ok", Expected.Ok, GuestTrAccessRights, 0x83);
        add("guest TR of 16 bits in IA-32e mode", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestTrAccessRights] = 0x83;
        });
        set("guest TR not present", Expected.Guest, GuestTrAccessRights, 0x0B);
        set("guest TR: S set", Expected.Guest, GuestTrAccessRights, 0x9B);
        set("guest TR: reserved bit 8", Expected.Guest, GuestTrAccessRights, 0x18B);
        set("guest TR: G with a small limit", Expected.Guest, GuestTrAccessRights, 0x808B);
        set("guest TR: large limit without G", Expected.Guest, GuestTrLimit, 0x10_0FFF);
        set("guest TR base not canonical", Expected.Guest, GuestTrBase, NotCanonical);
        set("guest LDTR usable, ok", Expected.Ok, GuestLdtrAccessRights, 0x82);
        set("guest LDTR: type 3", Expected.Guest, GuestLdtrAccessRights, 0x83);
        set("guest LDTR not present", Expected.Guest, GuestLdtrAccessRights, 0x02);
        add("guest LDTR usable and in the LDT", Expected.Guest, m => (m[GuestLdtrAccessRights], m[GuestLdtrSelector]) = (0x82, 4));
        set("guest CS: data, DPL 0, unrestricted, ok", Expected.Ok, GuestCsAccessRights, 0xC093);
        add("guest CS: data with DPL 3", Expected.Guest, m => (m[GuestCsAccessRights], m[GuestSsAccessRights]) = (0xC0F3, 0xC0F3));
        set("guest CS: not accessed", Expected.Guest, GuestCsAccessRights, 0xC09A);
        set("guest CS: DPL 3 with SS at 0", Expected.Guest, GuestCsAccessRights, 0xC0FB);
        set("guest CS: conforming, ok", Expected.Ok, GuestCsAccessRights, 0xC09F);
        set("guest CS: conforming with DPL above SS", Expected.Guest, GuestCsAccessRights, 0xC0FF);
        set("guest CS not present", Expected.Guest, GuestCsAccessRights, 0xC01B);
        set("guest CS: S clear", Expected.Guest, GuestCsAccessRights, 0xC08B);
        set("guest CS base of more than 32 bits", Expected.Guest, GuestCsBase, 1UL << 32);
        set("guest CS: small limit with G", Expected.Guest, GuestCsLimit, 0xFFFE);
        set("guest CS: reserved bit 17", Expected.Guest, GuestCsAccessRights, 0x2_C09B);
        add("guest CS: L and D in IA-32e mode", Expected.Guest, m =>
        {
            m.MakeGuestLong();
            m[GuestCsAccessRights] = 0xE09B;
        });
        set("guest SS: read-only data", Expected.Guest, GuestSsAccessRights, 0xC091);
        set("guest SS: expand-down, ok", Expected.Ok, GuestSsAccessRights, 0xC097);
        set("guest SS unusable, ok", Expected.Ok, GuestSsAccessRights, SegmentRegister.UnusableBit);
        set("guest SS base of more than 32 bits", Expected.Guest, GuestSsBase, 1UL << 32);
        add("guest SS: DPL 3 in real mode", Expected.Guest, m =>
        {
            MakeReal(m);
            m[GuestSsAccessRights] = 0xF3;
        });
        set("guest DS: not accessed", Expected.Guest, GuestDsAccessRights, 0xC092);
        set("guest DS: execute-only code", Expected.Guest, GuestDsAccessRights, 0xC099);
        set("guest DS: readable code, ok", Expected.Ok, GuestDsAccessRights, 0xC09B);
        set("guest DS unusable, anything else, ok", Expected.Ok, GuestDsAccessRights, SegmentRegister.UnusableBit | 0xF00);
        set("guest FS base not canonical", Expected.Guest, GuestFsBase, NotCanonical);
        set("guest GS not present", Expected.Guest, GuestGsAccessRights, 0xC013);
        add("guest in virtual-8086 mode, ok", Expected.Ok, MakeVirtual8086);
        add("guest in virtual-8086 mode with a wrong base", Expected.Guest, m =>
        {
            MakeVirtual8086(m);
            m[GuestEsBase] = 0x10;
        });
        add("guest in virtual-8086 mode with a wrong limit", Expected.Guest, m =>
        {
            MakeVirtual8086(m);
            m[GuestFsLimit] = 0xFFFE;
        });
        add("guest in virtual-8086 mode with wrong rights", Expected.Guest, m =>
        {
            MakeVirtual8086(m);
            m[GuestSsAccessRights] = 0x93;
        });
        add("restricted guest: RPLs of SS and CS differ", Expected.Guest, m =>
        {
            MakeRestricted(m);
            m[GuestSsSelector] = TestMachine.KernelData | 1;
        });
        add("restricted guest, ok", Expected.Ok, MakeRestricted);
        add("restricted guest: DPL of DS below its RPL", Expected.Guest, m =>
        {
            MakeRestricted(m);
            m[GuestDsSelector] = TestMachine.KernelData | 1;
        });
        add("restricted guest: CS is data", Expected.Guest, m =>
        {
            MakeRestricted(m);
            m[GuestCsAccessRights] = 0xC093;
        });
    }

    private static void AddGuestNonRegisterState(Action<string, Expected, Action<VmxMachine>> add, Action<string, Expected, VmcsField, ulong> set)
    {
        set("activity: HLT, ok", Expected.Ok, GuestActivityState, 1);
        set("activity: wait-for-SIPI is not offered", Expected.Guest, GuestActivityState, 3);
        set("activity: 4", Expected.Guest, GuestActivityState, 4);
        add("activity: HLT at DPL 3", Expected.Guest, m =>
        {
            (m[GuestSsAccessRights], m[GuestCsAccessRights], m[GuestActivityState]) = (0xC0F3, 0xC0FB, 1);
        });
        add("activity: HLT under blocking by MOV SS", Expected.Guest, m => (m[GuestActivityState], m[GuestInterruptibilityState]) = (1, 2));
        set("interruptibility: reserved bit 5", Expected.Guest, GuestInterruptibilityState, 1 << 5);
        set("interruptibility: blocking by SMI", Expected.Guest, GuestInterruptibilityState, 1 << 2);
        set("interruptibility: STI with IF clear", Expected.Guest, GuestInterruptibilityState, 1);
        add("interruptibility: STI with IF set, ok", Expected.Ok, m => (m[GuestRflags], m[GuestInterruptibilityState]) = (2 | RflagsBits.IF, 1));
        add("interruptibility: STI and MOV SS", Expected.Guest, m => (m[GuestRflags], m[GuestInterruptibilityState]) = (2 | RflagsBits.IF, 3));
        set("interruptibility: MOV SS, ok", Expected.Ok, GuestInterruptibilityState, 2);
        set("interruptibility: NMI, ok", Expected.Ok, GuestInterruptibilityState, 8);
        set("pending debug: reserved bit 4", Expected.Guest, GuestPendingDebugExceptions, 1 << 4);
        set("pending debug: enabled breakpoint, ok", Expected.Ok, GuestPendingDebugExceptions, (1 << 12) | 1);
        add("pending debug: BS without TF under MOV SS", Expected.Guest, m =>
            (m[GuestInterruptibilityState], m[GuestPendingDebugExceptions]) = (2, 1 << 14));
        add("pending debug: no BS with TF under MOV SS", Expected.Guest, m =>
            (m[GuestInterruptibilityState], m[GuestRflags]) = (2, 2 | RflagsBits.TF));
        add("pending debug: BS with TF under MOV SS, ok", Expected.Ok, m =>
        {
            m[GuestInterruptibilityState] = 2;
            m[GuestRflags] = 2 | RflagsBits.TF;
            m[GuestPendingDebugExceptions] = 1 << 14;
        });
        set("link pointer not aligned", Expected.GuestLink, VmcsLinkPointer, 8);
        set("link pointer to the current VMCS", Expected.GuestLink, VmcsLinkPointer, VmxMachine.VmcsRegion);
        set("link pointer to no VMCS", Expected.GuestLink, VmcsLinkPointer, VmxMachine.MsrArea);
        set("link pointer to a VMCS, ok", Expected.Ok, VmcsLinkPointer, VmxMachine.SecondVmcsRegion);
        add("PDPTE with a reserved bit", Expected.GuestPdpte, m =>
        {
            MakePae(m);
            m[GuestPdpte0 + 4] = 1 | 2;
        });
        add("PDPTE beyond the address width", Expected.GuestPdpte, m =>
        {
            MakePae(m);
            m[GuestPdpte0] = 1 | TooWide;
        });
        add("PDPTE not present with reserved bits, ok", Expected.Ok, m =>
        {
            MakePae(m);
            m[GuestPdpte0] = 2;
        });
    }

    private static void MakeReal(VmxMachine m)
    {
        m[GuestCr0] = ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
        m[GuestCsAccessRights] = 0x9B;
        m[GuestCsLimit] = 0xFFFF;
    }

    private static void MakeVirtual8086(VmxMachine m)
    {
        m[GuestRflags] |= RflagsBits.VM;
        for (uint i = 0; i < 6; i++)
        {
            m[GuestEsSelector + (2 * i)] = 0x100;
            m[GuestEsBase + (2 * i)] = 0x1000;
            m[GuestEsLimit + (2 * i)] = 0xFFFF;
            m[GuestEsAccessRights + (2 * i)] = 0xF3;
        }
    }

    /// <summary>Without "unrestricted guest": paging must be on; 32-bit paging through a page table at GPA 0x9000.</summary>
    private static void MakeRestricted(VmxMachine m)
    {
        m[SecondaryProcessorBasedControls] &= ~(ulong)SecondaryControls.UnrestrictedGuest;
        m[GuestCr0] |= ControlRegisters.Cr0Pg;
        m[GuestCr3] = 0x9000;
        m.Write(VmxMachine.GuestMemory + 0x9000, 0x83u);
    }

    private static void MakePae(VmxMachine m)
    {
        m[GuestCr0] |= ControlRegisters.Cr0Pg;
        m[GuestCr4] |= ControlRegisters.Cr4Pae;
    }
}
