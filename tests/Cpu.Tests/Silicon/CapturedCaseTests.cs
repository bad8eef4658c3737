using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

using Xenolith.Cpu;
using Xenolith.Oracle.Silicon;

using Xunit;

namespace Xenolith.Cpu.Tests.Silicon;

/// <summary>
/// Method: every line of tests/Data is one instruction with operands, and what real silicon left in registers, flags, memory, or which
/// fault it raised. The emulated processor must leave the same; only flags that the manual leaves undefined are masked. A wrong bit in
/// any instruction's result, flag, exception, error code or CR2 that a case covers makes this fail, with the line in the message.
/// Transcendental x87 results, which silicon rounds wrongly now and then, may differ in the last place, but not often.
/// </summary>
public sealed class CapturedCaseTests
{
    public static TheoryData<string> Files()
    {
        TheoryData<string> files = [];
        foreach (string path in Directory.GetFiles(Folder, "*.txt").Order(StringComparer.Ordinal))
        {
            files.Add(Path.GetFileName(path));
        }

        return files;
    }

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Data");

    [Theory]
    [MemberData(nameof(Files))]
    public void EmulatedProcessorLeavesWhatSiliconLeft(string file)
    {
        using EmulatedRunner emulated = new();
        List<string> failures = [];
        int replayed = 0;
        int approximate = 0;
        int forgiven = 0;
        foreach (string line in File.ReadLines(Path.Combine(Folder, file)))
        {
            CaseText.Parse(line, out SiliconRequest request, out SiliconReply silicon, out ulong masked);
            if (!emulated.Has(in request))
            {
                continue; // listed in docs/UNIMPLEMENTED.md
            }

            replayed++;
            SiliconReply ours = emulated.Run(in request);
            if (Comparison.IsApproximate(EmulatedRunner.Decode(in request)))
            {
                approximate++;
                forgiven += Comparison.ForgiveLastPlace(in silicon, ref ours) ? 1 : 0;
            }

            string differences = Comparison.Differences(in silicon, in ours, masked);
            if (differences.Length != 0)
            {
                failures.Add($"{differences}\n    {line}");
            }
        }

        Assert.True(forgiven <= 2 + (approximate / 25), $"{forgiven} of {approximate} transcendental results differ in the last place");
        Assert.True(failures.Count == 0, $"{failures.Count} of {replayed} differ (silicon/emulated):\n{string.Join('\n', failures.Take(20))}");
    }

    [Fact]
    public void EveryLineIsReadBackAsItWasWritten()
    {
        foreach (string path in Directory.GetFiles(Folder, "*.txt"))
        {
            foreach (string line in File.ReadLines(path))
            {
                CaseText.Parse(line, out SiliconRequest request, out SiliconReply silicon, out ulong masked);
                int comment = line.IndexOf(';', StringComparison.Ordinal);
                Assert.Equal(line, CaseText.Format(in request, in silicon, line[(comment + 2)..], masked));
            }
        }
    }
}
