using System;
using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// A small machine for tests of translation: RAM, one memory unit, one set of paging registers, and hands to write tables with.
/// </summary>
internal sealed unsafe class TestMachine : ITranslationSink, IDisposable
{
    public const ulong P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100, XD = 1UL << 63;
    public const ulong All = P | RW | US | A | D;
    public const ulong EptRwx = 7, EptWriteBack = 6 << 3;

    private ulong _nextFrame = 1;

    private TestMachine(HostMemory memory, Func<PhysicalBus, ITranslationSink, MemoryUnit> build)
    {
        Host = memory;
        Bus = new PhysicalBus(memory);
        Unit = build(Bus, this);
        Context.PhysicalAddressBits = 40;
        Context.Name = ScriptedUnit.Guest;
        Context.HypervisorName = ScriptedUnit.Hypervisor;
    }

    public HostMemory Host { get; }

    public PhysicalBus Bus { get; }

    public MemoryUnit Unit { get; }

    public PagingContext Context;

    /// <summary>Records of what was translated, newest last, with their steps copied.</summary>
    public List<(TranslationStatus Status, int References, int Updates, TranslationStep[] Steps, TranslationRecord Record)> Records { get; } = [];

    public static TestMachine WithScript(byte[] denied, ulong memorySize = 1 << 20, bool recording = false) => new(
        new HostMemory(memorySize),
        (bus, sink) =>
        {
            IsolationControl control = new(memorySize, Pages.Size);
            return recording
                ? new TranslationUnit<ScriptedUnit, RecordingProbe>(bus, control, new ScriptedUnit(denied), new RecordingProbe(sink))
                : new TranslationUnit<ScriptedUnit, NoProbe>(bus, control, new ScriptedUnit(denied), default);
        });

    public static TestMachine With(string isolation, ulong memorySize = 16 << 20, ulong segmentSize = 4096, bool recording = false) => new(
        new HostMemory(memorySize),
        (bus, sink) => new IsolationRegistry().Parse(isolation).Build(bus, segmentSize, recording ? sink : null));

    public void OnTranslation(TranslationRecord record) =>
        Records.Add((record.Status, record.References, record.Updates, record.Steps.ToArray(), record));

    public ulong Read64(ulong address) => *(ulong*)(Host.Base + address);

    public uint Read32(ulong address) => *(uint*)(Host.Base + address);

    public void Write64(ulong address, ulong value) => *(ulong*)(Host.Base + address) = value;

    public void Write32(ulong address, uint value) => *(uint*)(Host.Base + address) = value;

    /// <summary>A zeroed frame of its own.</summary>
    public ulong NewFrame()
    {
        ulong address = _nextFrame++ * Pages.Size;
        new Span<byte>(Host.Base + address, (int)Pages.Size).Clear();
        return address;
    }

    /// <summary>Long mode, with 4 or 5 levels, and an empty top table.</summary>
    public void UseLongMode(int levels)
    {
        Context.Cr0 = Cr0.PG | Cr0.WP | 1;
        Context.Cr4 = Cr4.PAE | (levels == 5 ? Cr4.LA57 : 0);
        Context.Efer = Efer.LME | Efer.LMA | Efer.NXE;
        Context.Cr3 = NewFrame();
    }

    /// <summary>EPT with an identity map of the whole memory in pages of one level (1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB).</summary>
    public void UseIdentityEpt(int levels, int leafLevel, ulong flags = 0)
    {
        ulong top = NewFrame();
        Context.Eptp = top | ((ulong)(levels - 1) << 3) | 6 | flags;
        int shift = 12 + (9 * (leafLevel - 1));
        for (ulong gpa = 0; gpa < Host.SizeBytes; gpa += 1UL << shift)
        {
            MapEpt(gpa, gpa, leafLevel, EptRwx);
        }
    }

    /// <summary>Maps one EPT page; tables that are missing are made.</summary>
    /// <returns>The address of the leaf entry.</returns>
    public ulong MapEpt(ulong gpa, ulong hpa, int leafLevel, ulong rights)
    {
        ulong table = Context.Eptp & 0x000F_FFFF_FFFF_F000;
        for (int level = (int)((Context.Eptp >> 3) & 7) + 1; ; level--)
        {
            ulong entry = table + (((gpa >> (12 + (9 * (level - 1)))) & 511) * 8);
            if (level == leafLevel)
            {
                Write64(entry, hpa | rights | EptWriteBack | (level > 1 ? PS : 0));
                return entry;
            }

            if ((Read64(entry) & 7) == 0)
            {
                Write64(entry, NewFrame() | EptRwx);
            }

            table = Read64(entry) & 0x000F_FFFF_FFFF_F000;
        }
    }

    /// <summary>Maps one page of 8-byte-entry paging below a table of a given level; tables that are missing are made.</summary>
    /// <returns>The addresses of the entries, top first.</returns>
    public ulong[] Map(ulong gva, ulong gpa, int topLevel, int leafLevel, ulong flags, ulong? topTable = null)
    {
        List<ulong> entries = [];
        ulong table = topTable ?? (Context.Cr3 & 0x000F_FFFF_FFFF_F000);
        for (int level = topLevel; ; level--)
        {
            ulong entry = table + (((gva >> (12 + (9 * (level - 1)))) & 511) * 8);
            entries.Add(entry);
            if (level == leafLevel)
            {
                Write64(entry, gpa | flags | (level > 1 ? PS : 0));
                return [.. entries];
            }

            if ((Read64(entry) & P) == 0)
            {
                Write64(entry, NewFrame() | All);
            }

            table = Read64(entry) & 0x000F_FFFF_FFFF_F000;
        }
    }

    public TranslationStatus Translate(ulong gva, AccessKind kind, AccessMode mode, out Translation translation) =>
        Unit.Translate(ref Context, new Gva(gva), kind, mode, out translation);

    public void Dispose() => Host.Dispose();
}
