using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>
/// Guest paging, EPT and isolation unit composed, compiled for one unit and one probe. Parts: GuestWalk.cs (the linear address's
/// way to a guest-physical one), EptWalk.cs (from there to the host-physical one), WalkFaults.cs (how a walk ends badly),
/// PhysicalPorts.cs (judgement, and access in a given name).
/// </summary>
/// <typeparam name="TUnit">The isolation unit: the last judge of every access.</typeparam>
/// <typeparam name="TProbe">Who watches: <see cref="NoProbe"/> costs nothing.</typeparam>
public sealed unsafe partial class TranslationUnit<TUnit, TProbe> : MemoryUnit
    where TUnit : struct, IIsolationUnit
    where TProbe : struct, ITranslationProbe
{
    // Not readonly: a call through a readonly field of a type parameter copies the struct first.
    private TUnit _unit;
    private TProbe _probe;

    // The bus's own fields lie two objects away, which every reference would have to walk.
    private readonly byte* _ram;
    private readonly ulong _ramSizeBytes;

    internal TranslationUnit(PhysicalBus bus, IsolationControl control, TUnit unit, TProbe probe)
        : base(bus, control)
    {
        _unit = unit;
        _probe = probe;
        _ram = bus.Memory.Base;
        _ramSizeBytes = bus.Memory.SizeBytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // tiered code with profiling ran the walk up to 2.5 times slower
    public override TranslationStatus Translate(
        ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation)
    {
        translation = default;
        translation.Gva = gva;
        Unsafe.SkipInit(out Walk walk); // the entries used are written before they are read
        walk.Kind = kind;
        walk.Mode = mode;
        walk.HasGva = true;
        walk.ModeBasedExecute = context.EptModeBasedExecute;
        Counters.Walks++;
        if (TProbe.IsRecording)
        {
            TranslationRecord record = _probe.Begin(kind, mode, AccessOrigin.Datum);
            record.HasGva = true;
            record.Gva = gva;
        }

        TranslationStatus status = WalkGuest(ref context, gva, ref walk, ref translation);
        if (status == TranslationStatus.Ok)
        {
            status = ReachDatum(ref context, ref walk, ref translation);
        }

        if (status == TranslationStatus.Ok)
        {
            translation.MayRead = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Read, mode);
            translation.MayWrite = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Write, mode);
            translation.MayExecute = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Execute, mode);
        }

        if (TProbe.IsRecording)
        {
            _probe.End(status, in translation);
        }

        return status;
    }

    public override TranslationStatus TranslateGuestPhysical(
        ref PagingContext context, Gpa gpa, AccessKind kind, bool isPagingStructure, out Translation translation)
    {
        translation = default;
        translation.Gpa = gpa;
        Unsafe.SkipInit(out Walk walk);
        walk.Kind = kind;
        walk.Mode = AccessMode.Supervisor;
        walk.HasGva = false;
        walk.ModeBasedExecute = context.EptModeBasedExecute;
        walk.IsStructure = isPagingStructure;
        walk.Guest = PageRights.GuestAll | PageRights.Dirty;
        walk.IsGlobal = false;
        walk.GuestShift = 64;
        if (TProbe.IsRecording)
        {
            _probe.Begin(kind, AccessMode.Supervisor, isPagingStructure ? AccessOrigin.GuestPaging : AccessOrigin.Datum);
        }

        if (isPagingStructure)
        {
            Counters.GuestReferences++;
        }

        TranslationStatus status = ReachDatum(ref context, ref walk, ref translation);
        if (status == TranslationStatus.Ok)
        {
            translation.MayRead = (translation.Rights & PageRights.EptR) != 0;
            translation.MayWrite = (translation.Rights & PageRights.EptW) != 0;
            translation.MayExecute = (translation.Rights & PageRights.EptX) != 0;
        }

        if (TProbe.IsRecording)
        {
            _probe.End(status, in translation);
        }

        return status;
    }

    /// <summary>The last stage: EPT for the datum's own address, then the isolation unit for the datum itself.</summary>
    private TranslationStatus ReachDatum(ref PagingContext context, ref Walk walk, ref Translation translation)
    {
        Gpa gpa = translation.Gpa;
        TranslationStatus status = SecondStage(ref context, ref walk, gpa, walk.Kind, out Hpa hpa, out PageRights ept, out int eptShift, ref translation);
        if (status != TranslationStatus.Ok)
        {
            return status;
        }

        AccessOrigin origin = walk.IsStructure ? AccessOrigin.GuestPaging : AccessOrigin.Datum;
        PhysicalAccess access = new(hpa, walk.Kind, origin, context.Name, gpa);
        Verdict verdict = JudgeCounted(in access);
        if (TProbe.IsRecording)
        {
            RecordPort(in access, in verdict, walk.IsStructure ? WalkStage.Guest : WalkStage.Datum);
        }

        if (!verdict.IsAllowed)
        {
            return Denied(ref context, ref walk, in access, in verdict, ref translation);
        }

        // Dirty only when neither stage has a dirty bit left to set.
        PageRights dirty = walk.Guest & ept & PageRights.Dirty;
        translation.Rights = (walk.Guest & ~PageRights.Dirty) | (ept & ~PageRights.Dirty) | dirty | IsolationRights(walk.Kind, in verdict);
        translation.Hpa = hpa;
        translation.IsGlobal = walk.IsGlobal;
        int shift = walk.GuestShift < eptShift ? walk.GuestShift : eptShift;
        translation.PageShift = (byte)(shift == 64 ? Pages.Shift : shift);
        translation.GuestPageShift = (byte)(walk.GuestShift == 64 ? Pages.Shift : walk.GuestShift);
        translation.Segment = verdict.Segment;
        translation.Owner = verdict.Owner;
        return TranslationStatus.Ok;
    }

    /// <summary>What a TLB may repeat of the unit's answer.</summary>
    private static PageRights IsolationRights(AccessKind kind, in Verdict verdict)
    {
        PageRights kinds = verdict.HoldsForAllKinds
            ? PageRights.IsolationAll
            : (PageRights)((int)PageRights.IsolationRead << (int)kind);
        return verdict.HoldsForPage ? kinds | PageRights.IsolationPage : kinds;
    }
}
