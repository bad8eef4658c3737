using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Xenolith.Machine;

/// <summary>What the ACPI tables tell about a board.</summary>
public sealed record AcpiDescription
{
    /// <summary>One local APIC each, with ids 0, 1, 2...</summary>
    public required int Processors { get; init; }

    public uint LocalApic { get; init; } = 0xFEE0_0000;

    public uint IoApic { get; init; } = 0xFEC0_0000;

    public byte IoApicId { get; init; }

    /// <summary>Address of the HPET; 0 without one.</summary>
    public uint Hpet { get; init; } = 0xFED0_0000;

    /// <summary>Bits 31:0 of the HPET's capability register.</summary>
    public uint HpetId { get; init; } = 0x8086_A201;

    /// <summary>First port of the power-management block (<see cref="AcpiPowerManagement"/>).</summary>
    public ushort PowerManagement { get; init; } = PowerManagementFunction.DefaultBase;

    /// <summary>Where devices of the PCI bus may have memory windows: [this, 4 GiB - 20 MiB).</summary>
    public uint PciMemoryStart { get; init; } = 0xC000_0000;
}

/// <summary>
/// The ACPI tables of a board (ACPI specification 2.0 and later, "ACPI Software Programming Model"): RSDP, RSDT, XSDT, FADT, FACS, DSDT,
/// MADT and HPET as one run of bytes that knows where its pointers and checksums are. So it can be placed at an address, or be given
/// to a firmware that places it (<see cref="LoaderScript"/>).
/// </summary>
public sealed class AcpiTables
{
    /// <summary>Size of the root pointer of revision 2.</summary>
    public const int RsdpSize = 36;

    internal const string TablesFile = "etc/acpi/tables";
    internal const string RsdpFile = "etc/acpi/rsdp";
    internal const string LoaderFile = "etc/table-loader";

    private const int HeaderSize = 36;
    private const int ChecksumAt = 9; // of a table
    private const byte SleepTypeOff = 0; // which the machine takes for S5
    private const ushort SciInterrupt = AcpiPowerManagement.SciIrq;

    private readonly AcpiDescription _board;
    private readonly List<byte> _bytes = [];
    private readonly List<(int Offset, int Size)> _pointers = []; // each holds an offset within _bytes until it is placed
    private readonly List<(int Start, int Length)> _tables = []; // each has a checksum

    private AcpiTables(AcpiDescription board) => _board = board;

    private int Rsdt { get; set; }

    private int Xsdt { get; set; }

    public static AcpiTables Build(AcpiDescription board)
    {
        AcpiTables tables = new(board);
        int facs = tables.AddFacs();
        int dsdt = tables.AddTable("DSDT", 2, MakeDsdt(board));
        List<int> roots = [tables.AddFadt(facs, dsdt), tables.AddTable("APIC", 1, tables.MakeMadt())];
        if (board.Hpet != 0)
        {
            roots.Add(tables.AddTable("HPET", 1, tables.MakeHpet()));
        }

        tables.Rsdt = tables.AddRoot("RSDT", 4, roots);
        tables.Xsdt = tables.AddRoot("XSDT", 8, roots);
        return tables;
    }

    /// <summary>Size of the tables in bytes, without the root pointer.</summary>
    public int SizeBytes => _bytes.Count;

    /// <summary>The tables and the root pointer as they are when the tables lie at an address (64-byte aligned, below 4 GiB).</summary>
    public (byte[] Tables, byte[] Rsdp) PlaceAt(uint address)
    {
        byte[] tables = [.. _bytes];
        foreach ((int offset, int size) in _pointers)
        {
            WriteAddress(tables.AsSpan(offset), size, address + BinaryPrimitives.ReadUInt32LittleEndian(tables.AsSpan(offset)));
        }

        foreach ((int start, int length) in _tables)
        {
            tables[start + ChecksumAt] = Checksum(tables.AsSpan(start, length));
        }

        byte[] rsdp = MakeRsdp(address + (uint)Rsdt, address + (uint)Xsdt);
        rsdp[8] = Checksum(rsdp.AsSpan(0, 20));
        rsdp[32] = Checksum(rsdp);
        return (tables, rsdp);
    }

    /// <summary>The files by which a BIOS places the tables itself (QEMU's firmware interface), with the script that says how.</summary>
    public IEnumerable<(string Name, byte[] Bytes)> LoaderFiles()
    {
        yield return (TablesFile, [.. _bytes]);
        yield return (RsdpFile, MakeRsdp((uint)Rsdt, (uint)Xsdt));
        yield return (LoaderFile, LoaderScript());
    }

    /// <summary>
    /// The linker/loader script (QEMU, hw/acpi/bios-linker-loader): entries of 128 bytes that say "allocate", "add a pointer",
    /// "add a checksum".
    /// </summary>
    private byte[] LoaderScript()
    {
        List<byte> script = [];
        void Entry(uint command, Action<byte[]> fill)
        {
            byte[] entry = new byte[128];
            BinaryPrimitives.WriteUInt32LittleEndian(entry, command);
            fill(entry);
            script.AddRange(entry);
        }

        void Allocate(string file, uint alignment, byte zone) => Entry(1, entry =>
        {
            PutText(entry, 4, file);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(60), alignment);
            entry[64] = zone; // 1 high memory, 2 the F segment
        });
        void AddPointer(string inFile, int offset, int size) => Entry(2, entry =>
        {
            PutText(entry, 4, inFile);
            PutText(entry, 60, TablesFile);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(116), offset);
            entry[120] = (byte)size;
        });
        void AddChecksum(string file, int offset, int start, int length) => Entry(3, entry =>
        {
            PutText(entry, 4, file);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(60), offset);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(64), start);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(68), length);
        });

        Allocate(TablesFile, 64, 1);
        Allocate(RsdpFile, 16, 2);
        foreach ((int offset, int size) in _pointers)
        {
            AddPointer(TablesFile, offset, size);
        }

        foreach ((int start, int length) in _tables)
        {
            AddChecksum(TablesFile, start + ChecksumAt, start, length);
        }

        AddPointer(RsdpFile, 16, 4);
        AddPointer(RsdpFile, 24, 8);
        AddChecksum(RsdpFile, 8, 0, 20);
        AddChecksum(RsdpFile, 32, 0, RsdpSize);
        return [.. script];
    }

    private static byte[] MakeDsdt(AcpiDescription board)
    {
        AmlWriter aml = new();
        aml.RootScope("_SB", scope =>
        {
            scope.Device("PCI0", bus =>
            {
                bus.NameEisaId("_HID", "PNP0A03"); // a PCI bus
                bus.Name("_UID", 0);
                bus.NameResources(
                    "_CRS",
                    AmlWriter.WordRange(2, 0, 0xFF), // bus numbers
                    AmlWriter.Ports(0xCF8, 8),
                    AmlWriter.WordRange(1, 0, 0xCF7),
                    AmlWriter.WordRange(1, 0xD00, 0xFFFF),
                    AmlWriter.MemoryRange(0xA0000, 0xBFFFF),
                    AmlWriter.MemoryRange(board.PciMemoryStart, 0xFEBF_FFFF));
            });
            scope.Device("RTC0", static clock =>
            {
                clock.NameEisaId("_HID", "PNP0B00");
                clock.NameResources("_CRS", AmlWriter.Ports(0x70, 2), AmlWriter.Interrupt(8));
            });
            scope.Device("KBD0", static keyboard =>
            {
                keyboard.NameEisaId("_HID", "PNP0303");
                keyboard.NameResources("_CRS", AmlWriter.Ports(0x60, 1), AmlWriter.Ports(0x64, 1), AmlWriter.Interrupt(1));
            });
            scope.Device("COM1", static port =>
            {
                port.NameEisaId("_HID", "PNP0501");
                port.Name("_UID", 1);
                port.NameResources("_CRS", AmlWriter.Ports(0x3F8, 8), AmlWriter.Interrupt(4));
            });
        });
        aml.NamePackage("_S5", SleepTypeOff, SleepTypeOff, 0, 0);
        return aml.ToArray();
    }

    // MADT: local APICs and the IO-APIC; ISA interrupt 0 on pin 2; interrupts 5, 9, 10, 11 level-triggered, for PCI and the SCI.
    private byte[] MakeMadt()
    {
        List<byte> body = [];
        Add32(body, _board.LocalApic);
        Add32(body, 1); // PCAT_COMPAT: there is a pair of 8259s too
        for (int id = 0; id < _board.Processors; id++)
        {
            body.AddRange([0, 8, (byte)id, (byte)id, 1, 0, 0, 0]); // processor local APIC, enabled
        }

        body.AddRange([1, 12, _board.IoApicId, 0]);
        Add32(body, _board.IoApic);
        Add32(body, 0); // its first global interrupt
        body.AddRange([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]); // source override: ISA 0 is global interrupt 2, as the bus has it
        foreach (byte irq in (ReadOnlySpan<byte>)[5, (byte)SciInterrupt, 10, 11])
        {
            body.AddRange([2, 10, 0, irq, irq, 0, 0, 0, 0x0D, 0]); // active high, level
        }

        body.AddRange([4, 6, 0xFF, 0, 0, 1]); // NMI on LINT1 of all processors
        return [.. body];
    }

    private byte[] MakeHpet()
    {
        List<byte> body = [];
        Add32(body, _board.HpetId);
        body.AddRange([0, 64, 0, 0]); // in memory, 64 bits
        Add32(body, _board.Hpet);
        Add32(body, 0);
        body.AddRange([0, 0x80, 0, 0]); // number 0, fewest ticks between periodic interrupts, no page protection
        return [.. body];
    }

    private int AddFacs()
    {
        int start = _bytes.Count;
        byte[] facs = new byte[64];
        "FACS"u8.CopyTo(facs);
        facs[4] = 64;
        facs[32] = 1; // version
        _bytes.AddRange(facs);
        return start; // it has no checksum
    }

    private int AddFadt(int facs, int dsdt)
    {
        byte[] body = new byte[244 - HeaderSize];
        void Put8(int offset, byte value) => body[offset - HeaderSize] = value;
        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(offset - HeaderSize), value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(offset - HeaderSize), value);
        void PutPorts(int offset, ushort port, byte bits)
        {
            Put8(offset, 1); // system I/O space
            Put8(offset + 1, bits);
            Put16(offset + 4, port);
        }

        ushort pm = _board.PowerManagement;
        Put32(36, (uint)facs);
        Put32(40, (uint)dsdt);
        Put16(46, SciInterrupt);
        Put32(56, pm); // PM1a_EVT_BLK; SMI_CMD stays 0: the machine is always in ACPI mode
        Put32(64, (uint)(pm + AcpiPowerManagement.ControlBlock));
        Put32(76, (uint)(pm + AcpiPowerManagement.TimerBlock));
        Put8(88, 4); // PM1_EVT_LEN
        Put8(89, 2); // PM1_CNT_LEN
        Put8(91, 4); // PM_TMR_LEN
        Put16(96, 0xFFF); // no C2
        Put16(98, 0xFFF); // no C3
        Put8(108, 0x32); // the century's byte in the CMOS RAM
        Put16(109, 3); // legacy devices, a keyboard controller
        Put32(112, 1 | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 10)); // WBINVD, C1, no buttons, no RTC wake, reset register
        PutPorts(116, 0xCF9, 8);
        Put8(128, 6); // what is written there for a reset
        Put32(132, (uint)facs);
        Put32(140, (uint)dsdt);
        PutPorts(148, pm, 32);
        PutPorts(172, (ushort)(pm + AcpiPowerManagement.ControlBlock), 16);
        PutPorts(208, (ushort)(pm + AcpiPowerManagement.TimerBlock), 32);
        int start = AddTable("FACP", 3, body);
        foreach ((int offset, int size) in (ReadOnlySpan<(int, int)>)[(36, 4), (40, 4), (132, 8), (140, 8)])
        {
            _pointers.Add((start + offset, size));
        }

        return start;
    }

    private int AddRoot(string signature, int pointerSize, List<int> tables)
    {
        byte[] body = new byte[tables.Count * pointerSize];
        for (int i = 0; i < tables.Count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(i * pointerSize), tables[i]);
        }

        int start = AddTable(signature, 1, body);
        for (int i = 0; i < tables.Count; i++)
        {
            _pointers.Add((start + HeaderSize + (i * pointerSize), pointerSize));
        }

        return start;
    }

    // DESCRIPTION_HEADER: signature, length, revision, checksum, OEM id, OEM table id, OEM revision, creator, its revision.
    private int AddTable(string signature, byte revision, byte[] body)
    {
        while (_bytes.Count % 16 != 0)
        {
            _bytes.Add(0);
        }

        int start = _bytes.Count;
        byte[] header = new byte[HeaderSize];
        PutText(header, 0, signature);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), HeaderSize + body.Length);
        header[8] = revision;
        PutText(header, 10, "XENOLI");
        PutText(header, 16, "XENOLITH");
        header[24] = 1;
        PutText(header, 28, "XENO");
        header[32] = 1;
        _bytes.AddRange(header);
        _bytes.AddRange(body);
        _tables.Add((start, HeaderSize + body.Length));
        return start;
    }

    private static byte[] MakeRsdp(uint rsdt, uint xsdt)
    {
        byte[] rsdp = new byte[RsdpSize];
        "RSD PTR "u8.CopyTo(rsdp);
        PutText(rsdp, 9, "XENOLI");
        rsdp[15] = 2; // revision
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        rsdp[20] = RsdpSize;
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(24), xsdt);
        return rsdp;
    }

    private static void WriteAddress(Span<byte> at, int size, uint address)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, address);
        if (size == 8)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], 0);
        }
    }

    private static void PutText(Span<byte> bytes, int at, string text) => Encoding.ASCII.GetBytes(text).CopyTo(bytes[at..]);

    private static void Add32(List<byte> bytes, uint value) => bytes.AddRange(BitConverter.GetBytes(value));

    /// <summary>The byte that makes the sum of all zero, in place of one that is zero.</summary>
    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
        {
            sum += b;
        }

        return (byte)-sum;
    }
}
