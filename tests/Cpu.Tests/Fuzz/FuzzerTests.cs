using System.Collections.Generic;

using Xenolith.Oracle.Fuzz;

using Xunit;

namespace Xenolith.Cpu.Tests.Fuzz;

/// <summary>
/// Method: seeded cases of nearly valid code in every mode, with tables, segments, breakpoints and interrupts of all kinds, on the careful
/// engine and the fast ones. It fails when anything throws or when the engines leave different machines. Longer: the oracle's command fuzz.
/// </summary>
public sealed class FuzzerTests
{
    private const ulong Cases = 200;

    [Fact]
    public void EnginesAgreeWhateverTheCode()
    {
        using Fuzzer fuzzer = new();
        List<string> differences = [];
        for (ulong number = 1; number <= Cases; number++)
        {
            if (fuzzer.Run(number) is { } difference)
            {
                differences.Add(difference);
            }
        }

        Assert.Empty(differences);
        Assert.True(fuzzer.Instructions > 100 * Cases, $"{fuzzer.Instructions} instructions"); // most cases get somewhere
        Assert.True(fuzzer.Unjudged < Cases / 20, $"{fuzzer.Unjudged} cases unjudged");
    }
}
