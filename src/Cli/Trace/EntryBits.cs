using System.Text;

using Xenolith.Mmu;

namespace Xenolith.Cli.Trace;

/// <summary>The bits of paging-structure entries by the names that the manual gives them.</summary>
internal static class EntryBits
{
    /// <summary>An entry of the guest's own tables (SDM 3A "Paging-Structure Entries").</summary>
    public static string Guest(ulong entry, int level)
    {
        if ((entry & 1) == 0)
        {
            return "not present";
        }

        StringBuilder text = new("P");
        Add(text, entry, 1, "RW");
        Add(text, entry, 2, "US");
        Add(text, entry, 3, "PWT");
        Add(text, entry, 4, "PCD");
        Add(text, entry, 5, "A");
        bool isLeaf = level == 1 || (level is 2 or 3 && (entry & (1UL << 7)) != 0);
        if (isLeaf)
        {
            Add(text, entry, 6, "D");
            Add(text, entry, 8, "G");
        }

        Add(text, entry, 7, level == 1 ? "PAT" : "PS");
        if (isLeaf && (entry >> 59 & 0xF) is > 0 and ulong key)
        {
            text.Append(" PK=").Append(key);
        }

        Add(text, entry, 63, "XD");
        return text.ToString();
    }

    /// <summary>An EPT entry (SDM 3C "EPT Translation Mechanism").</summary>
    public static string Ept(ulong entry, int level)
    {
        if ((entry & 7) == 0)
        {
            return "not present";
        }

        StringBuilder text = new();
        Add(text, entry, 0, "R");
        Add(text, entry, 1, "W");
        Add(text, entry, 2, "X");
        bool isLeaf = level == 1 || (level is 2 or 3 && (entry & (1UL << 7)) != 0);
        if (isLeaf)
        {
            text.Append((entry >> 3 & 7) switch { 0 => " UC", 1 => " WC", 4 => " WT", 5 => " WP", 6 => " WB", _ => " bad memory type" });
            Add(text, entry, 6, "IPAT");
        }

        if (level > 1)
        {
            Add(text, entry, 7, "PS");
        }

        Add(text, entry, 8, "A");
        if (isLeaf)
        {
            Add(text, entry, 9, "D");
        }

        Add(text, entry, 10, "XU");
        return text.ToString();
    }

    public static string LevelName(int level) => level switch { 5 => "PML5", 4 => "PML4", 3 => "PDPT", 2 => "PD", 1 => "PT", _ => $"level {level}" };

    public static string Of(TraceStep step) => step.Stage == WalkStage.Ept ? Ept(step.Entry, step.Level) : Guest(step.Entry, step.Level);

    private static void Add(StringBuilder text, ulong entry, int bit, string name)
    {
        if ((entry >> bit & 1) != 0)
        {
            text.Append(text.Length > 0 ? " " : "").Append(name);
        }
    }
}
