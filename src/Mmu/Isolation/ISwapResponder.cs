namespace Xenolith.Mmu;

/// <summary>
/// Who can make a VM give memory back: the hypervisor, by its balloon driver or by paging the VM out (ASMI Algorithm 1, line 6).
/// </summary>
public interface ISwapResponder
{
    /// <summary>
    /// Asks for one segment of a VM that holds more than its share. Whoever answers has called <see cref="IsolationControl.Release"/>
    /// for one before it returns.
    /// </summary>
    /// <returns>False when the request stays unanswered.</returns>
    bool FreeOneSegment(Vmid victim);
}
