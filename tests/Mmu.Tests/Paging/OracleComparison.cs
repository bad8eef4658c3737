using System;

using Xenolith.Oracle.Paging;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>Asks walker and oracle the same question, compares every part of the answers, and undoes what the walk wrote.</summary>
internal sealed unsafe class OracleComparison(TestMachine machine, byte[] denied)
{
    private readonly PagingOracle _oracle = new(machine.Host.Base, machine.Host.SizeBytes);
    private readonly OracleInput _input = new() { Allowed = (address, access, hypervisor) => Allowed(denied, address, access, hypervisor) };

    public int Cases { get; private set; }

    /// <summary>How many cases ended in each way: a test of many cases shows with them that it reached all endings.</summary>
    public int[] Endings { get; } = new int[5];

    public void Compare(ulong gva, AccessKind kind, AccessMode mode)
    {
        Cases++;
        OracleOutput expected = _oracle.Translate(Describe(gva, kind, mode));
        Endings[(int)expected.End]++;
        TranslationCounters before = machine.Unit.Counters;
        Span<ulong> old = stackalloc ulong[expected.Writes.Count];
        for (int i = 0; i < old.Length; i++)
        {
            old[i] = machine.Read64(expected.Writes[i].Address & ~7UL);
        }

        TranslationStatus status = machine.Translate(gva, kind, mode, out Translation actual);
        string? difference = Difference(expected, status, in actual, in before);
        if (difference is not null)
        {
            Assert.Fail($"{difference} for {kind} {mode} at 0x{gva:x}: {Registers()}");
        }

        for (int i = old.Length - 1; i >= 0; i--)
        {
            machine.Write64(expected.Writes[i].Address & ~7UL, old[i]);
        }
    }

    private static bool Allowed(byte[] denied, ulong address, OracleAccess access, bool hypervisor)
    {
        ulong frame = address >> 12;
        return frame >= (ulong)denied.Length || (denied[frame] & (1 << ((int)access + (hypervisor ? 4 : 0)))) == 0;
    }

    private OracleInput Describe(ulong gva, AccessKind kind, AccessMode mode)
    {
        PagingContext context = machine.Context;
        OracleInput input = _input;
        input.Paging = (context.Cr0 & (1UL << 31)) != 0;
        input.WriteProtect = (context.Cr0 & (1UL << 16)) != 0;
        input.PseBit = (context.Cr4 & (1UL << 4)) != 0;
        input.PaeBit = (context.Cr4 & (1UL << 5)) != 0;
        input.La57 = (context.Cr4 & (1UL << 12)) != 0;
        input.Smep = (context.Cr4 & (1UL << 20)) != 0;
        input.Smap = (context.Cr4 & (1UL << 21)) != 0;
        input.Pke = (context.Cr4 & (1UL << 22)) != 0;
        input.Pks = (context.Cr4 & (1UL << 24)) != 0;
        input.LongMode = (context.Efer & (1UL << 10)) != 0;
        input.Nxe = (context.Efer & (1UL << 11)) != 0;
        input.Ept = context.Eptp != 0;
        input.EptTable = context.Eptp & 0x000F_FFFF_FFFF_F000;
        input.EptLevels = (int)((context.Eptp >> 3) & 7) + 1;
        input.EptDirty = (context.Eptp & 0x40) != 0;
        input.EptModeBased = context.EptModeBasedExecute;
        input.Cr3 = context.Cr3;
        input.MaxPhyAddr = context.PhysicalAddressBits;
        input.Pkru = context.Pkru;
        input.Pkrs = context.Pkrs;
        for (int i = 0; i < 4; i++)
        {
            input.Pdpte[i] = context.Pdptes[i];
        }

        input.Linear = gva;
        input.Access = (OracleAccess)(int)kind;
        input.UserMode = mode == AccessMode.User;
        input.AcSet = mode == AccessMode.SupervisorAc;
        return input;
    }

    private string? Difference(OracleOutput expected, TranslationStatus status, in Translation actual, in TranslationCounters before)
    {
        if ((int)status != (int)expected.End)
        {
            return $"status {status} instead of {expected.End}";
        }

        TranslationCounters counters = machine.Unit.Counters;
        if (counters.GuestReferences - before.GuestReferences != (ulong)expected.GuestReferences
            || counters.EptReferences - before.EptReferences != (ulong)expected.EptReferences
            || counters.Updates - before.Updates != (ulong)expected.Updates
            || counters.Judged - before.Judged != (ulong)expected.Judged)
        {
            return $"counts differ (judged {counters.Judged - before.Judged} instead of {expected.Judged})";
        }

        // Of two writes to one entry only the later is there afterwards.
        for (int i = expected.Writes.Count - 1; i >= 0; i--)
        {
            (ulong address, int width, ulong value) = expected.Writes[i];
            bool isLast = expected.Writes.FindLastIndex(write => write.Address == address) == i;
            ulong found = width == 4 ? machine.Read32(address) : machine.Read64(address);
            if (isLast && found != value)
            {
                return $"entry at 0x{address:x} holds 0x{found:x} instead of 0x{value:x}";
            }
        }

        return status switch
        {
            TranslationStatus.Ok when actual.Hpa.Value != expected.HostPhysical || actual.Gpa.Value != expected.GuestPhysical =>
                $"GPA {actual.Gpa} HPA {actual.Hpa} instead of 0x{expected.GuestPhysical:x} 0x{expected.HostPhysical:x}",
            TranslationStatus.PageFault when (uint)actual.ErrorCode != expected.ErrorCode =>
                $"error code {actual.ErrorCode} instead of 0x{expected.ErrorCode:x}",
            TranslationStatus.EptViolation when actual.ExitQualification != expected.Qualification || actual.FaultGpa.Value != expected.FaultGuestPhysical =>
                $"qualification 0x{actual.ExitQualification:x} GPA {actual.FaultGpa} instead of 0x{expected.Qualification:x} 0x{expected.FaultGuestPhysical:x}",
            TranslationStatus.EptMisconfiguration when actual.FaultGpa.Value != expected.FaultGuestPhysical =>
                $"GPA {actual.FaultGpa} instead of 0x{expected.FaultGuestPhysical:x}",
            TranslationStatus.IsolationViolation when actual.ExitQualification != expected.Qualification
                || actual.FaultGpa.Value != expected.FaultGuestPhysical
                || actual.DeniedHpa.Value != expected.DeniedAddress
                || (int)actual.DeniedKind != (int)expected.DeniedAccess
                || (uint)actual.ErrorCode != expected.ErrorCode =>
                $"denial 0x{actual.ExitQualification:x} at {actual.DeniedHpa}, GPA {actual.FaultGpa}, code {actual.ErrorCode}, instead of "
                + $"0x{expected.Qualification:x} at 0x{expected.DeniedAddress:x}, 0x{expected.FaultGuestPhysical:x}, 0x{expected.ErrorCode:x}",
            _ => null,
        };
    }

    private string Registers() =>
        $"cr0={machine.Context.Cr0:x} cr3={machine.Context.Cr3:x} cr4={machine.Context.Cr4:x} efer={machine.Context.Efer:x} "
        + $"pkru={machine.Context.Pkru:x} pkrs={machine.Context.Pkrs:x} eptp={machine.Context.Eptp:x} bits={machine.Context.PhysicalAddressBits}";
}
