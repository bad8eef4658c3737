using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// The user-visible registers of one processor, laid out as runner.c has them: what a case starts from and what it leaves.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public unsafe struct MachineState
{
    /// <summary>RAX RCX RDX RBX RSP RBP RSI RDI R8-R15.</summary>
    public fixed ulong Gpr[16];
    public ulong Rip;
    public ulong Rflags;

    /// <summary>An FXSAVE64 image (SDM 2A "FXSAVE").</summary>
    public fixed byte Legacy[512];

    /// <summary>High halves of YMM0-15, two words each.</summary>
    public fixed ulong YmmHigh[32];

    private const int StOffset = 32;
    private const int XmmOffset = 160;

    public ushort Fcw
    {
        readonly get => (ushort)Read(0, 2);
        set => Write(0, 2, value);
    }

    public ushort Fsw
    {
        readonly get => (ushort)Read(2, 2);
        set => Write(2, 2, value);
    }

    /// <summary>The abridged tag word: one bit per physical register, set when it is in use.</summary>
    public byte Ftw
    {
        readonly get => (byte)Read(4, 1);
        set => Write(4, 1, value);
    }

    public uint Mxcsr
    {
        readonly get => (uint)Read(24, 4);
        set => Write(24, 4, value);
    }

    public readonly ulong General(int register)
    {
        fixed (ulong* p = Gpr)
        {
            return p[register];
        }
    }

    public void SetGeneral(int register, ulong value)
    {
        fixed (ulong* p = Gpr)
        {
            p[register] = value;
        }
    }

    public readonly ulong Xmm(int register, int half) => Read(XmmOffset + (16 * register) + (8 * half), 8);

    public void SetXmm(int register, int half, ulong value) => Write(XmmOffset + (16 * register) + (8 * half), 8, value);

    /// <summary>Significand of ST(<paramref name="index"/>), which is also MM of the same physical register.</summary>
    public readonly ulong StSignificand(int index) => Read(StOffset + (16 * index), 8);

    public readonly ushort StSignExponent(int index) => (ushort)Read(StOffset + (16 * index) + 8, 2);

    public void SetSt(int index, ulong significand, ushort signExponent)
    {
        Write(StOffset + (16 * index), 8, significand);
        Write(StOffset + (16 * index) + 8, 2, signExponent);
    }

    /// <summary>
    /// The state that a case changes only where its instruction looks: distinct patterns in the general registers (so that a
    /// wrong register shows), interrupts on, x87 and SSE as after FNINIT and reset.
    /// </summary>
    public static MachineState Default(ulong rip)
    {
        MachineState state = default;
        for (int i = 0; i < 16; i++)
        {
            state.Gpr[i] = 0x1111_1111_0101_0101UL * (ulong)i;
        }

        state.Gpr[4] = MemoryMap.WindowMiddle + 0x80;
        state.Rip = rip;
        state.Rflags = 0x202;
        state.Fcw = 0x37F;
        state.Mxcsr = 0x1F80;
        return state;
    }

    private readonly ulong Read(int offset, int size)
    {
        fixed (byte* p = Legacy)
        {
            ReadOnlySpan<byte> at = new(p + offset, size);
            return size switch
            {
                1 => at[0],
                2 => BinaryPrimitives.ReadUInt16LittleEndian(at),
                4 => BinaryPrimitives.ReadUInt32LittleEndian(at),
                _ => BinaryPrimitives.ReadUInt64LittleEndian(at),
            };
        }
    }

    private void Write(int offset, int size, ulong value)
    {
        fixed (byte* p = Legacy)
        {
            for (int i = 0; i < size; i++)
            {
                p[offset + i] = (byte)(value >> (8 * i));
            }
        }
    }
}

/// <summary>The linear memory that a case sees, natively (runner.c) and emulated (EmulatedRunner).</summary>
public static class MemoryMap
{
    /// <summary>One page, readable and executable, filled with INT3.</summary>
    public const ulong Code = 0x1000_0000;

    /// <summary>Two pages, readable and writable, unmapped ones around them.</summary>
    public const ulong Data = 0x2000_1000;
    public const ulong DataSize = 0x2000;

    /// <summary>One page of zeros, read only.</summary>
    public const ulong ReadOnly = 0x2000_4000;

    public const int WindowSize = 256;

    /// <summary>The most that a case may ask for: an XSAVE area.</summary>
    public const int MaxWindowSize = 1024;

    /// <summary>The window across the border of the two data pages.</summary>
    public const ulong WindowMiddle = Data + 0xF80;

    /// <summary>The window that ends where unmapped memory starts.</summary>
    public const ulong WindowEnd = Data + DataSize - WindowSize;
}

/// <summary>What runner.c reads: one case.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public unsafe struct SiliconRequest
{
    public const int MaxCode = 64;

    /// <summary>64 or 32.</summary>
    public uint Bits;
    public uint CodeLength;
    public ulong WindowAddress;

    /// <summary>Zero means <see cref="MemoryMap.WindowSize"/>.</summary>
    public ulong WindowBytes;
    public fixed byte Code[MaxCode];
    public fixed byte Window[MemoryMap.MaxWindowSize];
    public MachineState State;

    public readonly int WindowSize => WindowBytes == 0 ? MemoryMap.WindowSize : (int)WindowBytes;

    public readonly ReadOnlySpan<byte> CodeBytes
    {
        get
        {
            fixed (byte* p = Code)
            {
                return new ReadOnlySpan<byte>(p, (int)CodeLength).ToArray();
            }
        }
    }

    public void SetCode(ReadOnlySpan<byte> code)
    {
        fixed (byte* p = Code)
        {
            code.CopyTo(new Span<byte>(p, MaxCode));
        }

        CodeLength = (uint)code.Length;
    }
}

/// <summary>What runner.c answers, and what the emulated run is compared with.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public unsafe struct SiliconReply
{
    /// <summary>The case ran to the INT3 behind its code (or to where it jumped).</summary>
    public const uint EndedAtStop = 0x100;
    public const uint TimedOut = 0x101;

    /// <summary>Only of the emulated run: it ended in a way that user-mode code has no name for.</summary>
    public const uint Strange = 0x102;

    /// <summary>Exception vector, or one of the constants above.</summary>
    public uint Vector;
    public uint ErrorCode;

    /// <summary>Meaningful after #PF only.</summary>
    public ulong Cr2;

    /// <summary>Nonzero when data pages changed outside the window.</summary>
    public uint WroteOutside;
    public uint Reserved;
    public fixed byte Window[MemoryMap.MaxWindowSize];
    public MachineState State;
}
