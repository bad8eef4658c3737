using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;

using Xenolith.Cli.Trace;
using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: hello is traced, and each record is held against the counting rule and against its own steps; then the same run is traced
/// with filters, which must
/// keep exactly the records that they name. Fails when a reference is missing, counted twice or judged in the wrong name.
/// </summary>
public sealed class TraceTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private List<TraceRecord> Trace(params string[] more)
    {
        string path = _folder.File("t.jsonl");
        CommandRun run = CommandRun.Of(["run", CommandRun.Image("hello/hello.cfg"), "--quiet", "--trace", path, .. more]);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        return [.. File.ReadLines(path).Select(TraceRecordJson.Parse)];
    }

    [Fact]
    public void EachRecordObeysTheCountingRule()
    {
        List<TraceRecord> records = Trace("--trace-domain", "hello");
        Assert.Contains(records, record => record.References == 19); // 3 guest levels (2-MiB pages), 4 EPT levels
        Assert.Contains(records, record => record.References == 4); // no guest paging yet
        foreach (TraceRecord record in records)
        {
            int guest = record.Steps.Count(step => step.Stage == WalkStage.Guest && !step.IsUpdate);
            int ept = record.Steps.Count(step => step.Stage == WalkStage.Ept && !step.IsUpdate);
            Assert.Equal(guest + ept, record.References);
            Assert.Equal(record.Steps.Count(step => step.IsUpdate), record.Updates);
            Assert.Equal(record.Steps.Sum(step => (int)step.Lookups), record.Lookups);
            Assert.Equal(TranslationStatus.Ok, record.Status);
            if (record.Gva is not null)
            {
                const int EptLevels = 4;
                Assert.Equal(((guest + 1) * (EptLevels + 1)) - 1, record.References);
                Assert.NotNull(record.Rip);
            }

            Assert.All(record.Steps, step => Assert.Equal(step.Stage == WalkStage.Ept ? "xen" : "hello", record.NameOf(step.Name)));
            Assert.All(record.Steps, step => Assert.True(step.IsAllowed && step.Owner == step.Name));
            Assert.Equal(WalkStage.Datum, record.Steps[^1].Stage);
            Assert.Equal(record.Hpa, record.Steps[^1].Hpa);
        }
    }

    [Fact]
    public void FiltersKeepWhatTheyName()
    {
        List<TraceRecord> all = Trace();
        List<TraceRecord> writes = Trace("--trace-kind", "write", "--trace-address", "0x300000+0x1000", "--trace-domain", "1");
        bool IsKept(TraceRecord record) => record is { Kind: AccessKind.Write, Domain: 1 }
            && (IsIn(record.Gva) || IsIn(record.Gpa) || IsIn(record.Hpa));
        Assert.Equal(all.Where(IsKept).Select(record => record.Serial), writes.Select(record => record.Serial));
        Assert.NotEmpty(writes);
        Assert.All(Trace("--trace-faults"), record => Assert.NotEqual(TranslationStatus.Ok, record.Status));
        Assert.All(Trace("--trace-domain", "xen"), record => Assert.Null(record.Domain));

        static bool IsIn(ulong? address) => address is >= 0x300000 and <= 0x300FFF;
    }

    [Fact]
    public void ARecordSurvivesJson()
    {
        foreach (TraceRecord record in Trace("--trace-domain", "hello").Take(50))
        {
            using MemoryStream stream = new();
            using (Utf8JsonWriter json = new(stream))
            {
                TraceRecordJson.Write(json, record);
            }

            TraceRecord again = TraceRecordJson.Parse(System.Text.Encoding.UTF8.GetString(stream.ToArray()));
            Assert.Equal(record with { Steps = [], Names = again.Names }, again with { Steps = [] });
            Assert.Equal(record.Steps, again.Steps);
            Assert.Equal(record.Names, again.Names);
        }
    }

    [Fact]
    public void ARecordIsExplainedAsATree()
    {
        Trace("--trace-domain", "hello");
        long line = File.ReadLines(_folder.File("t.jsonl")).TakeWhile(text => !text.Contains("\"references\":19", StringComparison.Ordinal)).Count() + 1;
        CommandRun run = CommandRun.Of(
            "translate", "--trace", _folder.File("t.jsonl"), "--record", line.ToString(), "--symbols", CommandRun.Image("hello/System.map"));
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("├─ guest PML4 entry, GPA 0x", run.Output, StringComparison.Ordinal);
        Assert.Contains("│  ├─ EPT PML4 at HPA 0x", run.Output, StringComparison.Ordinal);
        Assert.Contains("└─ the datum, GPA 0x", run.Output, StringComparison.Ordinal);
        Assert.Contains("as hello: segment 0x", run.Output, StringComparison.Ordinal);
        Assert.Contains("cost: 19 references", run.Output, StringComparison.Ordinal);
        Assert.Equal(4 * 4, run.Output.Split('\n').Count(text => text.Contains("EPT P", StringComparison.Ordinal)));
    }

    [Fact]
    public void AnAddressOfAStoppedGuestIsExplained()
    {
        CommandRun run = CommandRun.Of("translate", CommandRun.Image("hello/hello.cfg"), "--gva", "guest_main", "--kind", "execute", "--at-instruction", "100000");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.StartsWith("hello: still running at the instruction limit", run.Output, StringComparison.Ordinal);
        Assert.Contains("execute of GVA 0x", run.Output, StringComparison.Ordinal);
        Assert.Contains("<guest_main>", run.Output, StringComparison.Ordinal);
        Assert.Contains("=> HPA 0x", run.Output, StringComparison.Ordinal);
        CommandRun absent = CommandRun.Of("translate", CommandRun.Image("hello/hello.cfg"), "--gva", "0x7f0000000000", "--at-instruction", "100000");
        Assert.Contains("=> page fault, error code 0x0 [read, not present]", absent.Output, StringComparison.Ordinal);
        Assert.Contains("[not present]", absent.Output, StringComparison.Ordinal);
    }
}
