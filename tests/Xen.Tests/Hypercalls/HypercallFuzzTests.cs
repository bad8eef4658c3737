using System;

using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

namespace Xenolith.Xen.Tests.Hypercalls;

// Method: arguments drawn by a seed from values that hurt (ends of ranges, wild pointers, valid pointers to random structures) go to
// every row of the table, in a guest's name and in Dom0's, with 32-bit and 64-bit layouts. An exception, a result that is no errno and
// no plausible value, or a neighbour whose memory has changed makes it fail.
public class HypercallFuzzTests
{
    private static readonly ulong[] s_evil =
    [
        0, 1, 2, 7, 0xFFF, 0x1000, 0x2000, 0x3000, 0x7FF0, 0x7FF4, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
        0x7FFF_FFFF_FFFF, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, ulong.MaxValue,
    ];

    [Theory]
    [InlineData("none", 1, false)]
    [InlineData("none", 2, true)]
    [InlineData("asmi", 3, false)]
    [InlineData("asmi:literal", 4, true)]
    public void GuestArgumentsNeverHurt(string isolation, ulong seed, bool is32Bit)
    {
        using TestMachine machine = new(isolation);
        SeededRandom random = new(seed);
        Domain neighbour = machine.CreateDomain(16);
        machine.WriteForeign(neighbour, 0, "untouched"u8);
        machine.Unpause(neighbour);
        Domain guest = machine.CreateDomain(32, vcpus: 2);
        machine.Unpause(guest);
        for (int round = 0; round < 40; round++)
        {
            foreach (HypercallEntry row in HypercallTable.Rows)
            {
                FillArguments(machine, guest, random);
                long result = machine.CallAs(guest, row.Number, row.SubOp ?? Evil(random), Evil(random), Evil(random), is32Bit);
                Assert.True(result > -4096, $"{row.Name}: {result}");
            }
        }

        Span<byte> bytes = stackalloc byte[9];
        Assert.True(machine.Board.MemoryUnit.TryRead(neighbour.Vmid, neighbour.Physmap.Find(new Gfn(0)).Frame.Address, bytes));
        Assert.True(bytes.SequenceEqual("untouched"u8));
    }

    [Theory]
    [InlineData("none", 11)]
    [InlineData("asmi", 12)]
    public void Dom0ArgumentsNeverHurt(string isolation, ulong seed)
    {
        using TestMachine machine = new(isolation);
        SeededRandom random = new(seed);
        _ = machine.CreateDomain(16);
        Span<byte> page = stackalloc byte[256];
        for (int round = 0; round < 60; round++)
        {
            foreach (HypercallEntry row in HypercallTable.Rows)
            {
                Randomise(page, random);
                _ = machine.Xen.Dom0.TryWrite(new Gpa(0x3000), page);
                HypercallResult result = machine.Xen.Dom0.Hypercall(row.Number, row.SubOp ?? Evil(random), Evil(random), Evil(random));
                Assert.True(result.Value > -4096, $"{row.Name}: {result.Value}");
            }

            foreach ((uint command, string name, _) in HypercallTable.DomctlRows())
            {
                Randomise(page, random);
                XenDomctl argument = System.Runtime.InteropServices.MemoryMarshal.Read<XenDomctl>(page);
                argument.Cmd = (DomctlCommand)command;
                argument.InterfaceVersion = XenDomctl.CurrentInterfaceVersion;
                argument.Domain = (ushort)random.Below(4);
                _ = machine.Xen.Dom0.TryWrite(new Gpa(0x1000), System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<XenDomctl>(in argument)));
                HypercallResult result = machine.Xen.Dom0.Hypercall(HypercallNumber.Domctl, 0x1000);
                Assert.True(result.Value > -4096, $"{name}: {result.Value}");
            }
        }
    }

    private static ulong Evil(SeededRandom random) => s_evil[random.Below((ulong)s_evil.Length)];

    private static void FillArguments(TestMachine machine, Domain guest, SeededRandom random)
    {
        Span<byte> page = stackalloc byte[256];
        Randomise(page, random);
        Vcpu vcpu = guest.Vcpus[0];
        vcpu.DescribeCaller();
        _ = vcpu.Caller.TryWrite(0x3000, page); // earlier calls may have taken the page away: that is part of it
    }

    private static void Randomise(Span<byte> bytes, SeededRandom random)
    {
        Span<ushort> words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(bytes);
        foreach (ref ushort word in words)
        {
            word = (ushort)(random.Below(3) == 0 ? random.Next() : Evil(random));
        }
    }
}
