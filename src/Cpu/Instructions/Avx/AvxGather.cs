using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// VGATHER, VPGATHER (SDM 2C "VPGATHERDD/VPGATHERQD—Gather Packed Dword Values Using Signed Dword/Qword Indices" and its siblings).
/// Elements are loaded from the lowest on. A fault leaves the elements before it loaded and their masks cleared, and everything else as
/// it was (so does silicon), so that the instruction goes on where it stopped. Never #AC.
/// </summary>
internal static unsafe class AvxGather
{
    public static void Register(ColdTable table)
    {
        table.SetVex(Mnemonic.Vpgatherdd, &Gather<uint, int>);
        table.SetVex(Mnemonic.Vpgatherdq, &Gather<ulong, int>);
        table.SetVex(Mnemonic.Vpgatherqd, &Gather<uint, long>);
        table.SetVex(Mnemonic.Vpgatherqq, &Gather<ulong, long>);
        table.SetVex(Mnemonic.Vgatherdps, &Gather<uint, int>);
        table.SetVex(Mnemonic.Vgatherdpd, &Gather<ulong, int>);
        table.SetVex(Mnemonic.Vgatherqps, &Gather<uint, long>);
        table.SetVex(Mnemonic.Vgatherqpd, &Gather<ulong, long>);
    }

    private static Outcome Gather<T, TIndex>(Processor p, in Instruction i)
        where T : unmanaged
        where TIndex : unmanaged
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        int size = VexForm.SizeOf(i.Op0Register);
        int count = Math.Min(size / sizeof(T), VexForm.SizeOf(i.MemoryIndex) / sizeof(TIndex));
        byte* index = p.VectorPointer(i.MemoryIndex);
        byte* result = p.VectorPointer(i.Op0Register);
        byte* mask = p.VectorPointer(i.Op2Register);
        for (int k = 0; k < count; k++)
        {
            if (AvxMoves.IsChosen<T>(mask, k))
            {
                long offset = sizeof(TIndex) == 4 ? ((int*)index)[k] : ((long*)index)[k];
                if (!p.TryReadPart(in i, (ulong)(offset * i.MemoryIndexScale), out T value))
                {
                    return Outcome.Fault;
                }

                ((T*)result)[k] = value;
            }

            ((T*)mask)[k] = default;
        }

        // At the end the whole mask is zero, and of the destination what lies above the elements.
        new Span<byte>(mask, sizeof(VectorRegister)).Clear();
        new Span<byte>(result + (count * sizeof(T)), sizeof(VectorRegister) - (count * sizeof(T))).Clear();
        return Outcome.Retired;
    }
}
