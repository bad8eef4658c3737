using System;
using System.Collections.Generic;

using Xenolith.Cli.Input;
using Xenolith.Cli.Trace;
using Xenolith.Guests;
using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Machine;

/// <summary>One bare machine, from power on to its end.</summary>
internal sealed class BootSession : IDisposable
{
    /// <summary>
    /// How often input, progress and interruptions are looked after, in instructions. Always the same, so that runs repeat.
    /// </summary>
    private const ulong LookAroundInstructions = 2_000_000;

    private readonly BootOptions _options;
    private volatile bool _interrupted;

    /// <exception cref="InputException">An image or an option cannot be used.</exception>
    public BootSession(BootOptions options)
    {
        _options = options;
        try
        {
            IsolationRegistry registry = new();
            foreach (string plugIn in options.Machine.PlugIns)
            {
                registry.LoadPlugIn(plugIn);
            }

            Isolation = registry.Parse(options.Machine.Isolation);
            ReadOnlyMemory<byte> bios = options.Bios is { } path ? BootLoader.ReadFile(path) : default;
            CheckBios(options.Bios, bios.Length);
            Machine = new BareMachine(new BareMachineOptions
            {
                MemoryBytes = options.Machine.MemoryBytes,
                Processors = options.Processors,
                Isolation = Isolation.Factory,
                IsolationOptions = new IsolationOptions(Isolation.Profile, options.Machine.SegmentSizeBytes),
                Seed = options.Machine.Seed,
                RomBytes = (uint)bios.Length,
            });
            Firmware = new PcFirmware(Machine);
            AttachTestDevices();
            Start(bios);
        }
        catch (Exception e) when (e is ArgumentException or OutOfMemoryException or ImageFormatException)
        {
            throw new InputException(MachineSession.WithoutParameter(e), e);
        }
    }

    public BareMachine Machine { get; }

    public PcFirmware Firmware { get; }

    public IsolationSelection Isolation { get; }

    /// <summary>What was started, for people: the boot protocol, or "BIOS".</summary>
    public string Protocol { get; private set; } = "BIOS";

    /// <summary>What the image asked for and did not get.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <summary>Told each byte that COM1 or the debug console prints.</summary>
    public Action<byte>? Output { get; set; }

    /// <summary>Called now and then during <see cref="Run"/>.</summary>
    public Action? LookAround { get; set; }

    /// <summary>True when <see cref="Interrupt"/> ended the run.</summary>
    public bool WasInterrupted => _interrupted;

    /// <summary>What the program wrote to the exit device.</summary>
    public uint ExitValue { get; private set; }

    /// <summary>True when <see cref="Stop"/> ended the run.</summary>
    public bool WasStopped { get; private set; }

    /// <summary>Ends the run soon; from any thread.</summary>
    public void Interrupt() => _interrupted = true;

    /// <summary>Ends the run soon, for good: what the user waited for has come. Called from within <see cref="Run"/>.</summary>
    public void Stop()
    {
        WasStopped = true;
        Machine.RequestEnd(RunEnd.Limit);
    }

    /// <summary>Runs until the machine ends, the limit is reached, or nothing can go on.</summary>
    public RunEnd Run(InputScript? script, IKeyboard? keyboard)
    {
        ulong limit = _options.Machine.MaxInstructions;
        keyboard?.Start();
        while (!_interrupted && !WasStopped)
        {
            Type(script?.Take());
            Type(keyboard?.Take());
            ulong done = Machine.RetiredInstructions;
            ulong next = ulong.Min(limit, ((done / LookAroundInstructions) + 1) * LookAroundInstructions);
            RunResult result = Machine.Run(next - done);
            LookAround?.Invoke();
            bool goesOn = result.End switch
            {
                RunEnd.Limit => Machine.RetiredInstructions < limit,
                RunEnd.Idle => Type(script?.Take()) || Type(keyboard?.Take()) || (keyboard?.WaitForMore() ?? false),
                _ => false,
            };
            if (!goesOn)
            {
                return result.End;
            }
        }

        return RunEnd.Limit;
    }

    public void Dispose() => Machine.Dispose();

    private static void CheckBios(string? path, int size)
    {
        const int Largest = 16 << 20;
        if (path is not null && (size == 0 || size > Largest || (size & (int)Pages.OffsetMask) != 0))
        {
            throw new InputException($"{path}: a BIOS of {size} bytes is impossible; give a ROM image of whole pages, at most 16M");
        }
    }

    private void AttachTestDevices()
    {
        Machine.Serial.Output = value => Output?.Invoke(value);
        Machine.Ports.Attach(DebugExit.FirstPort, DebugExit.PortCount, new DebugExit(value =>
        {
            ExitValue = value;
            Machine.RequestExit(DebugExit.StatusOf(value));
        }));
        new PcTestDevice(SetInterrupt, value => Output?.Invoke(value)).Attach(Machine.Ports, Machine.Bus);
        Machine.Pci.Attach(PciTestDevice.DefaultSlot, 0, new PciTestDevice(Machine.Ports, Machine.Bus));
    }

    /// <summary>Lines beyond the ISA interrupts are pins of the IO-APIC.</summary>
    private void SetInterrupt(int line, bool asserted)
    {
        const int IsaInterrupts = 16;
        if (line < IsaInterrupts)
        {
            Machine.SetIrq(line, asserted);
        }
        else
        {
            Machine.IoApic.SetPin(line, asserted);
        }
    }

    private void Start(ReadOnlyMemory<byte> bios)
    {
        IReadOnlyList<BootModule> modules = _options.Modules.Length == 0 ? [] : BootLoader.ReadModules(_options.Modules);
        ReadOnlyMemory<byte> image = _options.Image is { } path ? BootLoader.ReadFile(path) : default;
        Firmware.AddProgram(image, _options.CommandLine, modules.Count == 0 ? default : modules[0].Bytes);
        if (!bios.IsEmpty)
        {
            Firmware.LoadBios(bios.Span);
            return;
        }

        Firmware.PrepareDirectBoot();
        List<MemoryRange> map = [];
        foreach (BoardRange range in Firmware.MemoryMap)
        {
            map.Add(new MemoryRange(new Gpa(range.Start), range.SizeBytes, range.IsRam ? MemoryRangeType.Ram : MemoryRangeType.Reserved));
        }

        BootPlan plan = BootLoader.Plan(new BootRequest
        {
            ImageName = _options.Image!,
            Image = image,
            CommandLine = _options.CommandLine,
            Modules = modules,
            MemoryMap = map,
            Rsdp = new Gpa(PcFirmware.Rsdp),
            RsdpBytes = Firmware.RsdpBytes,
        });
        BootStart.Apply(Machine, plan, _options.Image!);
        Protocol = plan.Protocol;
        Warnings = plan.Warnings;
    }

    private bool Type(byte[]? bytes)
    {
        if (bytes is not { Length: > 0 })
        {
            return false;
        }

        Machine.Serial.Enqueue(bytes);
        return true;
    }
}
