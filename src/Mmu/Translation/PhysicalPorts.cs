using System;
using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

// Access without translation: what Xen, the microcode and devices use. Each page touched is one judged access.
public sealed unsafe partial class TranslationUnit<TUnit, TProbe>
{
    public override Verdict Judge(in PhysicalAccess access)
    {
        if (TProbe.IsRecording)
        {
            BeginPort(in access);
        }

        Verdict verdict = JudgeCounted(in access);
        if (TProbe.IsRecording)
        {
            RecordPort(in access, in verdict, WalkStage.Datum);
            EndPort(in access, in verdict);
        }

        return verdict;
    }

    public override bool TryRead(Vmid name, Hpa address, Span<byte> destination, AccessOrigin origin)
    {
        if (!MayUse(name, address, (ulong)destination.Length, AccessKind.Read, origin))
        {
            return false;
        }

        new ReadOnlySpan<byte>(Bus.RamPointer(address), destination.Length).CopyTo(destination);
        return true;
    }

    public override bool TryWrite(Vmid name, Hpa address, ReadOnlySpan<byte> source, AccessOrigin origin)
    {
        if (!MayUse(name, address, (ulong)source.Length, AccessKind.Write, origin))
        {
            return false;
        }

        if (source.Length != 0)
        {
            Bus.NoteWrite(address, (ulong)source.Length);
            source.CopyTo(new Span<byte>(Bus.RamPointer(address), source.Length));
        }

        return true;
    }

    /// <summary>Judges the pages of a range, in order, up to the first refusal.</summary>
    private bool MayUse(Vmid name, Hpa address, ulong sizeBytes, AccessKind kind, AccessOrigin origin)
    {
        if (!Bus.IsRam(address, sizeBytes))
        {
            return false;
        }

        for (ulong done = 0; done < sizeBytes;)
        {
            Hpa piece = address + done;
            if (!Judge(new PhysicalAccess(piece, kind, origin, name)).IsAllowed)
            {
                return false;
            }

            done += Pages.Size - (piece.Value & Pages.OffsetMask);
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // once per reference; the copies of both structs go away with the call
    private Verdict JudgeCounted(in PhysicalAccess access)
    {
        Verdict verdict = _unit.Judge(in access);
        Counters.Judged++;
        Counters.Lookups += verdict.Lookups;
        if (!verdict.IsAllowed)
        {
            Counters.Denied++;
        }

        return verdict;
    }

    private void BeginPort(in PhysicalAccess access) => _probe.Begin(access.Kind, AccessMode.Supervisor, access.Origin);

    private void RecordPort(in PhysicalAccess access, in Verdict verdict, WalkStage stage) => _probe.Step(new TranslationStep
    {
        Stage = stage,
        Gpa = access.HasGuestAddress ? access.GuestAddress : new Gpa(access.Address.Value),
        Hpa = access.Address,
        Kind = access.Kind,
        Name = access.Name,
        Verdict = verdict,
    });

    private void EndPort(in PhysicalAccess access, in Verdict verdict)
    {
        Translation result = default;
        result.Gpa = new Gpa(access.Address.Value);
        result.Hpa = access.Address;
        result.Segment = verdict.Segment;
        result.Owner = verdict.Owner;
        if (verdict.IsAllowed)
        {
            _probe.End(TranslationStatus.Ok, in result);
            return;
        }

        result.DeniedHpa = access.Address;
        result.DeniedKind = access.Kind;
        result.DeniedOrigin = access.Origin;
        result.DeniedName = access.Name;
        _probe.End(TranslationStatus.IsolationViolation, in result);
    }
}
