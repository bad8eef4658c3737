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

    /// <summary>IO-APIC pin of the timer's interrupt, IRQ 0; pin 0 is the 8259's.</summary>
    private const int TimerPin = 2;

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
        Memory = new HostMemory(size <= LowMemoryEnd ? size : HighMemoryStart + (size - LowMemoryEnd));
        Bus = new PhysicalBus(Memory);
        if (size > LowMemoryEnd)
        {
            Bus.Attach(new Hpa(LowMemoryEnd), HighMemoryStart - LowMemoryEnd, new EmptyWindow());
        }

        IsolationFactory isolation = options.Isolation ?? new IsolationRegistry().Parse("none").Factory;
        MemoryUnit = isolation.Build(Bus, options.IsolationOptions, options.Sink);
        Clock = new MachineClock(() => _idleTicks + _otherRetired + (Current?.Processor.RetiredInstructions ?? 0));
        Ports = new PortMap();
        IoApic = new IoApic(ApicBus, options.IoApicPins);
        Bus.Attach(new Hpa(IoApic.DefaultAddress), IoApic.WindowSize, IoApic);
        Pics = new PicPair(OnPicOutput);
        Pics.AttachTo(Ports);
        Pci = new PciHost();
        Ports.Attach(PciHost.FirstPort, PciHost.PortCount, Pci);
        Serial = new Uart16550(Clock, new InterruptLine(asserted => SetIrq(Uart16550.Com1Irq, asserted)));
        Ports.Attach(Uart16550.Com1, Uart16550.PortCount, Serial);
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

    public IoApic IoApic { get; }

    public PicPair Pics { get; }

    /// <summary>COM1.</summary>
    public Uart16550 Serial { get; }

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

    /// <summary>An ISA interrupt line (0 to 15) changes.</summary>
    public void SetIrq(int irq, bool asserted)
    {
        Pics.SetLine(irq, asserted);
        IoApic.SetPin(irq == 0 ? TimerPin : irq, asserted);
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

    /// <summary>INTR goes to LINT0 of every local APIC, and to pin 0 of the IO-APIC.</summary>
    private void OnPicOutput(bool asserted)
    {
        foreach (LocalApic apic in ApicBus.Apics)
        {
            apic.SetLint(0, asserted);
        }

        IoApic.SetPin(0, asserted);
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
