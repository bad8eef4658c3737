using System;
using System.Collections.Generic;
using System.Linq;

using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

namespace Xenolith.Xen.Tests.Hypercalls;

// Method: the table is held against the ABI's own enumerations. A number or sub-operation that nobody decided about, a row twice, a
// served row without a handler, a refusal without a reason, or an answer other than the row's makes it fail.
public class HypercallTableTests
{
    public static TheoryData<HypercallNumber, Type> SubOperations => new()
    {
        { HypercallNumber.MemoryOp, typeof(XenMem) },
        { HypercallNumber.SchedOp, typeof(SchedOp) },
        { HypercallNumber.EventChannelOp, typeof(EvtchnOp) },
        { HypercallNumber.VcpuOp, typeof(VcpuOp) },
        { HypercallNumber.GrantTableOp, typeof(GnttabOp) },
        { HypercallNumber.ConsoleIo, typeof(ConsoleIoOp) },
    };

    [Fact]
    public void EveryNumberHasItsRows()
    {
        foreach (HypercallNumber number in Enum.GetValues<HypercallNumber>())
        {
            Assert.Contains(HypercallTable.Rows, row => row.Number == number);
        }
    }

    [Theory]
    [MemberData(nameof(SubOperations))]
    public void EverySubOperationHasOneRow(HypercallNumber number, Type operations)
    {
        foreach (uint operation in Enum.GetValues(operations).Cast<uint>())
        {
            Assert.Single(HypercallTable.Rows, row => row.Number == number && row.SubOp == operation);
        }
    }

    [Fact]
    public void RowsAreUniqueAndSayWhy()
    {
        HashSet<(HypercallNumber, uint?)> seen = [];
        foreach (HypercallEntry row in HypercallTable.Rows)
        {
            Assert.True(seen.Add((row.Number, row.SubOp)), row.Name);
            Assert.False(string.IsNullOrWhiteSpace(row.Why), row.Name);
            unsafe
            {
                Assert.Equal(row.IsServed, row.Handler != null);
            }
        }
    }

    [Fact]
    public void RefusedRowsAnswerTheirErrno()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateDomain(16);
        foreach (HypercallEntry row in HypercallTable.Rows)
        {
            if (!row.IsServed)
            {
                // The second argument of vcpu_op is a vCPU, which must exist to come that far.
                Assert.Equal(-(long)row.Refusal, machine.CallAs(guest, row.Number, row.SubOp ?? 0));
            }
        }
    }

    [Theory]
    [InlineData(11u)]
    [InlineData(43u)]
    [InlineData(63u)]
    [InlineData(64u)]
    [InlineData(uint.MaxValue)]
    public void UnknownNumbersAreNotImplemented(uint number)
    {
        using TestMachine machine = new();
        Assert.Equal(-(long)Errno.ENOSYS, machine.CallAs(machine.CreateDomain(16), (HypercallNumber)number));
    }
}
