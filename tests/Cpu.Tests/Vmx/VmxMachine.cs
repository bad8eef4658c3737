using System;

using Iced.Intel;

using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// A machine whose hypervisor is the test: VMXON done, a VMCS loaded that is valid in every field for a guest in flat protected mode
/// without paging (unrestricted, under EPT), so that a test changes one thing.
/// </summary>
internal sealed unsafe class VmxMachine : TestMachine
{
    public const ulong VmxonRegion = 0x10_1000;
    public const ulong VmcsRegion = 0x10_2000;
    public const ulong SecondVmcsRegion = 0x10_3000;
    public const ulong IoBitmapA = 0x10_4000;
    public const ulong IoBitmapB = 0x10_5000;
    public const ulong MsrBitmap = 0x10_6000;
    public const ulong MsrArea = 0x10_7000;
    public const ulong EptRoot = 0x11_0000;
    public const ulong HostEntry = 0x1234_5000;

    /// <summary>Guest-physical 0 to 2 MiB lies here.</summary>
    public const ulong GuestMemory = 0x80_0000;

    /// <summary>The hypervisor's own memory ends here.</summary>
    public const ulong HypervisorEnd = 0x40_0000;

    public VmxMachine(string isolation = "none", ulong segmentSize = 4096)
        : base(isolation, segmentSize)
    {
        Processor.EnterHostedRoot(PageTables);
        Assert.True(Processor.TryWriteMsr(AsmiMsr.HypervisorBase, 0));
        Assert.True(Processor.TryWriteMsr(AsmiMsr.HypervisorSize, HypervisorEnd));
        Write(VmxonRegion, VmcsLayout.RevisionId);
        Write(VmcsRegion, VmcsLayout.RevisionId);
        Write(SecondVmcsRegion, VmcsLayout.RevisionId);
        Assert.True(Vmx.Vmxon(new Hpa(VmxonRegion)).IsSuccess);
        Assert.True(Vmx.Vmclear(new Hpa(VmcsRegion)).IsSuccess);
        Assert.True(Vmx.Vmptrld(new Hpa(VmcsRegion)).IsSuccess);
        WriteEpt();
        WriteControls();
        WriteHost();
        WriteGuest();
    }

    public VmxUnit Vmx => Processor.Vmx;

    public ulong this[VmcsField field]
    {
        get
        {
            Assert.True(Vmx.TryVmread(field, out ulong value).IsSuccess, $"VMREAD {field}");
            return value;
        }

        set => Assert.True(Vmx.TryVmwrite(field, value).IsSuccess, $"VMWRITE {field}");
    }

    public ExitReason Exit => (ExitReason)this[VmcsField.ExitReason];

    public ulong Qualification => this[VmcsField.ExitQualification];

    public void SetPrimary(PrimaryControls controls) =>
        this[VmcsField.PrimaryProcessorBasedControls] = (VmxCapabilities.PrimaryDefault1 & ~VmxCapabilities.PrimaryMayBe0) | (uint)controls
            | (uint)PrimaryControls.ActivateSecondaryControls;

    public void AddSecondary(SecondaryControls controls) => this[VmcsField.SecondaryProcessorBasedControls] |= (uint)controls;

    public void SetPin(PinControls controls) => this[VmcsField.PinBasedControls] = VmxCapabilities.PinDefault1 | (uint)controls;

    /// <summary>Assembles guest code at GPA 0x1000, where the guest starts.</summary>
    public void Guest(Action<Assembler> write, int bits = 32) => Program(GuestMemory + 0x1000, bits, write, rip: 0x1000);

    /// <summary>Enters by VMLAUNCH or VMRESUME, as the VMCS needs, and runs to the next exit, which is its result.</summary>
    public ExitReason Enter(long instructions = 1000)
    {
        bool launched = Read<uint>(VmcsRegion + VmcsLayout.LaunchStateOffset) == VmcsLayout.LaunchStateLaunched;
        VmxResult result = launched ? Vmx.Vmresume() : Vmx.Vmlaunch();
        Assert.True(result.IsSuccess, $"VM entry: {result}");
        Assert.Equal(StopReason.VmExit, Run(instructions));
        return Exit;
    }

    public void SkipInstruction() => this[VmcsField.GuestRip] += this[VmcsField.ExitInstructionLength];

    /// <summary>A 64-bit guest: long mode with an identity map of 2 MiB in one large page at GPA 0x8000.</summary>
    public void MakeGuestLong()
    {
        Write(GuestMemory + PageTables, (PageTables + 0x1000) | 7);
        Write(GuestMemory + PageTables + 0x1000, (PageTables + 0x2000) | 7);
        Write(GuestMemory + PageTables + 0x2000, 0x87UL);
        this[VmcsField.GuestCr0] = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Pg | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
        this[VmcsField.GuestCr3] = PageTables;
        this[VmcsField.GuestCr4] = ControlRegisters.Cr4Pae | ControlRegisters.Cr4Vmxe;
        this[VmcsField.GuestEfer] = ControlRegisters.EferLme | ControlRegisters.EferLma | ControlRegisters.EferSce;
        this[VmcsField.VmEntryControls] |= (uint)(EntryControls.Ia32eModeGuest | EntryControls.LoadEfer);
        this[VmcsField.GuestCsAccessRights] = 0xA09B;
    }

    /// <summary>The EPT entry of a 4-KiB page of the guest.</summary>
    public void SetEptLeaf(ulong gpa, ulong entry) => Write(EptRoot + 0x3000 + (8 * (gpa >> 12)), entry);

    /// <summary>
    /// Under ASMI: births the VM (VMLAUNCH with a preemption timer of zero) and gives it its memory, as the emulated Xen does.
    /// </summary>
    public void GiveGuestMemory()
    {
        SetPin(PinControls.ActivateVmxPreemptionTimer);
        this[VmcsField.PreemptionTimerValue] = 0;
        Assert.Equal(ExitReason.PreemptionTimer, Enter());
        Assert.Equal(0x1000u, this[VmcsField.GuestRip]);
        SetPin(PinControls.None);
        GiveSegments(new Vmid((uint)this[VmcsField.AsmiVmidBinding]), GuestMemory, 2UL << 20);
    }

    /// <summary>Allocates segments until the range is the VM's: the allocator is first-fit, so the range is reached in order.</summary>
    public void GiveSegments(Vmid vm, ulong address, ulong size)
    {
        IsolationControl control = Memory.Control;
        ulong last = (address + size - 1) / control.SegmentSizeBytes;
        for (ulong segment = 0; segment < last;)
        {
            Assert.Equal(IsolationError.None, control.AllocateSegment(vm, out segment));
        }
    }

    private void WriteEpt()
    {
        const ulong ReadWriteExecute = 7;
        const ulong WriteBack = 6 << 3;
        Write(EptRoot, (EptRoot + 0x1000) | ReadWriteExecute);
        Write(EptRoot + 0x1000, (EptRoot + 0x2000) | ReadWriteExecute);
        Write(EptRoot + 0x2000, (EptRoot + 0x3000) | ReadWriteExecute);
        for (ulong page = 0; page < 512; page++)
        {
            SetEptLeaf(page << 12, (GuestMemory + (page << 12)) | WriteBack | ReadWriteExecute);
        }
    }

    private void WriteControls()
    {
        SetPin(PinControls.None);
        SetPrimary(PrimaryControls.HltExiting);
        this[VmcsField.SecondaryProcessorBasedControls] = (uint)(SecondaryControls.EnableEpt | SecondaryControls.UnrestrictedGuest
            | SecondaryControls.EnableVpid | SecondaryControls.EnableRdtscp | SecondaryControls.EnableInvpcid);
        this[VmcsField.VmExitControls] = VmxCapabilities.ExitDefault1 | (uint)(ExitControls.HostAddressSpaceSize | ExitControls.LoadEfer
            | ExitControls.SaveEfer);
        this[VmcsField.VmEntryControls] = VmxCapabilities.EntryDefault1 | (uint)EntryControls.LoadEfer;
        this[VmcsField.VirtualProcessorIdentifier] = 1;
        this[VmcsField.EptPointer] = EptRoot | (3 << 3) | 6;
        this[VmcsField.IoBitmapA] = IoBitmapA;
        this[VmcsField.IoBitmapB] = IoBitmapB;
        this[VmcsField.MsrBitmaps] = MsrBitmap;
    }

    private void WriteHost()
    {
        this[VmcsField.HostCr0] = State->Paging.Cr0;
        this[VmcsField.HostCr3] = PageTables;
        this[VmcsField.HostCr4] = State->Paging.Cr4;
        this[VmcsField.HostEfer] = State->Paging.Efer;
        this[VmcsField.HostCsSelector] = KernelCode;
        this[VmcsField.HostSsSelector] = KernelData;
        this[VmcsField.HostTrSelector] = TaskSelector;
        this[VmcsField.HostTrBase] = Tss;
        this[VmcsField.HostGdtrBase] = Gdt;
        this[VmcsField.HostIdtrBase] = Idt;
        this[VmcsField.HostRip] = HostEntry;
        this[VmcsField.HostRsp] = StackTop;
    }

    private void WriteGuest()
    {
        this[VmcsField.GuestCr0] = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
        this[VmcsField.GuestCr4] = ControlRegisters.Cr4Vmxe;
        for (uint index = 0; index < 6; index++)
        {
            this[VmcsField.GuestEsSelector + (2 * index)] = index == 1 ? KernelCode : KernelData;
            this[VmcsField.GuestEsLimit + (2 * index)] = uint.MaxValue;
            this[VmcsField.GuestEsAccessRights + (2 * index)] = index == 1 ? 0xC09Bu : 0xC093;
        }

        this[VmcsField.GuestLdtrAccessRights] = SegmentRegister.UnusableBit;
        this[VmcsField.GuestTrAccessRights] = 0x8B;
        this[VmcsField.GuestTrLimit] = 0x67;
        this[VmcsField.GuestTrBase] = Tss;
        this[VmcsField.GuestGdtrBase] = Gdt;
        this[VmcsField.GuestGdtrLimit] = 0x47;
        this[VmcsField.GuestIdtrBase] = Idt;
        this[VmcsField.GuestIdtrLimit] = 0xFFF;
        this[VmcsField.GuestDr7] = 0x400;
        this[VmcsField.GuestRsp] = StackTop;
        this[VmcsField.GuestRip] = 0x1000;
        this[VmcsField.GuestRflags] = RflagsBits.Fixed1;
        this[VmcsField.VmcsLinkPointer] = ulong.MaxValue;
    }
}
