using System;
using System.Collections.Generic;
using System.CommandLine;

using Xenolith.Cli.Machine;
using Xenolith.Mmu;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary>The options that say what machine a command runs on.</summary>
internal sealed class MachineOptionSet
{
    private const ulong SmallestMachineBytes = 16UL << 20;
    private const ulong LargestMachineBytes = 1UL << 40;

    private readonly Option<string> _isolation = new("--isolation")
    {
        HelpName = "NAME[:PROFILE]",
    };

    private readonly Option<string[]> _unit = new("--isolation-unit")
    {
        HelpName = "ASSEMBLY",
        Description = "An assembly that brings isolation units of its own; may be given again",
    };

    private readonly Option<string> _segmentSize = new("--segment-size")
    {
        HelpName = "SIZE",
        Description = "Segment of physical memory that has one owner: a power of two from 4K to 1G",
        DefaultValueFactory = static _ => "4K",
    };

    private readonly Option<string> _memory = new("--memory")
    {
        HelpName = "SIZE",
        Description = "RAM of the machine",
    };

    private readonly Option<ulong> _seed = new("--seed")
    {
        HelpName = "N",
        Description = "Seed of the scheduler: the same seed, images and input give the same run",
        DefaultValueFactory = static _ => 1UL,
    };

    private readonly Option<ulong?> _maxInstructions = new("--max-instructions")
    {
        HelpName = "N",
        Description = "Stop after so many instructions, all guests together",
    };

    private MachineOptionSet(string isolation, string memory)
    {
        _isolation.DefaultValueFactory = _ => isolation;
        _memory.DefaultValueFactory = _ => memory;
        List<string> units = [];
        foreach (IsolationFactory factory in new IsolationRegistry().Factories)
        {
            units.Add($"{factory.Name} ({factory.Summary})");
        }

        _isolation.Description = "Isolation unit between paging and memory: " + string.Join("; ", units);
    }

    /// <param name="isolation">The unit when none is named.</param>
    /// <param name="memory">The size of the RAM when none is given.</param>
    public static MachineOptionSet AddTo(Command command, string isolation = MachineOptions.DefaultIsolation, string memory = "1G")
    {
        MachineOptionSet set = new(isolation, memory);
        command.Add(set._isolation);
        command.Add(set._unit);
        command.Add(set._segmentSize);
        command.Add(set._memory);
        command.Add(set._seed);
        command.Add(set._maxInstructions);
        return set;
    }

    /// <exception cref="InputException">A value is impossible.</exception>
    public MachineOptions Read(ParseResult arguments)
    {
        ulong memory = Sizes.Parse("--memory", arguments.GetRequiredValue(_memory));
        ulong segment = Sizes.Parse("--segment-size", arguments.GetRequiredValue(_segmentSize));
        if (segment < Pages.Size || segment > 1UL << 30 || !ulong.IsPow2(segment))
        {
            throw new InputException($"--segment-size: {segment} bytes is impossible; give a power of two from 4K to 1G");
        }

        if (memory is < SmallestMachineBytes or > LargestMachineBytes || memory % segment != 0 || memory % Pages.Size != 0)
        {
            throw new InputException("--memory: give a size from 16M to 1024G that is a whole number of segments");
        }

        return new MachineOptions
        {
            Isolation = arguments.GetRequiredValue(_isolation),
            PlugIns = arguments.GetValue(_unit) ?? [],
            SegmentSizeBytes = segment,
            MemoryBytes = memory,
            Seed = arguments.GetValue(_seed),
            MaxInstructions = arguments.GetValue(_maxInstructions) ?? ulong.MaxValue,
        };
    }

    /// <summary>The isolation unit was named, rather than left to the default.</summary>
    public bool NamesIsolation(ParseResult arguments) => arguments.GetResult(_isolation) is { Implicit: false };
}
