using System;
using System.Collections.Generic;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// A whole machine without a hypervisor of ours: processors, RAM, interrupt controllers, timers and the devices of a PC
/// (docs/machine.md has its maps). Loaders put a program into memory, set the first processor's registers, and call <see cref="Run"/>.
/// </summary>
public sealed partial class BareMachine : IDisposable
{
    /// <summary>Where RAM stops below 4 GiB, and devices begin.</summary>
    public const ulong LowMemoryEnd = 3UL << 30;

    /// <summary>Where the rest of the RAM lies.</summary>
    public const ulong HighMemoryStart = 4UL << 30;

    private readonly List<Vcpu> _vcpus = [];
    private readonly List<Processor> _processors = [];
    private readonly List<LocalApicWindow> _apicWindows = [];
    private readonly SliceScheduler<Vcpu> _scheduler;

    /// <exception cref="ArgumentException">An option does not fit; the message is for the user.</exception>
    public BareMachine(BareMachineOptions options)
    {
        if (options.Processors is < 1 or > BareMachineOptions.MaxProcessors)
        {
            throw new ArgumentException($"a machine has 1 to {BareMachineOptions.MaxProcessors} processors, not {options.Processors}", nameof(options));
        }

        Options = options;
        ulong size = options.MemoryBytes;
        ulong low = ulong.Min(size, LowMemoryEnd);
        bool hasHole = size > LowMemoryEnd || options.RomBytes != 0;
        Memory = new HostMemory(hasHole ? HighMemoryStart + (size - low) : size);
        Bus = new PhysicalBus(Memory);
        if (hasHole)
        {
            Bus.Attach(new Hpa(low), HighMemoryStart - low - options.RomBytes, new EmptyWindow());
        }

        IsolationFactory isolation = options.Isolation ?? new IsolationRegistry().Parse("none").Factory;
        MemoryUnit = isolation.Build(Bus, options.IsolationOptions, options.Sink);
        Clock = new MachineClock(() => _idleTicks + _otherRetired + (Current?.Processor.RetiredInstructions ?? 0));
        Ports = new PortMap();
        Pci = new PciHost();
        IoApic = new IoApic(ApicBus, options.IoApicPins);
        Pics = new PicPair(OnPicOutput);
        Pit = new Pit8254(Clock, ReplaceableLine(0));
        Cmos = new Rtc(Clock, ReplaceableLine(Rtc.Irq), options.BootTimeSeconds);
        Hpet = new Hpet(Clock, HpetRoutes, SetHpetPin, replaces => _hpetReplacesTimers = replaces);
        PowerManagement = new AcpiPowerManagement(Clock, IrqLine(AcpiPowerManagement.SciIrq), OnSleep);
        Keyboard = new Ps2Controller(IrqLine(Ps2Controller.KeyboardIrq), OnReset);
        Serial = new Uart16550(Clock, IrqLine(Uart16550.Com1Irq));
        _powerFunction = new PowerManagementFunction(Ports, PowerManagement);
        _coprocessorError = new CoprocessorError(IrqLine(CoprocessorError.Irq));
        _port92 = new Port92(OnReset);
        _resetControl = new ResetControl(OnReset);
        AttachDevices();
        _scheduler = new SliceScheduler<Vcpu>(options.Seed, options.SliceInstructions);
        for (int n = 0; n < options.Processors; n++)
        {
            Vcpu vcpu = new(this, n);
            _vcpus.Add(vcpu);
            _processors.Add(vcpu.Processor);
            _scheduler.Add(vcpu);
            ApicBus.Attach(vcpu.Apic);
            MapLocalApic(vcpu.Apic);
        }
    }

    public BareMachineOptions Options { get; }

    public HostMemory Memory { get; }

    public PhysicalBus Bus { get; }

    public MemoryUnit MemoryUnit { get; }

    public MachineClock Clock { get; }

    public PortMap Ports { get; }

    public PciHost Pci { get; }

    public ApicBus ApicBus { get; } = new();

    public IReadOnlyList<Processor> Processors => _processors;

    public IReadOnlyList<Vcpu> Vcpus => _vcpus;

    /// <summary>Ranges of RAM, as a loader's memory map starts from: [start, end).</summary>
    public IEnumerable<(ulong Start, ulong End)> RamRanges
    {
        get
        {
            yield return (0, ulong.Min(Options.MemoryBytes, LowMemoryEnd));
            if (Options.MemoryBytes > LowMemoryEnd)
            {
                yield return (HighMemoryStart, Memory.SizeBytes);
            }
        }
    }

    public void Dispose()
    {
        foreach (Processor processor in _processors)
        {
            processor.Dispose();
        }

        Memory.Dispose();
    }

    internal byte AcknowledgePic() => Pics.Acknowledge();

    internal void EndOfInterrupt(byte vector) => IoApic.EndOfInterrupt(vector);

    /// <summary>Windows have come or gone: what processors know of the pages there no longer holds.</summary>
    internal void OnBusChanged()
    {
        foreach (Processor processor in _processors)
        {
            processor.Tlb.OnBusChange();
        }
    }

    /// <summary>Makes the page where a local APIC's registers lie now a window.</summary>
    internal void MapLocalApic(LocalApic apic)
    {
        ulong address = apic.PageAddress;
        if (!apic.IsEnabled || apic.IsX2 || _apicWindows.Exists(window => window.Address == address))
        {
            return;
        }

        LocalApicWindow window = new(this, address);
        _apicWindows.Add(window);
        Bus.Attach(new Hpa(address), LocalApic.PageSize, window);
        OnBusChanged();
    }

    /// <summary>Reads as all ones: the hole below 4 GiB.</summary>
    private sealed class EmptyWindow : IMmioDevice
    {
        public ulong Read(ulong offset, int sizeBytes) => ulong.MaxValue;

        public void Write(ulong offset, int sizeBytes, ulong value)
        {
        }
    }
}
