using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

using Iced.Intel;

using Xenolith.Cpu;

namespace Xenolith.Oracle.Silicon;

/// <summary>The commands of the silicon oracle (tests/Oracle/README.md).</summary>
public static class SiliconCommand
{
    private const int Skipped = 77;

    public static int Run(ReadOnlySpan<string> args)
    {
        Options options = new();
        string command = args.Length == 0 ? "" : args[0];
        for (int i = 1; i + 1 < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--group":
                    options.Group = args[i + 1];
                    break;
                case "--cases":
                    options.Cases = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--seed":
                    options.Seed = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--bits":
                    options.Bits = [int.Parse(args[i + 1], CultureInfo.InvariantCulture)];
                    break;
                case "--code":
                    options.Code = args[i + 1];
                    break;
                case "--show":
                    options.Show = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--out":
                    options.Folder = args[i + 1];
                    break;
            }
        }

        using NativeRunner? native = NativeRunner.TryStart(out string? reason);
        if (native is null)
        {
            Console.Error.WriteLine("skipped: " + reason);
            return Skipped;
        }

        return command switch
        {
            "compare" => Compare(native, options),
            "capture" => Capture(native, options),
            "encodings" => Encodings(native, options),
            _ => Usage(),
        };
    }

    private static int Usage()
    {
        Console.Error.WriteLine("usage: silicon compare [--group G] [--bits 64|32] [--code CODE] [--cases N] [--seed N] [--show N]"
            + " | silicon capture --out FOLDER [--group G] [--cases N] [--seed N]");
        return 2;
    }

    private static int Compare(NativeRunner native, Options options)
    {
        using EmulatedRunner emulated = new();
        Console.WriteLine($"{"group",-10} {"bits",4} {"codes",6} {"missing",7} {"cases",9} {"mismatches",10} {"1 ulp",6}  undefined flags that differ");
        bool clean = true;
        foreach ((string group, _) in CaseGroups.All)
        {
            if (options.Group is not null && options.Group != group)
            {
                continue;
            }

            foreach (int bits in options.Bits)
            {
                ComparisonTable table = CompareGroup(native, emulated, group, bits, options);
                clean &= table.Mismatches == 0;
                string undefined = string.Join(' ', table.UndefinedDifferences.Select(e => $"{e.Key}:{FlagNames(e.Value)}"));
                Console.WriteLine($"{group,-10} {bits,4} {table.Codes,6} {table.Missing,7} {table.Cases,9} {table.Mismatches,10} {table.LastPlace,6}  {undefined}");
            }
        }

        return clean ? 0 : 1;
    }

    private static ComparisonTable CompareGroup(NativeRunner native, EmulatedRunner emulated, string group, int bits, Options options)
    {
        ComparisonTable table = new();
        SiliconRequest[] requests = new SiliconRequest[options.Cases];
        SiliconReply[] replies = new SiliconReply[options.Cases];
        Instruction[] instructions = new Instruction[options.Cases];
        foreach (Code code in CaseGroups.Codes(group, bits))
        {
            if (options.Code is not null && !code.ToString().StartsWith(options.Code, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (!ColdTable.Instance.Has(code))
            {
                table.Missing++;
                if (options.Code is not null || options.Show < 0)
                {
                    Console.WriteLine($"  missing {code}");
                }

                continue;
            }

            CaseGenerator generator = new(code, bits, options.Seed);
            int made = 0;
            while (made < options.Cases && generator.TryNext(out requests[made], out instructions[made]))
            {
                made++;
            }

            if (made == 0)
            {
                continue;
            }

            native.Run(requests.AsSpan(0, made), replies.AsSpan(0, made));
            table.Codes++;
            table.Cases += made;
            int shown = 0;
            for (int i = 0; i < made; i++)
            {
                string differences = CompareCase(native, emulated, table, in requests[i], in instructions[i], ref replies[i], i);
                if (differences.Length != 0)
                {
                    table.Mismatches++;
                    if (shown++ < options.Show)
                    {
                        Console.WriteLine($"  {code}:{differences}");
                        Console.WriteLine("      " + CaseText.Format(in requests[i], in replies[i], instructions[i].ToString(), 0));
                    }
                }
            }

            if (shown > 0 && options.Show >= 0)
            {
                Console.WriteLine($"  {code}: {shown} of {made}");
            }
        }

        return table;
    }

    private static string CompareCase(
        NativeRunner native, EmulatedRunner emulated, ComparisonTable table, in SiliconRequest request, in Instruction instruction,
        ref SiliconReply reply, int number)
    {
        StateCases.Normalise(in request, in instruction, ref reply);
        const uint MisalignedMode = 1 << 17; // of MXCSR, on AMD processors only
        if (CaseGroups.IsArtefact(instruction.Code, reply.Vector) || (reply.State.Mxcsr & MisalignedMode) != 0)
        {
            return "";
        }

        // Both ways through the processor, in turn.
        SiliconReply ours = (number & 1) == 0 ? emulated.Run(in request) : emulated.Step(in request);
        return Judge(table, native, in instruction, in request, ref reply, ref ours);
    }

    /// <summary>What differs beyond the flags that the manual leaves undefined; those only go into the table.</summary>
    private static string Judge(
        ComparisonTable table, NativeRunner native, in Instruction instruction, in SiliconRequest request, ref SiliconReply theirs, ref SiliconReply ours)
    {
        // An interrupt between FNSTENV and the instruction before it makes an AMD processor forget the pointers, and one in the middle of
        // any case leaves more components "in use" than there are: once more.
        if (!Comparison.IsApproximate(in instruction) && Comparison.Differences(in theirs, in ours, 0).Length != 0)
        {
            theirs = native.Run(in request);
            StateCases.Normalise(in request, in instruction, ref theirs);
        }

        if (Comparison.IsApproximate(in instruction) && Comparison.ForgiveLastPlace(in theirs, ref ours))
        {
            table.LastPlace++;
        }

        ulong undefined = Comparison.UndefinedFlags(in instruction);
        string differences = Comparison.Differences(in theirs, in ours, undefined);
        ulong flags = Comparison.FlagDifferences(in theirs, in ours) & undefined;
        if (flags != 0 && differences.Length == 0)
        {
            string name = instruction.Mnemonic.ToString().ToLowerInvariant();
            table.UndefinedDifferences[name] = table.UndefinedDifferences.GetValueOrDefault(name) | flags;
        }

        return differences;
    }

    /// <summary>Random VEX encodings: what silicon refuses is refused.</summary>
    private static int Encodings(NativeRunner native, Options options)
    {
        using EmulatedRunner emulated = new();
        int mismatches = 0;
        foreach (int bits in options.Bits)
        {
            Random random = new(options.Seed);
            int refused = 0;
            for (int i = 0; i < options.Cases; i++)
            {
                EncodingCases.Next((uint)bits, random, out SiliconRequest request);
                if (!EncodingCases.IsComparable(in request, out Instruction instruction))
                {
                    continue;
                }

                SiliconReply theirs = native.Run(in request);
                SiliconReply ours = emulated.Run(in request);
                refused += theirs.Vector == 6 ? 1 : 0;
                string differences = Comparison.Differences(in theirs, in ours, Comparison.UndefinedFlags(in instruction));
                if (differences.Length != 0 && mismatches++ < options.Show)
                {
                    Console.WriteLine($"  {instruction.Code}:{differences}");
                    Console.WriteLine("      " + CaseText.Format(in request, in theirs, instruction.ToString(), 0));
                }
            }

            Console.WriteLine($"encodings {bits}: {options.Cases} cases, {refused} refused by silicon, {mismatches} mismatches");
        }

        return mismatches == 0 ? 0 : 1;
    }

    private static int Capture(NativeRunner native, Options options)
    {
        if (options.Folder is null)
        {
            return Usage();
        }

        foreach ((string group, _) in CaseGroups.All)
        {
            if (options.Group is not null && options.Group != group)
            {
                continue;
            }

            foreach (int bits in options.Bits)
            {
                List<string> lines = [];
                foreach (Code code in CaseGroups.Codes(group, bits))
                {
                    CaseGenerator generator = new(code, bits, options.Seed);
                    for (int i = 0; i < options.Cases && generator.TryNext(out SiliconRequest request, out Instruction instruction); i++)
                    {
                        SiliconReply reply = native.Run(in request);
                        StateCases.Normalise(in request, in instruction, ref reply);
                        if (CaseGroups.IsArtefact(code, reply.Vector) || reply.Vector == SiliconReply.TimedOut)
                        {
                            continue;
                        }

                        lines.Add(CaseText.Format(in request, in reply, $"{code}: {instruction}", Comparison.UndefinedFlags(in instruction)));
                    }
                }

                File.WriteAllLines(Path.Combine(options.Folder, $"{group}-{bits}.txt"), lines);
            }
        }

        return 0;
    }

    private static string FlagNames(ulong flags)
    {
        string names = "";
        foreach ((ulong bit, string name) in (ReadOnlySpan<(ulong, string)>)[(1, "C"), (4, "P"), (0x10, "A"), (0x40, "Z"), (0x80, "S"), (0x800, "O")])
        {
            names += (flags & bit) != 0 ? name : "";
        }

        return names;
    }

    private sealed class Options
    {
        public string? Group { get; set; }

        public string? Code { get; set; }

        public string? Folder { get; set; }

        public int Cases { get; set; } = 200;

        public int Seed { get; set; } = 1;

        public int Show { get; set; } = 1;

        public int[] Bits { get; set; } = [64, 32];
    }
}
