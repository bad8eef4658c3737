using System;
using System.Globalization;

using Xenolith.Mmu;

namespace Xenolith.SampleUnit;

/// <summary>
/// An isolation unit of an author who has never touched src/: nobody writes at or above an address, whoever asks.
/// The profile is the address: <c>--isolation-unit Xenolith.SampleUnit.dll --isolation deny-writes-above:0x1000000</c>.
/// </summary>
public readonly struct DenyWritesAbove(ulong limit) : IIsolationUnit
{
    public Verdict Judge(in PhysicalAccess access)
    {
        // Segment: the frame. One comparison is one look-up in this unit's "table". The verdict holds for this kind of access to the
        // whole page (the limit is page-aligned), which is what Allow and Deny say unless told otherwise.
        ulong frame = access.Address.Value >> Pages.Shift;
        return access.Kind == AccessKind.Write && access.Address.Value >= limit
            ? Verdict.Deny(frame, Vmid.Unit, lookups: 1)
            : Verdict.Allow(frame, lookups: 1);
    }
}

/// <summary>Puts the unit into machines; its name is how users select it.</summary>
public sealed class DenyWritesAboveFactory : IsolationFactory<DenyWritesAbove>
{
    public override string Name => "deny-writes-above";

    public override string Summary => "a sample: nobody writes at or above the address in the profile (hex)";

    protected override DenyWritesAbove CreateUnit(PhysicalBus bus, IsolationOptions options, out IsolationControl control)
    {
        ReadOnlySpan<char> digits = options.Profile.StartsWith("0x", StringComparison.Ordinal) ? options.Profile.AsSpan(2) : options.Profile;
        if (!ulong.TryParse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong limit) || limit % Pages.Size != 0)
        {
            throw new ArgumentException($"deny-writes-above needs a page-aligned hexadecimal address, not '{options.Profile}'", nameof(options));
        }

        // Identities and ownership do not matter to this unit: the base class hands out names, so that traces can tell who acted.
        control = new IsolationControl(bus.Memory.SizeBytes, options.SegmentSizeBytes);
        return new DenyWritesAbove(limit);
    }
}
