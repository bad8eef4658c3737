using System.Numerics;

using Iced.Intel;

using IcedRegister = Iced.Intel.Register;

namespace Xenolith.Cpu;

/// <summary>
/// PUSH, POP, PUSHA, POPA, ENTER, LEAVE (SDM 1 "Data Transfer Instructions", "Procedure Calls for Block-Structured Languages").
/// </summary>
internal static unsafe class StackOperations
{
    public static void Register(ColdTable table)
    {
        foreach (Code code in ColdTable.CodesOf(Mnemonic.Push))
        {
            table.Set(code, &Push);
        }

        foreach (Code code in ColdTable.CodesOf(Mnemonic.Pop))
        {
            // Popping a segment register loads it: that belongs to segmentation.
            if (code is Code.Pop_r16 or Code.Pop_r32 or Code.Pop_r64 or Code.Pop_rm16 or Code.Pop_rm32 or Code.Pop_rm64)
            {
                table.Set(code, &Pop);
            }
        }

        table.Set(Mnemonic.Pusha, &PushAll);
        table.Set(Mnemonic.Pushad, &PushAll);
        table.Set(Mnemonic.Popa, &PopAll);
        table.Set(Mnemonic.Popad, &PopAll);
        table.Set(Mnemonic.Enter, &Enter);
        table.Set(Mnemonic.Leave, &Leave);
    }

    /// <summary>Size of one push: how far the stack pointer moves.</summary>
    private static int PushSize(in Instruction i) => System.Math.Abs(i.StackPointerIncrement);

    private static Outcome Push(Processor p, in Instruction i)
    {
        int size = PushSize(in i);
        ulong value;
        if (i.Op0Kind == OpKind.Register && i.Op0Register.IsSegmentRegister())
        {
            value = p.State->Segments[(int)Processor.ToSegment(i.Op0Register)].Selector;
        }
        else if (!TryReadSized(p, in i, size, out value))
        {
            return Outcome.Fault;
        }

        return p.TryPush(size, value) ? Outcome.Retired : Outcome.Fault;
    }

    private static bool TryReadSized(Processor p, in Instruction i, int size, out ulong value)
    {
        bool done;
        switch (size)
        {
            case 2:
                done = p.TryReadOperand(in i, 0, out ushort w);
                value = w;
                return done;
            case 4:
                done = p.TryReadOperand(in i, 0, out uint d);
                value = d;
                return done;
            default:
                return p.TryReadOperand(in i, 0, out value);
        }
    }

    /// <summary>A memory operand based on rSP is addressed with the incremented rSP; POP rSP ends with the popped value.</summary>
    private static Outcome Pop(Processor p, in Instruction i)
    {
        int size = PushSize(in i);
        ulong old = p.StackPointer;
        ulong pointer = old;
        if (!p.TryPopAt(ref pointer, size, out ulong value))
        {
            return Outcome.Fault;
        }

        p.StackPointer = pointer;
        bool done = size switch
        {
            2 => p.TryWriteOperand(in i, 0, (ushort)value),
            4 => p.TryWriteOperand(in i, 0, (uint)value),
            _ => p.TryWriteOperand(in i, 0, value),
        };
        if (done)
        {
            return Outcome.Retired;
        }

        p.StackPointer = old;
        return Outcome.Fault;
    }

    private static Outcome PushAll(Processor p, in Instruction i)
    {
        int size = i.Mnemonic == Mnemonic.Pusha ? 2 : 4;
        ulong pointer = p.StackPointer;
        if (!p.MayPush(pointer, size, 8))
        {
            return Outcome.Fault;
        }

        for (int number = 0; number < 8; number++)
        {
            if (!p.TryPushAt(ref pointer, size, p.State->Gpr[number])) // register 4 is rSP as it was before
            {
                return Outcome.Fault;
            }
        }

        p.StackPointer = pointer;
        return Outcome.Retired;
    }

    private static Outcome PopAll(Processor p, in Instruction i)
    {
        int size = i.Mnemonic == Mnemonic.Popa ? 2 : 4;
        ulong pointer = p.StackPointer;
        ulong* values = stackalloc ulong[8];
        for (int number = 7; number >= 0; number--)
        {
            if (!p.TryPopAt(ref pointer, size, out values[number]))
            {
                return Outcome.Fault;
            }
        }

        for (int number = 0; number < 8; number++)
        {
            if (number == 4)
            {
                continue; // the saved rSP is thrown away
            }

            if (size == 2)
            {
                Processor.SetGprAt(p.State, number, (ushort)values[number]);
            }
            else
            {
                Processor.SetGprAt(p.State, number, (uint)values[number]);
            }
        }

        p.StackPointer = pointer;
        return Outcome.Retired;
    }

    /// <summary>
    /// SDM 2A "ENTER—Make Stack Frame for Procedure Parameters". What it has pushed below rSP when the last check faults stays (so does
    /// silicon).
    /// </summary>
    private static Outcome Enter(Processor p, in Instruction i)
    {
        int size = i.Code switch { Code.Enterw_imm16_imm8 => 2, Code.Enterd_imm16_imm8 => 4, _ => 8 };
        int level = i.Immediate8_2nd & 31;
        ulong pointer = p.StackPointer;
        ulong oldFrame = p.State->Gpr[5];
        if (!p.TryPushAt(ref pointer, size, oldFrame))
        {
            return Outcome.Fault;
        }

        ulong frame = pointer;
        ulong display = oldFrame;
        for (int n = 1; n < level; n++)
        {
            display = p.WrapStack(display - (uint)size);
            ulong source = display;
            if (!p.TryPopAt(ref source, size, out ulong entry) || !p.TryPushAt(ref pointer, size, entry))
            {
                return Outcome.Fault;
            }
        }

        if (level > 0 && !p.TryPushAt(ref pointer, size, frame))
        {
            return Outcome.Fault;
        }

        pointer = p.WrapStack(pointer - i.Immediate16);

        // The new end of the stack is written to as a test (SDM: "... #PF if a write to it would fault").
        if (!p.TryLinear(SegmentIndex.SS, pointer, (uint)size, Xenolith.Mmu.AccessKind.Write, out ulong linear)
            || !p.TryTranslate(linear, Xenolith.Mmu.AccessKind.Write, p.State->DataAccess, out _))
        {
            return Outcome.Fault;
        }

        SetFrame(p, size, frame);
        p.StackPointer = pointer;
        return Outcome.Retired;
    }

    /// <summary>SDM 2B "LEAVE—High Level Procedure Exit".</summary>
    private static Outcome Leave(Processor p, in Instruction i)
    {
        int size = i.Code switch { Code.Leavew => 2, Code.Leaved => 4, _ => 8 };
        ulong pointer = p.WrapStack(p.State->Gpr[5]);
        if (!p.TryPopAt(ref pointer, size, out ulong frame))
        {
            return Outcome.Fault;
        }

        p.StackPointer = pointer;
        SetFrame(p, size, frame);
        return Outcome.Retired;
    }

    private static void SetFrame(Processor p, int size, ulong value)
    {
        switch (size)
        {
            case 2:
                p.SetGpr(IcedRegister.BP, (ushort)value);
                break;
            case 4:
                p.SetGpr(IcedRegister.EBP, (uint)value);
                break;
            default:
                p.SetGpr(IcedRegister.RBP, value);
                break;
        }
    }
}
