using System;
using System.Collections.Generic;
using System.Linq;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>The commands of the silicon oracle.</summary>
public static class SiliconCommand
{
    public static int Run(ReadOnlySpan<string> args)
    {
        return args switch
        {
            ["list", ..] => List(),
            _ => 2,
        };
    }

    /// <summary>How many codes of each group the generator can make, and how native runs of them end.</summary>
    private static int List()
    {
        using NativeRunner? native = NativeRunner.TryStart(out string? reason);
        if (native is null)
        {
            Console.Error.WriteLine("skipped: " + reason);
            return 77;
        }

        foreach ((string group, _) in CaseGroups.All)
        {
            foreach (int bits in (int[])[64, 32])
            {
                List<string> cannot = [];
                SortedDictionary<uint, int> ends = [];
                int codes = 0;
                foreach (Code code in CaseGroups.Codes(group, bits))
                {
                    CaseGenerator generator = new(code, bits, 1);
                    if (!generator.TryNext(out _, out _))
                    {
                        cannot.Add(code.ToString());
                        continue;
                    }

                    codes++;
                    for (int i = 0; i < 20; i++)
                    {
                        if (generator.TryNext(out SiliconRequest request, out _))
                        {
                            uint vector = native.Run(in request).Vector;
                            ends[vector] = ends.GetValueOrDefault(vector) + 1;
                        }
                    }
                }

                Console.WriteLine($"{group,-8} {bits} {codes} codes; ends {string.Join(' ', ends.Select(e => $"{e.Key:x}:{e.Value}"))}; not made: {string.Join(' ', cannot)}");
            }
        }

        return 0;
    }
}
