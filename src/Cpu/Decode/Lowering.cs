using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// From Iced's instruction to an op: the choice of handler, by instruction group. What has no fast handler, in this mode or at all,
/// is refused, and becomes a cold op.
/// </summary>
/// <param name="dispatch">The dispatch that the handlers are compiled for.</param>
internal sealed unsafe partial class Lowering(Type dispatch)
{
    private static readonly Type[] Widths = [typeof(byte), typeof(ushort), typeof(uint), typeof(ulong)];
    private static readonly Type[] SignedWidths = [typeof(sbyte), typeof(short), typeof(int), typeof(long)];

    private ExecutionMode _mode;
    private bool _is64;
    private bool _isFlat;

    /// <summary>The modes that the next instructions belong to.</summary>
    public void Begin(ExecutionMode mode)
    {
        _mode = mode;
        _is64 = (mode & ExecutionMode.Code64) != 0;
        _isFlat = (mode & (ExecutionMode.Flat | ExecutionMode.AlignmentCheck)) == ExecutionMode.Flat;
    }

    /// <summary>The stack is flat and has the size of the code.</summary>
    private bool HasFlatStack => _isFlat && (_is64 || (_mode & (ExecutionMode.Code32 | ExecutionMode.Stack32)) == (ExecutionMode.Code32 | ExecutionMode.Stack32));

    /// <summary>RIP is the linear address, and every offset in CS exists.</summary>
    private bool HasFlatCode => (_mode & ExecutionMode.FlatCode) != 0 && (_mode & (ExecutionMode.Code32 | ExecutionMode.Code64)) != 0;

    /// <summary>Fills an op. False when the instruction must be cold; the op is then to be filled anew.</summary>
    /// <param name="accesses">Data accesses that the op makes.</param>
    public bool TryLower(in Instruction i, Op* op, FlagNeed flags, out uint accesses)
    {
        accesses = 0;
        if (i.HasLockPrefix || i.IsInvalid)
        {
            return false; // locked instructions are rare, and their careful form is exact
        }

        bool done = i.Mnemonic switch
        {
            Mnemonic.Add => Binary(typeof(Add), in i, op, flags),
            Mnemonic.Adc => Binary(typeof(Adc), in i, op, flags),
            Mnemonic.Sub => Binary(typeof(Sub), in i, op, flags),
            Mnemonic.Sbb => Binary(typeof(Sbb), in i, op, flags),
            Mnemonic.And => Binary(typeof(And), in i, op, flags),
            Mnemonic.Or => Binary(typeof(Or), in i, op, flags),
            Mnemonic.Xor => Binary(typeof(Xor), in i, op, flags),
            Mnemonic.Cmp => Binary(typeof(Cmp), in i, op, flags),
            Mnemonic.Test => Binary(typeof(Test), in i, op, flags),
            Mnemonic.Inc => Unary(typeof(Inc), in i, op, flags),
            Mnemonic.Dec => Unary(typeof(Dec), in i, op, flags),
            Mnemonic.Neg => Unary(typeof(Neg), in i, op, flags),
            Mnemonic.Not => Unary(typeof(Not), in i, op, flags),
            Mnemonic.Shl or Mnemonic.Sal => Shift(typeof(Shl), in i, op, flags),
            Mnemonic.Shr => Shift(typeof(Shr), in i, op, flags),
            Mnemonic.Sar => Shift(typeof(Sar), in i, op, flags),
            Mnemonic.Rol => Shift(typeof(Rol), in i, op, flags),
            Mnemonic.Ror => Shift(typeof(Ror), in i, op, flags),
            Mnemonic.Imul => Imul(in i, op, flags),
            Mnemonic.Mov => Mov(in i, op),
            Mnemonic.Movzx => Extend(in i, op, isSigned: false),
            Mnemonic.Movsx or Mnemonic.Movsxd => Extend(in i, op, isSigned: true),
            Mnemonic.Lea => Lea(in i, op),
            Mnemonic.Xchg => Exchange(in i, op),
            Mnemonic.Bswap => ByteSwap(in i, op),
            Mnemonic.Cdq => Plain(op, typeof(SignToRdx<>), typeof(uint)),
            Mnemonic.Cqo => Plain(op, typeof(SignToRdx<>), typeof(ulong)),
            Mnemonic.Nop or Mnemonic.Endbr64 or Mnemonic.Endbr32 => Plain(op, typeof(Nothing)),
            Mnemonic.Push => Push(in i, op),
            Mnemonic.Pop => Pop(in i, op),
            Mnemonic.Leave => Leave(in i, op),
            Mnemonic.Call => Call(in i, op),
            Mnemonic.Jmp => Jump(in i, op),
            Mnemonic.Ret => Return(in i, op),
            _ => Conditional(in i, op) || Vector(in i, op),
        };
        accesses = !done || !AccessesMemory(in i) ? 0U : i.Mnemonic == Mnemonic.Call && i.Op0Kind == OpKind.Memory ? 2U : 1U;
        return done;
    }

    private static bool AccessesMemory(in Instruction i)
    {
        if (i.Mnemonic is Mnemonic.Lea or Mnemonic.Nop)
        {
            return false;
        }

        return i.Mnemonic is Mnemonic.Push or Mnemonic.Pop or Mnemonic.Call or Mnemonic.Ret or Mnemonic.Leave
            || i.Op0Kind == OpKind.Memory || i.Op1Kind == OpKind.Memory;
    }

    /// <summary>Gives the op its handler: a body, closed over its types, in the shell for registers only.</summary>
    private bool Plain(Op* op, Type body, Type? a = null, Type? b = null, Type? c = null) => Set(op, nameof(Shells.Plain), body, a, b, c);

    /// <summary>As <see cref="Plain"/>, in the shell for one memory operand.</summary>
    private bool Memory(Op* op, Type address, Type body, Type? a = null, Type? b = null, Type? c = null) =>
        Set(op, nameof(Shells.Memory), body, a, b, c, address: address);

    private bool Set(Op* op, string shell, Type body, Type? a = null, Type? b = null, Type? c = null, Type? d = null, Type? address = null)
    {
        op->Handler = HandlerTable.Find(typeof(Shells), shell, dispatch, body, a, b, c, d, address);
        return true;
    }

    private bool Control(Op* op, string handler, Type? width = null, Type? address = null)
    {
        op->Handler = HandlerTable.Find(typeof(ControlHandlers), handler, dispatch, a: width, address: address);
        return true;
    }

    private static Type Width(int sizeBytes) => Widths[System.Numerics.BitOperations.Log2((uint)sizeBytes)];

    private static Type SignedWidth(int sizeBytes) => SignedWidths[System.Numerics.BitOperations.Log2((uint)sizeBytes)];

    private static Type FlagsType(FlagNeed need) =>
        need switch { FlagNeed.None => typeof(WithoutFlags), FlagNeed.FaultOnly => typeof(FaultOnlyFlags), _ => typeof(WithFlags) };

    private static byte Offset(Register register) => (byte)Processor.GprOffset(register);

    /// <summary>Fills the address fields. False where an effective address is not simply a linear one.</summary>
    private bool TryAddress(in Instruction i, Op* op, out Type address)
    {
        address = typeof(IndexedAddress);
        if (!_isFlat)
        {
            return false;
        }

        SegmentIndex segment = Processor.SegmentOf(in i);
        bool hasBase = _is64 && segment >= SegmentIndex.FS;
        if (!_is64 && segment is SegmentIndex.FS or SegmentIndex.GS or SegmentIndex.CS)
        {
            return false;
        }

        int bits = Processor.AddressBits(in i);
        if (bits == 16 || (bits == 32 && hasBase))
        {
            return false;
        }

        bool hasIndex = FillAddress(in i, op);
        op->Segment = (byte)segment;
        address = hasBase ? typeof(SegmentAddress) : bits == 32 ? typeof(Address32) : hasIndex ? typeof(IndexedAddress) : typeof(BaseAddress);
        return true;
    }

    /// <summary>Base, index, scale and displacement; true when there is an index.</summary>
    private static bool FillAddress(in Instruction i, Op* op)
    {
        if (i.IsIPRelativeMemoryOperand)
        {
            op->Base = Offset(Register.None);
            op->Index = Offset(Register.None);
            op->Imm = i.IPRelativeMemoryAddress;
            return false;
        }

        op->Base = Offset(i.MemoryBase);
        op->Index = Offset(i.MemoryIndex);
        op->Scale = (byte)System.Numerics.BitOperations.Log2((uint)i.MemoryIndexScale);
        op->Imm = i.MemoryDisplacement64;
        return i.MemoryIndex != Register.None;
    }
}
