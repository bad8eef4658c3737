using System;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <content>The devices of the board and their wires.</content>
public sealed partial class BareMachine
{
    /// <summary>IO-APIC pin of the timer's interrupt, IRQ 0; pin 0 is the 8259's.</summary>
    public const int TimerPin = 2;

    private const int IrqCount = 16;
    private const int PirqCount = 4;

    /// <summary>IO-APIC pins 20 to 23: HPET comparators may be routed there.</summary>
    private const uint HpetRoutes = 0x00F0_0000;

    /// <summary>The SCI (IRQ 9) and the interrupts of PCI functions (10 and 11) are levels.</summary>
    private const byte SlaveLevelLines = 0x0E;

    private readonly bool[] _irqLevels = new bool[IrqCount];
    private readonly int[] _pirqSources = new int[PirqCount];
    private readonly IsaBridge _isaBridge = new();
    private bool _hpetReplacesTimers;

    public IoApic IoApic { get; }

    public PicPair Pics { get; }

    public Pit8254 Pit { get; }

    /// <summary>Clock and battery-backed memory.</summary>
    public Rtc Cmos { get; }

    public Hpet Hpet { get; }

    public AcpiPowerManagement PowerManagement { get; }

    public Ps2Controller Keyboard { get; }

    /// <summary>COM1.</summary>
    public Uart16550 Serial { get; }

    private readonly PowerManagementFunction _powerFunction;
    private readonly CoprocessorError _coprocessorError;
    private readonly Port92 _port92;
    private readonly ResetControl _resetControl;

    /// <summary>An ISA interrupt line (0 to 15, not 2) changes.</summary>
    public void SetIrq(int irq, bool asserted)
    {
        _irqLevels[irq] = asserted;
        Drive(irq);
    }

    /// <summary>The interrupt pin (1 to 4: INTA# to INTD#) of a PCI function changes; four lines are shared by turns.</summary>
    public void SetPciInterrupt(int device, int pin, bool asserted)
    {
        int pirq = (device + pin - 2) & 3;
        _pirqSources[pirq] += asserted ? 1 : -1;
        int irq = _isaBridge.RouteOf(pirq);
        if (irq >= 0)
        {
            Drive(irq);
        }
    }

    /// <summary>Sends what is written to a port to the host as text: 402H for SeaBIOS, E9H as Bochs has it.</summary>
    public void AttachDebugPort(ushort port, Action<byte> output) => Ports.Attach(port, 1, new DebugPort(0xE9, output));

    /// <summary>
    /// Leaves chips as the firmware of a PC does, for programs that are loaded without one: virtual-wire mode on the first processor,
    /// 8259s with vectors from 8 and 70H and all lines masked, the timer at 18.2 Hz, ACPI registers at 600H, PCI windows and interrupts
    /// assigned.
    /// </summary>
    public void PrepareAsFirmware()
    {
        LocalApic apic = _vcpus[0].Apic;
        apic.PrepareAsFirmware();
        Pics.Master.PrepareAsFirmware(0x08);
        Pics.Slave.PrepareAsFirmware(0x70);
        Pics.Slave.EdgeLevel = SlaveLevelLines;
        _isaBridge.PrepareAsFirmware();
        Pit.PrepareAsFirmware();
        _powerFunction.PrepareAsFirmware();
        PowerManagement.PrepareAsFirmware();
        Pci.AssignWindows(LowMemoryEnd);
    }

    /// <summary>The reset button: processors and chips as at power-up. Memory, time and battery-backed memory stay.</summary>
    public void Reset()
    {
        Pics.Reset();
        IoApic.Reset();
        Pit.Reset();
        Cmos.Reset();
        Hpet.Reset();
        PowerManagement.Reset();
        Keyboard.Reset();
        Serial.Reset();
        Pci.Reset();
        _port92.Reset();
        _resetControl.Reset();
        foreach (Vcpu vcpu in _vcpus)
        {
            vcpu.Reset();
        }
    }

    private void AttachDevices()
    {
        Bus.Attach(new Hpa(IoApic.DefaultAddress), IoApic.WindowSize, IoApic);
        Bus.Attach(new Hpa(Hpet.DefaultAddress), Hpet.WindowSize, Hpet);
        Pics.AttachTo(Ports);
        Ports.Attach(Pit8254.FirstPort, Pit8254.PortCount, Pit);
        Ports.Attach(0x61, 1, Pit.SpeakerPort);
        Ports.Attach(Rtc.FirstPort, Rtc.PortCount, Cmos);
        Keyboard.AttachTo(Ports);
        Ports.Attach(PostPort.FirstPort, PostPort.PortCount, new PostPort());
        Ports.Attach(CoprocessorError.Port, 1, _coprocessorError);
        Ports.Attach(Port92.Port, 1, _port92);
        Ports.Attach(PciHost.FirstPort, PciHost.PortCount, Pci);
        Ports.Attach(ResetControl.Port, 1, _resetControl); // a byte of the PCI address, which takes doublewords only
        Ports.Attach(Uart16550.Com1, Uart16550.PortCount, Serial);
        Pci.Attach(0, 0, new HostBridge());
        Pci.Attach(1, 0, _isaBridge);
        Pci.Attach(1, 3, _powerFunction);
        ulong low = ulong.Min(Options.MemoryBytes, LowMemoryEnd);
        Cmos.DescribeMemory(low, Options.MemoryBytes - low);
    }

    /// <summary>An interrupt goes to the 8259s and to the IO-APIC; the level is that of all its sources together.</summary>
    private void Drive(int irq)
    {
        bool asserted = _irqLevels[irq];
        for (int pirq = 0; pirq < PirqCount; pirq++)
        {
            asserted |= _pirqSources[pirq] > 0 && _isaBridge.RouteOf(pirq) == irq;
        }

        Pics.SetLine(irq, asserted);
        IoApic.SetPin(irq == 0 ? TimerPin : irq, asserted);
    }

    private InterruptLine IrqLine(int irq) => new(asserted => SetIrq(irq, asserted));

    /// <summary>A line that the HPET takes over in legacy replacement.</summary>
    private InterruptLine ReplaceableLine(int irq) => new(asserted =>
    {
        if (!_hpetReplacesTimers)
        {
            SetIrq(irq, asserted);
        }
    });

    private void SetHpetPin(int pin, bool asserted)
    {
        if (_hpetReplacesTimers && pin is 0 or Rtc.Irq)
        {
            SetIrq(pin, asserted);
        }
        else if (((HpetRoutes >> pin) & 1) != 0)
        {
            IoApic.SetPin(pin, asserted);
        }
    }

    /// <summary>INTR goes to LINT0 of every local APIC, and to pin 0 of the IO-APIC.</summary>
    private void OnPicOutput(bool asserted)
    {
        foreach (LocalApic apic in ApicBus.Apics)
        {
            apic.SetLint(0, asserted);
        }

        IoApic.SetPin(0, asserted);
    }

    /// <summary>FERR# of a processor.</summary>
    internal void RaiseCoprocessorError() => _coprocessorError.Raise();

    private void OnReset() => RequestEnd(RunEnd.Reset);

    /// <summary>Sleep type 0 is S5 (soft off) in the tables of this machine; the others are not offered.</summary>
    private void OnSleep(int type)
    {
        if (type == 0)
        {
            RequestEnd(RunEnd.PowerOff);
        }
    }
}
