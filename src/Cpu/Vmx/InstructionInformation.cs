using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>The VM-exit instruction-information field (SDM 3C "Information for VM Exits Due to Instruction Execution").</summary>
internal static class InstructionInformation
{
    /// <summary>
    /// Operands with a memory address: scaling 1:0, address size 9:7, segment 17:15, index 21:18 (22 invalid), base 26:23 (27 invalid),
    /// register operand 31:28. Bit 10 set and bits 6:3 a register when there is no memory operand.
    /// </summary>
    public static uint Of(in Instruction i)
    {
        uint information = 0;
        uint register = 0;
        bool hasMemory = false;
        for (int operand = 0; operand < i.OpCount; operand++)
        {
            if (i.GetOpKind(operand) == OpKind.Memory)
            {
                hasMemory = true;
            }
            else if (i.GetOpKind(operand) == OpKind.Register)
            {
                register = Number(i.GetOpRegister(operand));
            }
        }

        if (!hasMemory)
        {
            return (register << 3) | (1u << 10) | (register << 28);
        }

        information |= (uint)System.Numerics.BitOperations.Log2((uint)i.MemoryIndexScale);
        information |= AddressSize(in i) << 7;
        information |= (uint)(i.MemorySegment - Register.ES) << 15;
        information |= i.MemoryIndex == Register.None ? 1u << 22 : Number(i.MemoryIndex) << 18;
        information |= i.MemoryBase is Register.None or Register.RIP or Register.EIP ? 1u << 27 : Number(i.MemoryBase) << 23;
        return information | (register << 28);
    }

    /// <summary>RDRAND and RDSEED: destination 6:3, operand size 12:11 (0 for 16 bits, 1 for 32, 2 for 64).</summary>
    public static uint OfRandom(in Instruction i) =>
        (Number(i.Op0Register) << 3) | ((uint)System.Numerics.BitOperations.Log2((uint)i.Op0Register.GetSize() >> 1) << 11);

    /// <summary>INS and OUTS: address size 9:7, segment 17:15.</summary>
    public static uint OfStringIo(int addressBits, SegmentIndex segment) =>
        ((addressBits switch { 16 => 0u, 32 => 1u, _ => 2u }) << 7) | ((uint)segment << 15);

    private static uint AddressSize(in Instruction i) => Processor.AddressBits(in i) switch { 16 => 0u, 32 => 1u, _ => 2u };

    private static uint Number(Register register) => (uint)Processor.GprOffset(register) / 8;
}
