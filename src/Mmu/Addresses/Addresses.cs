namespace Xenolith.Mmu;

/// <summary>A linear address of a guest or of the host (SDM 3A "Linear Address"): before any paging.</summary>
public readonly record struct Gva(ulong Value)
{
    public Gva Page => new(Value & ~Pages.OffsetMask);

    public static Gva operator +(Gva address, ulong bytes) => new(address.Value + bytes);

    public override string ToString() => $"0x{Value:x}";
}

/// <summary>A guest-physical address (SDM 3C "The Extended Page Table Mechanism"): after guest paging, before EPT.</summary>
public readonly record struct Gpa(ulong Value)
{
    public Gfn Frame => new(Value >> Pages.Shift);

    public static Gpa operator +(Gpa address, ulong bytes) => new(address.Value + bytes);

    public override string ToString() => $"0x{Value:x}";
}

/// <summary>A host-physical address: what the isolation unit judges and what memory and devices see.</summary>
public readonly record struct Hpa(ulong Value)
{
    public Mfn Frame => new(Value >> Pages.Shift);

    public static Hpa operator +(Hpa address, ulong bytes) => new(address.Value + bytes);

    public override string ToString() => $"0x{Value:x}";
}

/// <summary>A guest frame number: GPA >> 12 (Xen's gfn, xen/include/xen/mm-frame.h).</summary>
public readonly record struct Gfn(ulong Value)
{
    public Gpa Address => new(Value << Pages.Shift);

    public static Gfn operator +(Gfn frame, ulong frames) => new(frame.Value + frames);

    public override string ToString() => $"0x{Value:x}";
}

/// <summary>A machine frame number: HPA >> 12 (Xen's mfn, xen/include/xen/mm-frame.h).</summary>
public readonly record struct Mfn(ulong Value)
{
    public Hpa Address => new(Value << Pages.Shift);

    public static Mfn operator +(Mfn frame, ulong frames) => new(frame.Value + frames);

    public override string ToString() => $"0x{Value:x}";
}

/// <summary>The 4-KiB page, unit of every frame number.</summary>
public static class Pages
{
    public const int Shift = 12;
    public const ulong Size = 1UL << Shift;
    public const ulong OffsetMask = Size - 1;
}

/// <summary>
/// An identity that the isolation unit hands out (ASMI 3.2: what VMIDR holds). Zero is "before registration":
/// no hypervisor has registered, and free segments have this owner (docs/asmi.md, G8).
/// </summary>
public readonly record struct Vmid(uint Value)
{
    public static Vmid None => default;

    /// <summary>The isolation unit itself, as the owner of what nobody else may touch; never handed out.</summary>
    public static Vmid Unit => new(uint.MaxValue);

    public override string ToString() => this == Unit ? "unit" : Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
