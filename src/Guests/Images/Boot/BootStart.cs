using System;
using Xenolith.Cpu;
using Xenolith.Machine;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>Carries out a load plan on a machine: memory, and the first processor's registers.</summary>
public static unsafe class BootStart
{
    private const ushort CodeSelector = 0x10;
    private const ushort DataSelector = 0x18;
    private const uint FlatCode = 0xC09B;
    private const uint FlatData = 0xC093;
    private const uint BusyTss = 0x8B;
    private const ulong InterruptFlag = 1 << 9;

    /// <exception cref="ImageFormatException">The isolation unit refuses the loader a place.</exception>
    public static void Apply(BareMachine machine, BootPlan plan, string imageName)
    {
        foreach (LoadChunk chunk in plan.Chunks)
        {
            Hpa start = new(chunk.Start.Value);
            if (!machine.MemoryUnit.TryWrite(machine.MemoryUnit.Control.Hypervisor, start, chunk.Bytes.Span))
            {
                throw new ImageFormatException($"{imageName}: the isolation unit refuses to load it at {chunk.Start}; choose another unit");
            }
        }

        CpuState* cpu = machine.Processors[0].State;
        for (int i = 0; i < 16; i++)
        {
            cpu->Gpr[i] = 0;
        }

        StartState state = plan.Start;
        cpu->Gpr[0] = state.Eax;
        cpu->Gpr[3] = state.Ebx;
        cpu->Gpr[2] = state.Edx;
        cpu->Gpr[6] = state.Esi;
        cpu->Gpr[4] = state.Esp;
        cpu->Rip = state.Entry.Value;
        if (state.Mode == StartMode.Protected)
        {
            EnterProtected(cpu, state.Gdt.Value);
        }
        else
        {
            EnterReal(cpu);
        }
    }

    private static void EnterProtected(CpuState* cpu, ulong gdt)
    {
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            bool isCode = index == SegmentIndex.CS;
            cpu->Segments[(int)index] = new SegmentRegister
            {
                Selector = isCode ? CodeSelector : DataSelector,
                Limit = uint.MaxValue,
                AccessRights = isCode ? FlatCode : FlatData,
            };
        }

        cpu->Segments[(int)SegmentIndex.TR] = new SegmentRegister { Limit = 0x67, AccessRights = BusyTss };
        cpu->Gdtr = new TableRegister { Base = gdt, Limit = (ushort)(BootPlan.FlatGdt.Length - 1) };
        cpu->Paging.Cr0 = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Et;
    }

    private static void EnterReal(CpuState* cpu)
    {
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            cpu->Segments[(int)index].Selector = 0;
            cpu->Segments[(int)index].Base = 0;
        }

        cpu->RflagsSystem |= (uint)InterruptFlag;
    }
}
