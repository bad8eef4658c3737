using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// MSR areas (SDM 3C "Loading MSRs", "Saving MSRs"). An entry has 16 bytes: MSR number (31:0), reserved (63:32), value (127:64).
/// The areas are the hypervisor's memory, and judged in its name.
/// </content>
public sealed unsafe partial class VmxUnit
{
    private const ulong MsrEntrySize = 16;

    /// <summary>Loads an area; gives 0, or the number, from 1, of the entry that failed.</summary>
    private uint LoadMsrs(VmcsField addressField, uint count)
    {
        ulong address = Read(addressField);
        for (uint i = 0; i < count; i++)
        {
            // An area longer than recommended is a failure here, so that no count makes the processor loop for long.
            if (i >= VmxCapabilities.MaxMsrAreaCount || !TryMsrEntry(address + (i * MsrEntrySize), AccessKind.Read, out ulong* entry))
            {
                return i + 1;
            }

            uint msr = (uint)entry[0];
            bool isForbidden = msr is ModelSpecificRegisters.FsBase or ModelSpecificRegisters.GsBase or ModelSpecificRegisters.SmmMonitorControl
                or (>= ModelSpecificRegisters.X2ApicFirst and <= ModelSpecificRegisters.X2ApicLast);
            if (entry[0] >> 32 != 0 || isForbidden || !_processor.TryWriteMsr(msr, entry[1]))
            {
                return i + 1;
            }
        }

        return 0;
    }

    private bool StoreMsrs()
    {
        ulong address = Read(VmcsField.ExitMsrStoreAddress);
        uint count = Read32(VmcsField.ExitMsrStoreCount);
        for (uint i = 0; i < count; i++)
        {
            if (i >= VmxCapabilities.MaxMsrAreaCount || !TryMsrEntry(address + (i * MsrEntrySize), AccessKind.Write, out ulong* entry)
                || entry[0] >> 32 != 0 || !_processor.TryReadMsr((uint)entry[0], out ulong value))
            {
                return false;
            }

            entry[1] = value;
        }

        return true;
    }

    private bool TryMsrEntry(ulong address, AccessKind kind, out ulong* entry)
    {
        bool reachable = TryStructure(State->Paging.HypervisorName, address, kind, out byte* pointer);
        entry = (ulong*)pointer;
        return reachable;
    }
}
