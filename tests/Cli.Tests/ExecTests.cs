using System;
using System.IO;
using System.Text;
using System.Text.Json;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: the command line of exec, in each of its forms, against answers known from the manual. Fails when a member of an answer is
/// missing or of another form than docs/exec.md says, when a bad case stops a batch, or when an answer comes out of order.
/// </summary>
public sealed class ExecTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static CommandRun Batch(string input)
    {
        using MemoryStream raw = new();
        using StringWriter error = new() { NewLine = "\n" };
        using StreamWriter output = new(raw, new UTF8Encoding(false)) { AutoFlush = true };
        using StringReader lines = new(input);
        int exitCode = Program.Run(["exec", "--batch", "-"], new Terminal { Output = output, Error = error, RawOutput = raw, Input = lines });
        return new CommandRun(exitCode, Encoding.UTF8.GetString(raw.ToArray()), error.ToString());
    }

    [Fact]
    public void TheWholeAnswer()
    {
        CommandRun run = CommandRun.Of("exec", "--code", "4801D8 F4", "--reg", "rax=0x10", "--reg", "rbx=-1", "--json");
        JsonElement json = run.Json;
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Equal(1, run.Output.Split('\n').Length - 1);
        Assert.Equal("hlt", json.GetProperty("stop").GetString());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("vector").ValueKind);
        Assert.Equal((0, 1), (json.GetProperty("error").GetInt32(), json.GetProperty("instructions").GetInt32()));
        Assert.Equal(("0x0", "0x10003"), (json.GetProperty("cr2").GetString(), json.GetProperty("rip").GetString()));
        Assert.Equal("0xf", json.GetProperty("regs").GetProperty("rax").GetString());
        Assert.Equal("0xffffffffffffffff", json.GetProperty("regs").GetProperty("rbx").GetString());
        Assert.Equal("0x207", json.GetProperty("regs").GetProperty("rflags").GetString());
        Assert.Equal((16, 4), (json.GetProperty("ymm").GetArrayLength(), json.GetProperty("ymm")[15].GetArrayLength()));
        Assert.Equal((8, 2), (json.GetProperty("x87").GetArrayLength(), json.GetProperty("x87")[7].GetArrayLength()));
        Assert.Equal((0x37F, 0), (json.GetProperty("fcw").GetInt32(), json.GetProperty("fsw").GetInt32()));
        Assert.Equal((0xFFFF, 0x1F80), (json.GetProperty("ftw").GetInt32(), json.GetProperty("mxcsr").GetInt32()));
    }

    [Fact]
    public void TextSaysWhatChangedAndWhy()
    {
        string file = _folder.Write("code.bin", [0xB8, 7, 0, 0, 0, 0x8B, 0x0D, 0, 0, 1, 0]);
        CommandRun run = CommandRun.Of("exec", file, "--mode", "32", "--base", "0x4000", "--reg", "ecx=5");
        Assert.Equal(ExitCode.GuestFailed, run.ExitCode);
        Assert.Equal(
            "  eax    0x00000007\nstopped after 1 instruction: #PF at 0x4005, error code 0x4: page fault, read of 0x10000, which is not mapped\n",
            run.Output);
    }

    [Fact]
    public void TracesShowEachInstruction()
    {
        CommandRun run = CommandRun.Of("exec", "--code", "FFC0FFC8F4", "--trace");
        string[] lines = run.Output.Split('\n');
        Assert.Contains("inc eax", lines[0], StringComparison.Ordinal);
        Assert.Contains("rax=0x1", lines[0], StringComparison.Ordinal);
        Assert.Contains("dec eax", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("  rflags", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void MapsMemoryAndVectorRegisters()
    {
        CommandRun run = CommandRun.Of(
            "exec", "--code", "0F1000 F3 0F 7E 0B F4", "--map", "0x20000:16", "--mem", "0x20008:0102 03", "--reg", "rax=0x20000", "--reg", "rbx=0x20008",
            "--reg", "xmm1=0x112233445566778899aabbccddeeff00", "--reg", "ymm15=0x1", "--json");
        JsonElement ymm = run.Json.GetProperty("ymm");
        Assert.Equal("""["0x0","0x30201","0x0","0x0"]""", ymm[0].GetRawText());
        Assert.Equal("""["0x30201","0x0","0x0","0x0"]""", ymm[1].GetRawText());
        Assert.Equal("""["0x1","0x0","0x0","0x0"]""", ymm[15].GetRawText());
    }

    [Fact]
    public void ABatchAnswersEveryLineInOrder()
    {
        CommandRun run = Batch(
            """
            {"name":"first","mode":64,"base":"0x1000","code":"0f0b","limit":5}
            {"name":"broken","code":"9
            {"name":"nonsense","code":"xyz"}
            {"name":"outside","code":"f4","mem":[["0x9000000","00"]]}

            {"name":"last","mode":32,"base":"0x2000","code":"8b03 ebfe","map":[["0x5000",1]],"mem":[["0x5004","2a"]],"regs":{"rbx":20484,"rflags":"0x203"},"limit":9}
            """);
        string[] lines = run.Output.TrimEnd('\n').Split('\n');
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Equal(5, lines.Length);
        JsonElement first = JsonDocument.Parse(lines[0]).RootElement;
        Assert.Equal(("first", "exception", 6), (first.GetProperty("name").GetString(), first.GetProperty("stop").GetString(), first.GetProperty("vector").GetInt32()));
        Assert.Contains("no JSON", JsonDocument.Parse(lines[1]).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal("nonsense", JsonDocument.Parse(lines[2]).RootElement.GetProperty("name").GetString());
        Assert.Contains("0x9000000", JsonDocument.Parse(lines[3]).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
        JsonElement last = JsonDocument.Parse(lines[4]).RootElement;
        Assert.Equal(("limit", 9), (last.GetProperty("stop").GetString(), last.GetProperty("instructions").GetInt32()));
        Assert.Equal(("0x2a", "0x203"), (last.GetProperty("regs").GetProperty("rax").GetString(), last.GetProperty("regs").GetProperty("rflags").GetString()));
    }

    [Theory]
    [InlineData("""{"name":"\ud800","code":"f4","base":"\udc00"}""")]
    [InlineData("""{"code":5}""")]
    [InlineData("""{"code":"f4","mode":"x"}""")]
    [InlineData("""{"code":"f4","mode":65}""")]
    [InlineData("""{"code":"90f4","base":-1}""")]
    [InlineData("""{"code":"f4","base":1.5}""")]
    [InlineData("""{"code":"f4","map":{}}""")]
    [InlineData("""{"code":"f4","map":[1]}""")]
    [InlineData("""{"code":"f4","map":[["0","0xffffffffffffffff"]]}""")]
    [InlineData("""{"code":"f4","mem":[["0x10000",7]]}""")]
    [InlineData("""{"code":"f4","regs":[]}""")]
    [InlineData("""{"code":"f4","regs":{"rax":null}}""")]
    [InlineData("""{"code":"f4","regs":{"xmm0":[1,2,3]}}""")]
    [InlineData("""{"code":"f4","ymm":[[1,2,3,4,5]]}""")]
    [InlineData("""{"code":"f4","x87":[[1]]}""")]
    [InlineData("""{"code":"f4","fcw":65536}""")]
    [InlineData("""{"code":"f4","mxcsr":"0x10000"}""")]
    [InlineData("""{"code":"f4","limit":"many"}""")]
    [InlineData("""{"code":"f4","dump":[["0x10000","0x100000000"]]}""")]
    [InlineData("""{}""")]
    [InlineData("""null""")]
    [InlineData("""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[""")]
    public void BadCasesAreAnswered(string line)
    {
        CommandRun run = Batch(line + "\n" + """{"name":"next","code":"f4"}""");
        string[] lines = run.Output.TrimEnd('\n').Split('\n');
        Assert.Equal((ExitCode.BadInput, 2), (run.ExitCode, lines.Length));
        Assert.Equal(JsonValueKind.String, JsonDocument.Parse(lines[0]).RootElement.GetProperty("error").ValueKind);
        Assert.Equal("hlt", JsonDocument.Parse(lines[1]).RootElement.GetProperty("stop").GetString());
    }

    [Fact]
    public void AnAnswerCanBeTheNextStart()
    {
        string answer = Batch("""{"name":"a","code":"d9e8 d9eb 660fefc0 660f6ec8 f4","regs":{"rax":"0x99"}}""").Output;
        JsonElement end = JsonDocument.Parse(answer).RootElement;
        string next = "{\"code\":\"f4\",\"base\":\"0x1000\"";
        foreach (string member in (string[])["regs", "ymm", "x87", "fcw", "fsw", "ftw", "mxcsr"])
        {
            next += $",\"{member}\":{end.GetProperty(member).GetRawText()}";
        }

        JsonElement again = JsonDocument.Parse(Batch(next + "}").Output).RootElement;
        foreach (string member in (string[])["regs", "ymm", "x87", "fcw", "fsw", "ftw", "mxcsr"])
        {
            Assert.Equal(end.GetProperty(member).GetRawText(), again.GetProperty(member).GetRawText());
        }
    }

    [Fact]
    public void MemoryIsShownWhenAskedFor()
    {
        string[] arguments = ["exec", "--code", "c60041 f4", "--map", "0x2000:0x1000", "--reg", "rax=0x2002", "--dump", "0x2000:4"];
        Assert.EndsWith("      2000  00 00 41 00                                      ..A.\n", CommandRun.Of(arguments).Output, StringComparison.Ordinal);
        Assert.Equal("""[["0x2000","00004100"]]""", CommandRun.Of([.. arguments, "--json"]).Json.GetProperty("mem").GetRawText());
        string batch = Batch("""{"code":"f4","dump":[["0x10000","2"]]}""" + "\n" + """{"code":"f4","dump":[["0x10fff","2"]]}""").Output;
        Assert.Contains("""[["0x10000","f400"]]""", batch, StringComparison.Ordinal);
        Assert.Contains("outside what is mapped", batch, StringComparison.Ordinal);
    }

    [Fact]
    public void AGoodBatchFromAFileSucceeds()
    {
        string file = _folder.Write("cases.jsonl", "{\"name\":\"one\",\"code\":\"f4\"}\n{\"name\":2,\"code\":\"cc\"}\n");
        CommandRun run = CommandRun.Of("exec", "--batch", file);
        Assert.Equal((ExitCode.Ok, 2), (run.ExitCode, run.Output.TrimEnd('\n').Split('\n').Length));
    }

    [Theory]
    [InlineData("exec", "exec wants one of")]
    [InlineData("exec --code F4 --batch x", "exec wants one of")]
    [InlineData("exec --batch /nowhere", "/nowhere: cannot be read")]
    [InlineData("exec /nowhere", "/nowhere: cannot be read")]
    [InlineData("exec --code G4", "no hexadecimal bytes")]
    [InlineData("exec --code F4 --mode 16", "mode: 16")]
    [InlineData("exec --code F4 --map 0x1000", "'0x1000' has no ':'")]
    [InlineData("exec --code F4 --reg rax", "'rax' has no '='")]
    [InlineData("exec --code F4 --reg foo=1", "there is no 'foo'")]
    [InlineData("exec --code F4 --reg rax=ten", "'ten' is no number")]
    [InlineData("exec --code F4 --reg xmm16=1", "there is no 'xmm16'")]
    [InlineData("exec --code F4 --mode 32 --reg rax=0x100000000", "does not fit 32-bit mode")]
    [InlineData("exec --code F4 --reg rflags=0x20000", "rflags: 0x20000")]
    [InlineData("exec --code F4 --mem 0x9000:00", "mem: 0x9000")]
    public void BadCommandLines(string commandLine, string part)
    {
        CommandRun run = CommandRun.Of(commandLine.Split(' '));
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Contains(part, run.OnlyErrorLine, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }
}
