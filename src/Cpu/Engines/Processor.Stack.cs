using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>The stack (SDM 1 "Procedure Stack").</content>
public sealed unsafe partial class Processor
{
    private const int Rsp = 4;

    /// <summary>RSP, ESP or SP as the stack size says; writing leaves the upper bits of RSP as hardware does.</summary>
    public ulong StackPointer
    {
        get => StackBits switch { 64 => State->Gpr[Rsp], 32 => (uint)State->Gpr[Rsp], _ => (ushort)State->Gpr[Rsp] };
        set
        {
            switch (StackBits)
            {
                case 64:
                    State->Gpr[Rsp] = value;
                    break;
                case 32:
                    State->Gpr[Rsp] = (uint)value;
                    break;
                default:
                    *(ushort*)&State->Gpr[Rsp] = (ushort)value;
                    break;
            }
        }
    }

    /// <summary>
    /// Pushes onto the stack at <paramref name="pointer"/>, which the caller commits to <see cref="StackPointer"/> at the end.
    /// </summary>
    /// <param name="sizeBytes">2, 4 or 8.</param>
    public bool TryPushAt(ref ulong pointer, int sizeBytes, ulong value)
    {
        ulong next = WrapStack(pointer - (uint)sizeBytes);
        bool done = sizeBytes switch
        {
            2 => TryWrite(SegmentIndex.SS, next, (ushort)value),
            4 => TryWrite(SegmentIndex.SS, next, (uint)value),
            _ => TryWrite(SegmentIndex.SS, next, value),
        };
        if (done)
        {
            pointer = next;
        }

        return done;
    }

    /// <summary>
    /// Could this many words be pushed from here? For instructions that push several: a fault must leave no trace of the first.
    /// </summary>
    internal bool MayPush(ulong pointer, int sizeBytes, int count)
    {
        for (int n = 0; n < count; n++)
        {
            pointer = WrapStack(pointer - (uint)sizeBytes);
            if (!TryLinear(SegmentIndex.SS, pointer, (uint)sizeBytes, AccessKind.Write, out ulong linear)
                || !MayWrite(linear, sizeBytes, State->DataAccess))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Asks for both ends of a write, and writes nothing.</summary>
    internal bool MayWrite(ulong linear, int sizeBytes, AccessMode mode)
    {
        int inPage = (int)(Pages.Size - (linear & Pages.OffsetMask));
        return TryTranslate(linear, AccessKind.Write, mode, out _)
            && (sizeBytes <= inPage || TryTranslate(Behind(linear, inPage), AccessKind.Write, mode, out _));
    }

    /// <summary>Pops, zero-extended, from the stack at <paramref name="pointer"/>, which the caller commits at the end.</summary>
    public bool TryPopAt(ref ulong pointer, int sizeBytes, out ulong value)
    {
        bool done;
        switch (sizeBytes)
        {
            case 2:
                done = TryRead(SegmentIndex.SS, pointer, out ushort word);
                value = word;
                break;
            case 4:
                done = TryRead(SegmentIndex.SS, pointer, out uint doubleword);
                value = doubleword;
                break;
            default:
                done = TryRead(SegmentIndex.SS, pointer, out value);
                break;
        }

        if (done)
        {
            pointer = WrapStack(pointer + (uint)sizeBytes);
        }

        return done;
    }

    /// <summary>One push: RSP changes only when the write was made.</summary>
    public bool TryPush(int sizeBytes, ulong value)
    {
        ulong pointer = StackPointer;
        if (!TryPushAt(ref pointer, sizeBytes, value))
        {
            return false;
        }

        StackPointer = pointer;
        return true;
    }

    /// <summary>Cuts an address to the stack size.</summary>
    internal ulong WrapStack(ulong pointer) => StackBits switch { 64 => pointer, 32 => (uint)pointer, _ => (ushort)pointer };
}
