using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Condition codes (SDM 1 "EFLAGS Condition Codes").</summary>
internal static unsafe class Conditions
{
    public static bool Holds(CpuState* cpu, ConditionCode condition) => condition switch
    {
        ConditionCode.o => LazyFlags.Overflow(cpu),
        ConditionCode.no => !LazyFlags.Overflow(cpu),
        ConditionCode.b => LazyFlags.Carry(cpu),
        ConditionCode.ae => !LazyFlags.Carry(cpu),
        ConditionCode.e => LazyFlags.Zero(cpu),
        ConditionCode.ne => !LazyFlags.Zero(cpu),
        ConditionCode.be => LazyFlags.Carry(cpu) || LazyFlags.Zero(cpu),
        ConditionCode.a => !LazyFlags.Carry(cpu) && !LazyFlags.Zero(cpu),
        ConditionCode.s => LazyFlags.Sign(cpu),
        ConditionCode.ns => !LazyFlags.Sign(cpu),
        ConditionCode.p => LazyFlags.Parity(cpu),
        ConditionCode.np => !LazyFlags.Parity(cpu),
        ConditionCode.l => LazyFlags.Less(cpu),
        ConditionCode.ge => !LazyFlags.Less(cpu),
        ConditionCode.le => LazyFlags.Less(cpu) || LazyFlags.Zero(cpu),
        ConditionCode.g => !LazyFlags.Less(cpu) && !LazyFlags.Zero(cpu),
        _ => true,
    };
}
