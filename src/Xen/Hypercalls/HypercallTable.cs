using System;
using System.Collections.Generic;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>
/// Which hypercalls and sub-operations this Xen serves, and which it refuses with which errno, and why. The one table: dispatch reads
/// it, the documentation is made from it, and a test holds both against the ABI's numbers.
/// </summary>
public static class HypercallTable
{
    private const int NumberCount = 64;
    private const uint MemoryOpMask = (1 << MemoryOps.ExtentShift) - 1;

    private static readonly HypercallEntry?[][] s_bySubOp = Build();

    /// <summary>Every row, by number and sub-operation.</summary>
    public static IReadOnlyList<HypercallEntry> Rows { get; } = AllRows();

    /// <summary>The commands of domctl: name, and with which errno it is refused (None: served).</summary>
    public static IEnumerable<(uint Command, string Name, Errno Refusal)> DomctlRows()
    {
        foreach ((DomctlCommand command, string name, Errno refusal, _) in DomctlOps.Commands)
        {
            yield return ((uint)command, name, refusal);
        }
    }

    /// <summary>Does one hypercall to its end, part by part where it is long: for Dom0, and within a multicall.</summary>
    internal static long DispatchWhole(HypercallContext call, ulong number)
    {
        long result = Dispatch(call, number);
        while (call.TryContinue())
        {
            result = Dispatch(call, number);
        }

        return result;
    }

    /// <summary>Does one hypercall. The privilege level has been checked; <paramref name="call"/> has the arguments.</summary>
    internal static unsafe long Dispatch(HypercallContext call, ulong number)
    {
        if (number >= NumberCount)
        {
            return Errno.ENOSYS.Negated();
        }

        HypercallEntry?[] entries = s_bySubOp[number];
        uint subOp = SubOpOf(call, (HypercallNumber)number);
        call.SubOp = subOp;
        call.Pointer = call.Args[PointerIndex((HypercallNumber)number)];
        if (number == (ulong)HypercallNumber.VcpuOp && call.Caller.FindVcpu((uint)call.Args[1]) is null)
        {
            return Errno.ENOENT.Negated();
        }

        HypercallEntry? entry = subOp < (uint)entries.Length ? entries[subOp] : null;
        return entry is null ? Errno.ENOSYS.Negated()
            : entry.IsServed ? entry.Handler(call)
            : entry.Refusal.Negated();
    }

    private static bool HasSubOps(HypercallNumber number) => number is HypercallNumber.MemoryOp or HypercallNumber.XenVersion
        or HypercallNumber.ConsoleIo or HypercallNumber.GrantTableOp or HypercallNumber.VcpuOp or HypercallNumber.SchedOp
        or HypercallNumber.EventChannelOp or HypercallNumber.HvmOp;

    private static uint SubOpOf(HypercallContext call, HypercallNumber number) =>
        !HasSubOps(number) ? 0
        : number == HypercallNumber.MemoryOp ? (uint)call.Args[0] & MemoryOpMask
        : (uint)call.Args[0];

    private static int PointerIndex(HypercallNumber number) => number == HypercallNumber.VcpuOp ? 2 : HasSubOps(number) ? 1 : 0;

    private static List<HypercallEntry> AllRows()
    {
        List<HypercallEntry> rows =
        [
            .. ConsoleOps.Rows, .. VersionOps.Rows, .. SchedOps.Rows, .. EventChannelOps.Rows, .. VcpuOps.Rows, .. HvmOps.Rows,
            .. MemoryOps.Rows, .. PhysmapOps.Rows, .. GrantOps.Rows, .. DomctlOps.Rows, .. OtherOps.Rows,
        ];
        rows.Sort((a, b) => (a.Number, a.SubOp ?? 0).CompareTo((b.Number, b.SubOp ?? 0)));
        return rows;
    }

    private static HypercallEntry?[][] Build()
    {
        HypercallEntry?[][] table = new HypercallEntry?[NumberCount][];
        Array.Fill(table, []);
        foreach (HypercallEntry row in AllRows())
        {
            int slot = (int)(row.SubOp ?? 0);
            ref HypercallEntry?[] entries = ref table[(int)row.Number];
            if (entries.Length <= slot)
            {
                Array.Resize(ref entries, slot + 1);
            }

            entries[slot] = row;
        }

        return table;
    }
}
