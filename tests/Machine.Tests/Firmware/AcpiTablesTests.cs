using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Text;

using Xunit;

namespace Xenolith.Machine.Tests.Firmware;

/// <summary>
/// Method: the tables are placed at an address and walked from the root pointer as an operating system does, and placed again by a
/// second implementation of QEMU's loader script. A wrong checksum, a pointer that leads elsewhere, a processor too many or too few, or a
/// difference between the two ways of placing fails.
/// </summary>
public class AcpiTablesTests
{
    private const uint Address = 0xF_5040;

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void AllTablesAreReachedAndSumToZero(int processors)
    {
        AcpiTables acpi = AcpiTables.Build(new AcpiDescription { Processors = processors });
        (byte[] tables, byte[] rsdp) = acpi.PlaceAt(Address);
        Assert.Equal("RSD PTR ", Encoding.ASCII.GetString(rsdp, 0, 8));
        Assert.Equal((0, 0), (Sum(rsdp.AsSpan(0, 20)), Sum(rsdp)));

        byte[] rsdt = Table(tables, U32(rsdp, 16));
        byte[] xsdt = Table(tables, U32(rsdp, 24));
        List<string> names = [];
        for (int i = 0; i < (rsdt.Length - 36) / 4; i++)
        {
            uint pointer = U32(rsdt, 36 + (4 * i));
            Assert.Equal(pointer, U32(xsdt, 36 + (8 * i)));
            Assert.Equal(0u, U32(xsdt, 40 + (8 * i)));
            names.Add(Encoding.ASCII.GetString(Table(tables, pointer), 0, 4));
        }

        Assert.Equal(["FACP", "APIC", "HPET"], names);
        byte[] madt = Table(tables, U32(rsdt, 40));
        Assert.Equal(processors, Entries(madt).Count(static entry => entry[0] == 0));
        Assert.Contains(Entries(madt), static entry => entry[0] == 2 && entry[3] == 0 && entry[4] == 2); // ISA 0 on pin 2

        byte[] fadt = Table(tables, U32(rsdt, 36));
        Assert.Equal("DSDT", Encoding.ASCII.GetString(Table(tables, U32(fadt, 40)), 0, 4));
        Assert.Equal(U32(fadt, 40), U32(fadt, 140));
        uint facs = U32(fadt, 36);
        Assert.Equal(0u, facs % 64);
        Assert.Equal("FACS", Encoding.ASCII.GetString(tables, (int)(facs - Address), 4));
        Assert.Equal((0x600u, 0x604u, 0x608u), (U32(fadt, 56), U32(fadt, 64), U32(fadt, 76)));
    }

    [Fact]
    public void TheLoaderScriptPlacesTheSameTables()
    {
        AcpiTables acpi = AcpiTables.Build(new AcpiDescription { Processors = 3 });
        Dictionary<string, byte[]> files = acpi.LoaderFiles().ToDictionary(static file => file.Name, static file => file.Bytes);
        byte[] script = files["etc/table-loader"];
        List<string> allocated = [];
        for (int at = 0; at < script.Length; at += 128)
        {
            byte[] entry = script[at..(at + 128)];
            byte[] file = files[TextAt(entry, 4)];
            switch (U32(entry, 0))
            {
                case 1:
                    allocated.Add(TextAt(entry, 4));
                    break;
                case 2:
                    Assert.Equal("etc/acpi/tables", TextAt(entry, 60));
                    int offset = (int)U32(entry, 116);
                    BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(offset), U32(file, offset) + Address);
                    break;
                default:
                    (int checksumAt, int start, int length) = ((int)U32(entry, 60), (int)U32(entry, 64), (int)U32(entry, 68));
                    file[checksumAt] = (byte)(file[checksumAt] - Sum(file.AsSpan(start, length)));
                    break;
            }
        }

        Assert.Equal(["etc/acpi/tables", "etc/acpi/rsdp"], allocated);
        (byte[] tables, byte[] rsdp) = acpi.PlaceAt(Address);
        Assert.Equal(tables, files["etc/acpi/tables"]);
        Assert.Equal(rsdp, files["etc/acpi/rsdp"]);
    }

    [Fact]
    public void TheDsdtIsWellFormedAndNamesSoftOff()
    {
        (byte[] tables, _) = AcpiTables.Build(new AcpiDescription { Processors = 1 }).PlaceAt(0);
        int at = Find(tables, "DSDT"u8);
        byte[] aml = Table(tables, (uint)at)[36..];
        Assert.Equal(aml.Length, TermListEnd(aml, 0, aml.Length));
        Assert.True(Find(aml, [0x08, (byte)'_', (byte)'S', (byte)'5', (byte)'_', 0x12, 0x06, 4, 0, 0, 0, 0]) >= 0); // Name(_S5, Package {0, 0, 0, 0})
    }

    // Scopes and devices must end exactly where their contents do.
    private static int TermListEnd(byte[] aml, int at, int end)
    {
        while (at < end)
        {
            bool isDevice = aml[at] == 0x5B && aml[at + 1] == 0x82;
            if (isDevice || aml[at] == 0x10)
            {
                int lengthAt = at + (isDevice ? 2 : 1);
                (int length, int size) = PackageLength(aml, lengthAt);
                int nameAt = lengthAt + size + (aml[lengthAt + size] == '\\' ? 1 : 0);
                Assert.Equal(lengthAt + length, TermListEnd(aml, nameAt + 4, lengthAt + length));
                at = lengthAt + length;
                continue;
            }

            Assert.Equal(0x08, aml[at]); // a name, and a number, package or buffer
            int data = at + 5;
            at = aml[data] switch
            {
                0 or 1 => data + 1,
                0x0A => data + 2,
                0x0B => data + 3,
                0x0C => data + 5,
                0x11 or 0x12 => data + 1 + PackageLength(aml, data + 1).Length,
                byte other => throw new InvalidOperationException($"term {other:x2} at {data}"),
            };
        }

        return at;
    }

    private static (int Length, int Size) PackageLength(byte[] aml, int at) =>
        (aml[at] >> 6) == 0 ? (aml[at], 1) : ((aml[at] & 0xF) | (aml[at + 1] << 4), 2);

    private static int Find(byte[] bytes, ReadOnlySpan<byte> what) => bytes.AsSpan().IndexOf(what);

    private static IEnumerable<byte[]> Entries(byte[] madt)
    {
        for (int at = 44; at < madt.Length; at += madt[at + 1])
        {
            yield return madt[at..(at + madt[at + 1])];
        }
    }

    private static byte[] Table(byte[] tables, uint address)
    {
        int start = (int)(address >= Address ? address - Address : address);
        byte[] table = tables[start..(start + (int)U32(tables, start + 4))];
        Assert.Equal(0, Sum(table));
        return table;
    }

    private static int Sum(ReadOnlySpan<byte> bytes)
    {
        int sum = 0;
        foreach (byte b in bytes)
        {
            sum += b;
        }

        return sum & 0xFF;
    }

    private static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    private static string TextAt(byte[] bytes, int at) => Encoding.ASCII.GetString(bytes, at, Array.IndexOf(bytes, (byte)0, at) - at);
}
