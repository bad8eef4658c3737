using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>SDM 3A "Determination of Access Rights" and "Protection Keys", as questions about one page.</summary>
internal static class AccessRights
{
    /// <summary>Where the protection key lies in <see cref="PageRights.KeyMask"/>.</summary>
    public const int KeyShift = 8;

    /// <summary>May this access be made, as far as guest paging is concerned?</summary>
    public static bool GuestAllows(ref PagingContext context, PageRights rights, AccessKind kind, AccessMode mode)
    {
        bool isUserAddress = (rights & PageRights.US) != 0;
        if (mode == AccessMode.User && !isUserAddress)
        {
            return false;
        }

        if (kind == AccessKind.Execute)
        {
            // XD was gathered only where EFER.NXE makes it a right; SMEP forbids supervisors the users' code.
            bool smep = mode != AccessMode.User && isUserAddress && (context.Cr4 & Cr4.SMEP) != 0;
            return (rights & PageRights.XD) == 0 && !smep;
        }

        // SMAP: a supervisor touches users' data only explicitly, with EFLAGS.AC set.
        if (mode == AccessMode.Supervisor && isUserAddress && (context.Cr4 & Cr4.SMAP) != 0)
        {
            return false;
        }

        // CR0.WP = 0 lets supervisors write to read-only pages.
        bool honoursReadOnly = mode == AccessMode.User || (context.Cr0 & Cr0.WP) != 0;
        if (kind == AccessKind.Write && honoursReadOnly && (rights & PageRights.RW) == 0)
        {
            return false;
        }

        return KeyAllows(ref context, rights, kind, mode);
    }

    /// <summary>
    /// Do the protection keys allow this data access? (PKRU for user-mode addresses, IA32_PKRS for supervisor-mode ones.)
    /// </summary>
    public static bool KeyAllows(ref PagingContext context, PageRights rights, AccessKind kind, AccessMode mode)
    {
        bool isUserAddress = (rights & PageRights.US) != 0;
        ulong enable = isUserAddress ? Cr4.PKE : Cr4.PKS;
        if ((context.Cr4 & enable) == 0 || (context.Efer & Efer.LMA) == 0 || kind == AccessKind.Execute)
        {
            return true;
        }

        // A user-mode access to a supervisor-mode address is refused by U/S already; IA32_PKRS speaks of supervisor-mode accesses.
        if (!isUserAddress && mode == AccessMode.User)
        {
            return true;
        }

        int key = (int)(rights & PageRights.KeyMask) >> KeyShift;
        uint register = (isUserAddress ? context.Pkru : context.Pkrs) >> (2 * key);
        bool accessDisabled = (register & 1) != 0;
        bool writeDisabled = (register & 2) != 0 && (mode == AccessMode.User || (context.Cr0 & Cr0.WP) != 0);
        return !accessDisabled && !(kind == AccessKind.Write && writeDisabled);
    }

    /// <summary>
    /// Which EPT rights an access needs (SDM 3C "EPT Violations"; execute by the kind of linear address when mode-based).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PageRights EptNeeds(AccessKind kind, bool isUserAddress) => kind switch
    {
        AccessKind.Read => PageRights.EptR,
        AccessKind.Write => PageRights.EptW,
        _ => isUserAddress ? PageRights.EptXU : PageRights.EptX,
    };

    /// <summary>May this access go on without a walk, all stages considered?</summary>
    public static bool AllAllow(ref PagingContext context, PageRights rights, AccessKind kind, AccessMode mode)
    {
        PageRights needs = EptNeeds(kind, (rights & PageRights.US) != 0) | (PageRights)((int)PageRights.IsolationRead << (int)kind);
        if (kind == AccessKind.Write)
        {
            needs |= PageRights.Dirty;
        }

        return (rights & needs) == needs && GuestAllows(ref context, rights, kind, mode);
    }
}
