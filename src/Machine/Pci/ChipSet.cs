namespace Xenolith.Machine;

/// <summary>
/// The host bridge of an i440FX (Intel 82441FX data sheet). Its PAM registers keep what is written: the memory from C0000H to FFFFFH is
/// RAM always, so that firmware finds its copy writable.
/// </summary>
internal sealed class HostBridge : PciFunction
{
    private const int SubsystemVendor = 0x2C;
    private const int Pam0 = 0x59;
    private const int PamCount = 7;
    private const int Smram = 0x72;

    public HostBridge()
        : base(0x8086, 0x1237, 0x060000, 2)
    {
        for (int n = 0; n < PamCount; n++)
        {
            Permit(Pam0 + n, 1, n == 0 ? 0xF0u : 0xFF);
        }

        Set16(SubsystemVendor, 0x1AF4); // as QEMU's machine: SeaBIOS looks for its firmware interface only there
        Set16(SubsystemVendor + 2, 0x1100);
        Space[Smram] = 0x02;
        Permit(Smram, 1, 0x58);
    }
}

/// <summary>The ISA bridge of a PIIX3 (Intel 82371SB data sheet): interrupt routing registers.</summary>
internal sealed class IsaBridge : PciFunction
{
    private const int PirqRouting = 0x60;
    private const int PirqCount = 4;

    public IsaBridge()
        : base(0x8086, 0x7000, 0x060100)
    {
        Space[0x0E] = 0x80; // more functions follow
        for (int n = 0; n < PirqCount; n++)
        {
            Space[PirqRouting + n] = 0x80; // routed nowhere
            Permit(PirqRouting + n, 1, 0x8F);
        }

        Permit(0x4C, 4, 0xFFFF_FFFF); // I/O recovery, X-bus chip select: kept
        Permit(0x80, 4, 0xFFFF_FFFF);
    }

    /// <summary>What firmware leaves: PIRQ A and B at IRQ 10, C and D at IRQ 11.</summary>
    public void PrepareAsFirmware()
    {
        for (int n = 0; n < PirqCount; n++)
        {
            Space[PirqRouting + n] = (byte)(n < 2 ? 10 : 11);
        }
    }

    /// <summary>The ISA interrupt of PIRQ A to D (0 to 3); -1 when it is routed nowhere.</summary>
    public int RouteOf(int pirq) => (Space[PirqRouting + pirq] & 0x80) != 0 ? -1 : Space[PirqRouting + pirq] & 0xF;
}

/// <summary>Power management of a PIIX4 (Intel 82371AB data sheet, function 3): where the ACPI registers lie.</summary>
internal sealed class PowerManagementFunction : PciFunction
{
    /// <summary>Where firmware puts the registers.</summary>
    public const ushort DefaultBase = 0x600;

    private const int PmBase = 0x40;
    private const int DeviceActivityB = 0x58;
    private const int PmRegisterEnable = 0x80;

    private readonly PortMap _ports;
    private readonly AcpiPowerManagement _registers;
    private int _mappedAt = -1;

    public PowerManagementFunction(PortMap ports, AcpiPowerManagement registers)
        : base(0x8086, 0x7113, 0x068000, 3)
    {
        _ports = ports;
        _registers = registers;
        Space[0x3D] = 1; // INTA#, which is the SCI
        Space[InterruptLineRegister] = AcpiPowerManagement.SciIrq;
        Set32(PmBase, 1);
        Permit(PmBase, 4, 0xFFC0);
        Permit(DeviceActivityB, 4, 0xFFFF_FFFF);
        Space[DeviceActivityB + 3] = 0x02; // APMC is on: firmware need not prepare system-management mode, which is not here
        Permit(PmRegisterEnable, 1, 1);
        Permit(0x90, 4, 0xFFFF_FFF0); // SMBus base, and its enables: kept
        Permit(0xD0, 4, 0xFFFF_FFFF);
    }

    /// <summary>What firmware leaves.</summary>
    public void PrepareAsFirmware()
    {
        WriteConfiguration(PmBase, 4, DefaultBase);
        WriteConfiguration(PmRegisterEnable, 1, 1);
    }

    protected override void OnConfigurationWritten(byte offset, int sizeBytes)
    {
        bool isEnabled = (Space[PmRegisterEnable] & 1) != 0;
        int address = isEnabled ? (int)(Get32(PmBase) & 0xFFC0) : -1;
        if (address == _mappedAt)
        {
            return;
        }

        _ports.Detach(_registers);
        _mappedAt = address;
        if (address >= 0)
        {
            _ports.Attach((ushort)address, AcpiPowerManagement.PortCount, _registers);
        }
    }
}
