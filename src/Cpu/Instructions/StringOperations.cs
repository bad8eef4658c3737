using System;
using System.Numerics;
using System.Runtime.CompilerServices;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// String instructions (SDM 1 "String Instructions") with every repeat prefix and address size; port forms belong to I/O.
/// <para>
/// How repeats are counted: each completed iteration retires one instruction; a repeat that finds its count zero retires one.
/// An iteration is a boundary: registers are exact after each, and the budget, a fault or a single step may stop between two.
/// </para>
/// <para>
/// A repeat that overwrites itself goes on as it was decoded until something stops it: so does silicon (Zen 3 ran every form of MOVS and
/// STOS to its end). What stops it is therefore the same for each engine; a sample of hot code does not.
/// </para>
/// </summary>
internal static unsafe class StringOperations
{
    private const int Rcx = 1;
    private const int Rsi = 6;
    private const int Rdi = 7;

    public static void Register(ColdTable table)
    {
        table.Set(Code.Movsb_m8_m8, &Run<Movs, byte>, endsBlock: true);
        table.Set(Code.Movsw_m16_m16, &Run<Movs, ushort>, endsBlock: true);
        table.Set(Code.Movsd_m32_m32, &Run<Movs, uint>, endsBlock: true);
        table.Set(Code.Movsq_m64_m64, &Run<Movs, ulong>, endsBlock: true);
        table.Set(Code.Stosb_m8_AL, &Run<Stos, byte>, endsBlock: true);
        table.Set(Code.Stosw_m16_AX, &Run<Stos, ushort>, endsBlock: true);
        table.Set(Code.Stosd_m32_EAX, &Run<Stos, uint>, endsBlock: true);
        table.Set(Code.Stosq_m64_RAX, &Run<Stos, ulong>, endsBlock: true);
        table.Set(Code.Lodsb_AL_m8, &Run<Lods, byte>, endsBlock: true);
        table.Set(Code.Lodsw_AX_m16, &Run<Lods, ushort>, endsBlock: true);
        table.Set(Code.Lodsd_EAX_m32, &Run<Lods, uint>, endsBlock: true);
        table.Set(Code.Lodsq_RAX_m64, &Run<Lods, ulong>, endsBlock: true);
        table.Set(Code.Scasb_AL_m8, &Run<Scas, byte>, endsBlock: true);
        table.Set(Code.Scasw_AX_m16, &Run<Scas, ushort>, endsBlock: true);
        table.Set(Code.Scasd_EAX_m32, &Run<Scas, uint>, endsBlock: true);
        table.Set(Code.Scasq_RAX_m64, &Run<Scas, ulong>, endsBlock: true);
        table.Set(Code.Cmpsb_m8_m8, &Run<Cmps, byte>, endsBlock: true);
        table.Set(Code.Cmpsw_m16_m16, &Run<Cmps, ushort>, endsBlock: true);
        table.Set(Code.Cmpsd_m32_m32, &Run<Cmps, uint>, endsBlock: true);
        table.Set(Code.Cmpsq_m64_m64, &Run<Cmps, ulong>, endsBlock: true);
    }

    /// <summary>One kind of string instruction: one iteration at given offsets.</summary>
    private interface IStringOp
    {
        static abstract bool UsesSource { get; }

        static abstract bool UsesDestination { get; }

        /// <summary>REPE and REPNE look at ZF.</summary>
        static abstract bool Compares { get; }

        static abstract bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T>;
    }

    private static Outcome Run<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, IStringOp
        where T : unmanaged, IBinaryInteger<T>
    {
        CpuState* cpu = p.State;
        ulong mask = AddressMask(in i);
        long step = (cpu->RflagsSystem & RflagsBits.DF) != 0 ? -sizeof(T) : sizeof(T);
        SegmentIndex segment = TOp.UsesSource ? Processor.SegmentOf(in i) : SegmentIndex.ES;
        bool isRepeated = i.HasRepPrefix || i.HasRepnePrefix;
        if (!isRepeated)
        {
            if (!TOp.TryIterate<T>(p, segment, cpu->Gpr[Rsi] & mask, cpu->Gpr[Rdi] & mask))
            {
                return Outcome.Fault;
            }

            Advance<TOp>(cpu, mask, step, 1);
            return Outcome.Retired;
        }

        bool singleStep = p.StopsAfterIteration;
        while (true)
        {
            ulong count = cpu->Gpr[Rcx] & mask;
            if (count == 0)
            {
                return Outcome.Retired;
            }

            ulong done = 0;
            if (!singleStep && step > 0 && !TOp.Compares && typeof(TOp) != typeof(Lods))
            {
                ulong wanted = Math.Min(count, (ulong)Math.Max(cpu->Budget, 1));
                if (!TryBulk<TOp, T>(p, segment, cpu->Gpr[Rsi] & mask, cpu->Gpr[Rdi] & mask, wanted, out done))
                {
                    return Outcome.Fault;
                }
            }

            if (done == 0)
            {
                if (!TOp.TryIterate<T>(p, segment, cpu->Gpr[Rsi] & mask, cpu->Gpr[Rdi] & mask))
                {
                    return Outcome.Fault;
                }

                done = 1;
            }

            Advance<TOp>(cpu, mask, step, (long)done);
            count -= done;
            SetMasked(cpu, Rcx, mask, count);
            bool finished = count == 0 || (TOp.Compares && LazyFlags.Zero(cpu) != i.HasRepPrefix);
            p.ExtraIterations += finished ? done - 1 : done;
            if (!finished && (ulong)cpu->Budget <= done)
            {
                p.Release((long)ulong.Min(count, long.MaxValue));
            }

            if (finished || singleStep || (ulong)cpu->Budget <= done || p.IsBoundaryRequested)
            {
                // The engine counts the last iteration itself.
                cpu->Budget -= (long)done - 1;
                return finished ? Outcome.Retired : Outcome.Repeat;
            }

            cpu->Budget -= (long)done;
        }
    }

    /// <summary>
    /// As many iterations as lie in one page of each operand and are plain memory, at once; zero when there is no such way.
    /// </summary>
    private static bool TryBulk<TOp, T>(Processor p, SegmentIndex segment, ulong source, ulong destination, ulong wanted, out ulong iterations)
        where TOp : struct, IStringOp
        where T : unmanaged, IBinaryInteger<T>
    {
        CpuState* cpu = p.State;
        iterations = 0;
        if ((cpu->Mode & (ExecutionMode.Flat | ExecutionMode.AlignmentCheck)) != ExecutionMode.Flat || segment >= SegmentIndex.FS)
        {
            return true;
        }

        ulong room = (Pages.Size - (destination & Pages.OffsetMask)) / (uint)sizeof(T);
        if (TOp.UsesSource)
        {
            room = Math.Min(room, (Pages.Size - (source & Pages.OffsetMask)) / (uint)sizeof(T));
        }

        ulong possible = Math.Min(room, wanted);
        if (possible < 2 || !p.IsCanonical(destination) || !p.IsCanonical(source))
        {
            return true;
        }

        // The source is asked first, as in a single iteration: a fault here is the fault of the next one.
        byte* from = null;
        if (TOp.UsesSource)
        {
            if (!p.TryRamPointer(source, AccessKind.Read, out from))
            {
                cpu->DataAccesses++;
                return false;
            }

            if (from == null)
            {
                return true;
            }
        }

        uint bytes = (uint)(possible * (uint)sizeof(T));
        if (!p.TryRamPointer(destination, AccessKind.Write, out byte* to))
        {
            cpu->DataAccesses += TOp.UsesSource ? 2UL : 1;
            return false;
        }

        if (to == null)
        {
            return true;
        }

        p.Memory.Bus.NoteWrite(new Hpa((ulong)(to - p.Memory.Bus.Memory.Base)), bytes);
        iterations = possible;
        cpu->DataAccesses += TOp.UsesSource ? 2 * iterations : iterations;
        if (TOp.UsesSource)
        {
            CopyUpwards((T*)from, (T*)to, iterations);
        }
        else
        {
            ulong rax = cpu->Gpr[0];
            new Span<T>(to, (int)iterations).Fill(*(T*)&rax);
        }

        return true;
    }

    private static void CopyUpwards<T>(T* from, T* to, ulong count)
        where T : unmanaged
    {
        ulong bytes = count * (uint)sizeof(T);
        if (to > from && (byte*)to < (byte*)from + bytes)
        {
            // Overlapping upward copies repeat a pattern, element by element.
            for (ulong n = 0; n < count; n++)
            {
                to[n] = from[n];
            }

            return;
        }

        Buffer.MemoryCopy(from, to, bytes, bytes);
    }

    private static void Advance<TOp>(CpuState* cpu, ulong mask, long step, long iterations)
        where TOp : struct, IStringOp
    {
        if (TOp.UsesSource)
        {
            SetMasked(cpu, Rsi, mask, cpu->Gpr[Rsi] + (ulong)(step * iterations));
        }

        if (TOp.UsesDestination)
        {
            SetMasked(cpu, Rdi, mask, cpu->Gpr[Rdi] + (ulong)(step * iterations));
        }
    }

    /// <summary>Registers change in the address size: 16 bits leave the rest, 32 bits clear the upper half.</summary>
    private static void SetMasked(CpuState* cpu, int number, ulong mask, ulong value) =>
        cpu->Gpr[number] = mask == ushort.MaxValue ? (cpu->Gpr[number] & ~mask) | (value & mask) : value & mask;

    private static ulong AddressMask(in Instruction i)
    {
        for (int operand = 0; operand < i.OpCount; operand++)
        {
            switch (i.GetOpKind(operand))
            {
                case OpKind.MemorySegSI or OpKind.MemoryESDI:
                    return ushort.MaxValue;
                case OpKind.MemorySegESI or OpKind.MemoryESEDI:
                    return uint.MaxValue;
                case OpKind.MemorySegRSI or OpKind.MemoryESRDI:
                    return ulong.MaxValue;
                default:
                    break;
            }
        }

        return ulong.MaxValue;
    }

    private readonly struct Movs : IStringOp
    {
        public static bool UsesSource => true;

        public static bool UsesDestination => true;

        public static bool Compares => false;

        public static bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T> =>
            p.TryRead(segment, source, out T value) && p.TryWrite(SegmentIndex.ES, destination, value);
    }

    private readonly struct Stos : IStringOp
    {
        public static bool UsesSource => false;

        public static bool UsesDestination => true;

        public static bool Compares => false;

        public static bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T> =>
            p.TryWrite(SegmentIndex.ES, destination, *(T*)p.State->Gpr);
    }

    private readonly struct Lods : IStringOp
    {
        public static bool UsesSource => true;

        public static bool UsesDestination => false;

        public static bool Compares => false;

        public static bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T>
        {
            if (!p.TryRead(segment, source, out T value))
            {
                return false;
            }

            Processor.SetGprAt(p.State, 0, value);
            return true;
        }
    }

    private readonly struct Scas : IStringOp
    {
        public static bool UsesSource => false;

        public static bool UsesDestination => true;

        public static bool Compares => true;

        public static bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T>
        {
            if (!p.TryRead(SegmentIndex.ES, destination, out T value))
            {
                return false;
            }

            _ = Sub.Apply<T, WithFlags>(p.State, *(T*)p.State->Gpr, value);
            return true;
        }
    }

    private readonly struct Cmps : IStringOp
    {
        public static bool UsesSource => true;

        public static bool UsesDestination => true;

        public static bool Compares => true;

        public static bool TryIterate<T>(Processor p, SegmentIndex segment, ulong source, ulong destination)
            where T : unmanaged, IBinaryInteger<T>
        {
            // The order shows when both fault: silicon asks for ES:rDI first.
            if (!p.TryRead(SegmentIndex.ES, destination, out T second) || !p.TryRead(segment, source, out T first))
            {
                return false;
            }

            _ = Sub.Apply<T, WithFlags>(p.State, first, second);
            return true;
        }
    }
}
