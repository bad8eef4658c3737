using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// A page where local APICs may answer: each processor finds its own, as its IA32_APIC_BASE says; where none answers, the page is empty.
/// </summary>
internal sealed class LocalApicWindow(BareMachine machine, ulong address) : IMmioDevice
{
    public ulong Address => address;

    public ulong Read(ulong offset, int sizeBytes) =>
        machine.Current?.Apic is { } apic && apic.PageAddress == address ? apic.ReadPage(offset, sizeBytes) : ulong.MaxValue;

    public void Write(ulong offset, int sizeBytes, ulong value)
    {
        if (machine.Current?.Apic is { } apic && apic.PageAddress == address)
        {
            apic.WritePage(offset, sizeBytes, value);
        }
    }
}
