using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>Stack and branches.</content>
internal sealed unsafe partial class Lowering
{
    /// <summary>The end of a block that no branch ends: goes on through the exit behind it.</summary>
    public void LowerFallThrough(Op* op) => Control(op, nameof(ControlHandlers.Jump));

    /// <summary>An exit slot, not linked yet.</summary>
    public void LowerExit(Op* op, ulong target)
    {
        _ = Control(op, nameof(ControlHandlers.Exit));
        op->TargetRip = target;
        op->Target = CodeArena.NoBlock;
    }

    public void LowerCold(Op* op, ColdSite* site)
    {
        _ = Control(op, nameof(ControlHandlers.Cold));
        op->Imm = (ulong)site;
    }

    /// <summary>The type of a stack slot, when a push of this many bytes has a fast form.</summary>
    private Type? StackWidth(int sizeBytes) =>
        HasFlatStack && sizeBytes == (_is64 ? 8 : 4) ? Width(sizeBytes) : null;

    private bool Push(in Instruction i, Op* op)
    {
        if (StackWidth(-i.StackPointerIncrement) is not { } width)
        {
            return false;
        }

        switch (i.Op0Kind)
        {
            case OpKind.Register when i.Op0Register.IsGPR():
                op->Src = Offset(i.Op0Register);
                return Memory(op, typeof(BelowStack<>).MakeGenericType(width), typeof(PushReg<>), width);
            case OpKind.Register or OpKind.Memory:
                return false;
            default:
                op->Imm = i.GetImmediate(0);
                return Memory(op, typeof(BelowStack<>).MakeGenericType(width), typeof(PushImm<>), width);
        }
    }

    private bool Pop(in Instruction i, Op* op)
    {
        if (StackWidth(i.StackPointerIncrement) is not { } width || i.Op0Kind != OpKind.Register || !i.Op0Register.IsGPR())
        {
            return false;
        }

        op->Dst = Offset(i.Op0Register);
        return Memory(op, typeof(TopOfStack<>).MakeGenericType(width), typeof(PopReg<>), width);
    }

    private bool Leave(in Instruction i, Op* op) =>
        StackWidth(i.Code switch { Code.Leaveq => 8, Code.Leaved => 4, _ => 2 }) is { } width
        && Memory(op, typeof(FramePointer<>).MakeGenericType(width), typeof(Leave<>), width);

    private bool Call(in Instruction i, Op* op)
    {
        if (!HasFlatCode || StackWidth(-i.StackPointerIncrement) is not { } width)
        {
            return false;
        }

        if (i.Code.IsCallNear())
        {
            op->Imm = i.NextIP;
            return Control(op, nameof(ControlHandlers.Call), width);
        }

        if (!i.Code.IsCallNearIndirect() || OperandShells.SizeOf(in i, 0) != (_is64 ? 8 : 4))
        {
            return false;
        }

        if (i.Op0Kind == OpKind.Register)
        {
            op->Imm = i.NextIP;
            op->Src = Offset(i.Op0Register);
            return Control(op, nameof(ControlHandlers.CallReg), width);
        }

        return TryAddress(in i, op, out Type address)
            && Control(op, nameof(ControlHandlers.CallMem), width, address);
    }

    private bool Jump(in Instruction i, Op* op)
    {
        if (!HasFlatCode)
        {
            return false;
        }

        if (i.Code.IsJmpShortOrNear())
        {
            return Control(op, nameof(ControlHandlers.Jump));
        }

        if (!i.Code.IsJmpNearIndirect() || OperandShells.SizeOf(in i, 0) != (_is64 ? 8 : 4))
        {
            return false;
        }

        Type width = Width(_is64 ? 8 : 4);
        if (i.Op0Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op0Register);
            return Control(op, nameof(ControlHandlers.JumpReg), width);
        }

        return TryAddress(in i, op, out Type address) && Control(op, nameof(ControlHandlers.JumpMem), width, address);
    }

    private bool Return(in Instruction i, Op* op)
    {
        if (!HasFlatCode || StackWidth(i.Code switch
        {
            Code.Retnq or Code.Retnq_imm16 => 8,
            Code.Retnd or Code.Retnd_imm16 => 4,
            _ => 2,
        }) is not { } width)
        {
            return false;
        }

        op->Imm = i.OpCount == 0 ? 0UL : i.Immediate16;
        return Control(op, nameof(ControlHandlers.Return), width);
    }
}
