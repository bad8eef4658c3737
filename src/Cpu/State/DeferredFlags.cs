using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// Flags that nobody reads before they are overwritten, unless a fault comes in between: a handler stores the operands instead of the
/// flags, and whatever leaves the fast handlers calls <see cref="Settle"/> before anybody can look.
/// </summary>
internal static unsafe class DeferredFlags
{
    public const uint Add = 1;
    public const uint Subtract = 2;
    public const uint ShiftLeft = 3;
    public const uint ShiftRight = 4;
    public const uint ShiftArithmetic = 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // three stores
    public static void Note<T>(CpuState* cpu, uint kind, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsA = ulong.CreateTruncating(a);
        cpu->FlagsB = ulong.CreateTruncating(b);
        cpu->FlagsDeferred = (kind << 8) | (uint)sizeof(T);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // three stores
    public static void NoteShift<T>(CpuState* cpu, uint kind, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsA = ulong.CreateTruncating(value);
        cpu->FlagsB = (uint)count;
        cpu->FlagsDeferred = (kind << 8) | (uint)sizeof(T);
    }

    /// <summary>Makes the flags exact.</summary>
    public static void Settle(CpuState* cpu)
    {
        if (cpu->FlagsDeferred == 0)
        {
            return;
        }

        switch (cpu->FlagsDeferred & 0xFF)
        {
            case 1:
                Settle<byte>(cpu);
                break;
            case 2:
                Settle<ushort>(cpu);
                break;
            case 4:
                Settle<uint>(cpu);
                break;
            default:
                Settle<ulong>(cpu);
                break;
        }
    }

    private static void Settle<T>(CpuState* cpu)
        where T : unmanaged, IBinaryInteger<T>
    {
        T a = T.CreateTruncating(cpu->FlagsA);
        T b = T.CreateTruncating(cpu->FlagsB);
        int count = (int)cpu->FlagsB;
        _ = (cpu->FlagsDeferred >> 8) switch
        {
            Add => Xenolith.Cpu.Add.Apply<T, WithFlags>(cpu, a, b),
            Subtract => Sub.Apply<T, WithFlags>(cpu, a, b),
            ShiftLeft => Shl.Apply<T, WithFlags>(cpu, a, count),
            ShiftRight => Shr.Apply<T, WithFlags>(cpu, a, count),
            _ => Sar.Apply<T, WithFlags>(cpu, a, count),
        };
    }
}
