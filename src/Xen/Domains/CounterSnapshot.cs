using Xenolith.Machine;
using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>The machine's counters before a VM entry, so that what the guest cost can be booked to its domain.</summary>
internal readonly unsafe struct CounterSnapshot
{
    private readonly TranslationCounters _translation;
    private readonly ulong _instructions;
    private readonly ulong _dataAccesses;
    private readonly ulong _dataMisses;
    private readonly ulong _slotAccesses;

    private CounterSnapshot(Board board)
    {
        _translation = board.MemoryUnit.Counters;
        _instructions = board.RetiredInstructions;
        _dataAccesses = board.Processor.State->DataAccesses;
        _dataMisses = board.Processor.Tlb.Counters.DataMisses;
        _slotAccesses = board.MemoryUnit.Control.SlotAccesses;
    }

    public static CounterSnapshot Take(Board board) => new(board);

    public void AddDifference(Board board, DomainCounters counters)
    {
        ref TranslationCounters now = ref board.MemoryUnit.Counters;
        ref TranslationCounters sum = ref counters.Translation;
        sum.Walks += now.Walks - _translation.Walks;
        sum.GuestReferences += now.GuestReferences - _translation.GuestReferences;
        sum.EptReferences += now.EptReferences - _translation.EptReferences;
        sum.Updates += now.Updates - _translation.Updates;
        sum.Judged += now.Judged - _translation.Judged;
        sum.Lookups += now.Lookups - _translation.Lookups;
        sum.Denied += now.Denied - _translation.Denied;
        counters.Instructions += board.RetiredInstructions - _instructions;
        counters.DataAccesses += board.Processor.State->DataAccesses - _dataAccesses;
        counters.DataTlbMisses += board.Processor.Tlb.Counters.DataMisses - _dataMisses;
        counters.SlotAccesses += board.MemoryUnit.Control.SlotAccesses - _slotAccesses;
    }
}
