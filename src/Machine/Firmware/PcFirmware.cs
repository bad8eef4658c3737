using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>One range of the memory map: RAM, or reserved.</summary>
public readonly record struct BoardRange(ulong Start, ulong SizeBytes, bool IsRam);

/// <summary>
/// What a PC's firmware brings with it: the configuration device, power management, ACPI tables, and the low memory that a BIOS leaves
/// behind. Without a BIOS (<see cref="PrepareDirectBoot"/>) a loader's program finds the tables where a BIOS would have put them; with
/// one (<see cref="LoadBios"/>), the BIOS finds all it asks for.
/// </summary>
public sealed class PcFirmware
{
    /// <summary>Port to which SeaBIOS writes its log.</summary>
    public const ushort LogPort = 0x402;

    private const ulong ExtendedBiosData = 0x9_FC00;
    private const ulong RomStart = 0xF_0000;
    private const ulong RsdpAddress = 0xF_5000;
    private const uint TablesAddress = 0xF_5040;
    private const ulong DummyHandler = 0xF_FF53; // where PC BIOSes have an IRET
    private const ulong OneMiB = 1UL << 20;
    private const ulong ShadowBytes = 128 << 10;
    private const int InterruptVectors = 256;

    private readonly BareMachine _machine;

    public PcFirmware(BareMachine machine)
    {
        _machine = machine;
        Configuration = new FirmwareConfiguration(machine.MemoryUnit);
        Acpi = AcpiTables.Build(new AcpiDescription { Processors = machine.Options.Processors });
        machine.Ports.Attach(FirmwareConfiguration.FirstPort, FirmwareConfiguration.PortCount, Configuration);
        machine.AttachDebugPort(LogPort, value => Log?.Invoke(value));
        FillConfiguration();
    }

    public FirmwareConfiguration Configuration { get; }

    public AcpiTables Acpi { get; }

    /// <summary>Told each byte of the BIOS's log.</summary>
    public Action<byte>? Log { get; set; }

    /// <summary>Where the ACPI root pointer lies after <see cref="PrepareDirectBoot"/>.</summary>
    public static ulong Rsdp => RsdpAddress;

    /// <summary>The bytes of the root pointer there.</summary>
    public byte[] RsdpBytes => Acpi.PlaceAt(TablesAddress).Rsdp;

    /// <summary>The memory map that programs are told, sorted.</summary>
    public IReadOnlyList<BoardRange> MemoryMap
    {
        get
        {
            List<BoardRange> map = [];
            foreach ((ulong start, ulong end) in _machine.RamRanges)
            {
                if (start != 0)
                {
                    map.Add(new BoardRange(start, end - start, true));
                    continue;
                }

                map.Add(new BoardRange(0, ExtendedBiosData, true));
                map.Add(new BoardRange(ExtendedBiosData, 0xA_0000 - ExtendedBiosData, false));
                map.Add(new BoardRange(RomStart, OneMiB - RomStart, false));
                map.Add(new BoardRange(OneMiB, end - OneMiB, true));
            }

            return map;
        }
    }

    /// <summary>What the loader's program is made of, for those who fetch it from the configuration device.</summary>
    public void AddProgram(ReadOnlyMemory<byte> kernel, string commandLine, ReadOnlyMemory<byte> initrd)
    {
        byte[] line = Encoding.Latin1.GetBytes(commandLine + "\0");
        Configuration.Add(FirmwareKey.KernelSize, (uint)kernel.Length);
        Configuration.Add(FirmwareKey.KernelData, kernel.ToArray());
        Configuration.Add(FirmwareKey.InitrdSize, (uint)initrd.Length);
        Configuration.Add(FirmwareKey.InitrdData, initrd.ToArray());
        Configuration.Add(FirmwareKey.CommandLineSize, (uint)line.Length);
        Configuration.Add(FirmwareKey.CommandLineData, line);
    }

    /// <summary>Chips, interrupt table, BIOS data area and ACPI tables, as programs find them after a BIOS.</summary>
    public void PrepareDirectBoot()
    {
        _machine.PrepareAsFirmware();
        byte[] vectors = new byte[InterruptVectors * 4];
        for (int i = 0; i < InterruptVectors; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(vectors.AsSpan(4 * i), (ushort)(DummyHandler - RomStart));
            BinaryPrimitives.WriteUInt16LittleEndian(vectors.AsSpan((4 * i) + 2), (ushort)(RomStart >> 4));
        }

        Write(0, vectors);
        Write(DummyHandler, [0xCF]); // IRET

        byte[] data = new byte[0x100]; // the BIOS data area
        BinaryPrimitives.WriteUInt16LittleEndian(data, Uart16550.Com1);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(0x0E), (ushort)(ExtendedBiosData >> 4));
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(0x10), 1 << 9); // equipment: one serial port
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(0x13), (ushort)(ExtendedBiosData >> 10)); // KiB of low memory
        Write(0x400, data);
        Write(ExtendedBiosData, [1]); // its own size in KiB

        (byte[] tables, byte[] rsdp) = Acpi.PlaceAt(TablesAddress);
        Write(TablesAddress, tables);
        Write(RsdpAddress, rsdp);
    }

    /// <summary>
    /// Puts a BIOS below 4 GiB, where the processor's first instruction is, and its last 128 KiB below 1 MiB. The machine's options must
    /// ask for that much ROM.
    /// </summary>
    public void LoadBios(ReadOnlySpan<byte> bios)
    {
        _machine.PowerManagement.PrepareAsFirmware(); // ACPI mode from the start: there is no system-management mode to enter it by
        Write(BareMachine.HighMemoryStart - (ulong)bios.Length, bios);
        ReadOnlySpan<byte> shadow = bios.Length > (int)ShadowBytes ? bios[^(int)ShadowBytes..] : bios;
        Write(OneMiB - (ulong)shadow.Length, shadow);
    }

    private void FillConfiguration()
    {
        ushort processors = (ushort)_machine.Options.Processors;
        Configuration.Add(FirmwareKey.Uuid, new byte[16]);
        Configuration.Add(FirmwareKey.RamSize, _machine.Options.MemoryBytes);
        Configuration.Add(FirmwareKey.NoGraphic, (ushort)1);
        Configuration.Add(FirmwareKey.Processors, processors);
        Configuration.Add(FirmwareKey.MaxProcessors, processors);
        Configuration.Add(FirmwareKey.Numa, new byte[8 + (8 * processors)]);
        Configuration.Add(FirmwareKey.BootMenu, (ushort)0);
        Configuration.Add(FirmwareKey.AcpiTables, (ushort)0);
        Configuration.Add(FirmwareKey.SmbiosEntries, (ushort)0);
        Configuration.Add(FirmwareKey.Irq0Override, [1]);
        Configuration.AddFile("etc/sercon-port", BitConverter.GetBytes(Uart16550.Com1)); // SeaBIOS's screen on the serial line
        Configuration.AddFile("etc/max-cpus", BitConverter.GetBytes(processors));
        List<byte> ranges = [];
        foreach ((ulong start, ulong end) in _machine.RamRanges)
        {
            ranges.AddRange(BitConverter.GetBytes(start));
            ranges.AddRange(BitConverter.GetBytes(end - start));
            ranges.AddRange(BitConverter.GetBytes(1u)); // RAM
        }

        Configuration.AddFile("etc/e820", [.. ranges]);
        foreach ((string name, byte[] bytes) in Acpi.LoaderFiles())
        {
            Configuration.AddFile(name, bytes);
        }
    }

    private void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        if (!_machine.MemoryUnit.TryWrite(_machine.MemoryUnit.Control.Hypervisor, new Hpa(address), bytes))
        {
            throw new InvalidOperationException($"the firmware cannot write {bytes.Length} bytes at 0x{address:x}");
        }
    }
}
