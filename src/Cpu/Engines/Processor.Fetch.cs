using System;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Instruction fetch and decode.</content>
public sealed unsafe partial class Processor
{
    /// <summary>SDM 2A "Instruction Format": no instruction is longer.</summary>
    internal const int MaxInstructionLength = 15;

    private readonly FetchReader _fetch = new();
    private readonly Decoder?[] _decoders = new Decoder?[3];

    /// <summary>
    /// Decodes the instruction at CS:RIP. False with the fault raised: #PF and VM exits of the fetch, #GP(0) beyond CS or 15 bytes.
    /// </summary>
    internal bool TryDecodeAt(ulong rip, out Instruction instruction)
    {
        CpuState* cpu = State;
        instruction = default;
        ref SegmentRegister code = ref cpu->Segments[(int)SegmentIndex.CS];
        bool is64 = Is64BitMode;
        if (is64 ? !IsCanonical(rip) : rip > code.Limit)
        {
            return Fail(Vector.GP, 0);
        }

        ulong linear = is64 ? rip : (uint)(code.Base + rip);
        ulong withinSegment = is64 ? MaxInstructionLength : Math.Min(MaxInstructionLength, code.Limit - rip + 1);
        int wanted = (int)Math.Min(withinSegment, Pages.Size - (linear & Pages.OffsetMask));
        AccessMode mode = cpu->Cpl == 3 ? AccessMode.User : AccessMode.Supervisor;
        if (!TryTranslate(linear, AccessKind.Execute, mode, out Hpa first))
        {
            return false;
        }

        ReadPhysical(first, _fetch.Buffer, wanted);
        _fetch.Length = wanted;
        Decode(rip, out instruction);
        if (_fetch.RanOut && wanted < (int)withinSegment)
        {
            // Only an instruction that really goes on in the next page may fault there.
            if (!TryTranslate((linear + (uint)wanted) & LinearMask, AccessKind.Execute, mode, out Hpa second))
            {
                return false;
            }

            ReadPhysical(second, _fetch.Buffer + wanted, (int)withinSegment - wanted);
            _fetch.Length = (int)withinSegment;
            Decode(rip, out instruction);
        }

        return !_fetch.RanOut || Fail(Vector.GP, 0);
    }

    private void Decode(ulong rip, out Instruction instruction)
    {
        int bits = CodeBits;
        Decoder decoder = _decoders[bits >> 5] ??= Decoder.Create(bits, _fetch);
        _fetch.Position = 0;
        _fetch.RanOut = false;
        decoder.IP = rip;
        decoder.Decode(out instruction);
        X87Opcode.Note(ref instruction, _fetch.Buffer);
        if (instruction.IsInvalid && _fetch.Position >= MaxInstructionLength && decoder.LastError != DecoderError.None)
        {
            _fetch.RanOut = true; // more than 15 bytes: #GP(0) and not #UD
        }
    }

    /// <summary>Feeds Iced from the bytes fetched.</summary>
    private sealed class FetchReader : CodeReader
    {
        private readonly byte[] _bytes = GC.AllocateArray<byte>(16, pinned: true);

        public byte* Buffer => (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0);

        public int Length { get; set; }

        public int Position { get; set; }

        /// <summary>The decoder wanted more bytes than there were.</summary>
        public bool RanOut { get; set; }

        public override int ReadByte()
        {
            if (Position < Length)
            {
                return _bytes[Position++];
            }

            RanOut = true;
            return -1;
        }
    }
}
