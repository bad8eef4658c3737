using System;
using System.Globalization;
using System.IO;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: command lines, configurations and images with one thing wrong. Fails when the exit code is not 2, when the message is not
/// exactly one line that
/// names the culprit, when anything goes to standard output, or when an exception gets through.
/// </summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static void IsRefused(CommandRun run, string part)
    {
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Contains(part, run.OnlyErrorLine, StringComparison.Ordinal);
        Assert.StartsWith("xenolith: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("", "Required command")]
    [InlineData("fly", "fly")]
    [InlineData("run", "CFG")]
    [InlineData("run nowhere.cfg", "nowhere.cfg: no such file")]
    [InlineData("run {hello} --bogus", "unknown option '--bogus'")]
    [InlineData("run {hello} --isolation castle", "no isolation unit 'castle'")]
    [InlineData("run {hello} --isolation asmi:soft", "soft")]
    [InlineData("run {hello} --isolation none:x", "no profile 'x'")]
    [InlineData("run {hello} --isolation-unit nowhere.dll", "nowhere.dll")]
    [InlineData("run {hello} --isolation-unit {hello}", "hello.cfg")]
    [InlineData("run {hello} --segment-size 3K", "--segment-size")]
    [InlineData("run {hello} --segment-size 2K", "power of two from 4K to 1G")]
    [InlineData("run {hello} --segment-size 2G", "power of two")]
    [InlineData("run {hello} --segment-size big", "'big' is no size")]
    [InlineData("run {hello} --memory 1M", "--memory")]
    [InlineData("run {hello} --memory 99999999999G", "--memory")]
    [InlineData("run {hello} --memory 65M --segment-size 2M", "whole number of segments")]
    [InlineData("run {hello} --memory 16M", "memory")]
    [InlineData("run {hello} --seed -1", "--seed")]
    [InlineData("run {hello} --max-instructions many", "--max-instructions")]
    [InlineData("run {hello} --trace-kind read", "want --trace FILE")]
    [InlineData("run {hello} --trace x --trace-kind touch", "'touch' is unknown")]
    [InlineData("run {hello} --trace x --trace-address 9-1", "'9-1' is no range")]
    [InlineData("run {hello} --trace /nowhere/t.jsonl", "/nowhere/t.jsonl")]
    [InlineData("run {hello} --input \\q", "unknown escape")]
    [InlineData("run {hello} --input \\p", "\\p wants")]
    [InlineData("run {hello} --input @/nowhere", "/nowhere")]
    [InlineData("run {hello} {hello}", "is taken by")]
    [InlineData("translate", "translate wants")]
    [InlineData("translate {hello} --trace x", "translate wants")]
    [InlineData("translate --trace /nowhere", "/nowhere: cannot be read")]
    [InlineData("translate --trace {hello}", "hello.cfg:1: this is no translation record")]
    [InlineData("translate {hello} --gva not_a_symbol", "'not_a_symbol' is neither")]
    [InlineData("translate {hello} --kind touch", "--kind")]
    public void CommandLines(string commandLine, string part)
    {
        string[] arguments = commandLine.Length == 0 ? [] : commandLine.Split(' ');
        for (int i = 0; i < arguments.Length; i++)
        {
            arguments[i] = arguments[i].Replace("{hello}", CommandRun.Image("hello/hello.cfg"), StringComparison.Ordinal);
        }

        IsRefused(CommandRun.Of(arguments), part);
    }

    [Theory]
    [InlineData("memory = 0", ":2: memory: 0 MiB is impossible")]
    [InlineData("memory = 4096", ":2: memory: 4096 MiB is more than the machine has (1024 MiB)")]
    [InlineData("memory = 1.5", ":2: memory: '1.5' is not a whole number")]
    [InlineData("vcpus = 8", ":2: vcpus: 8 is not served")]
    [InlineData("type = 'hvm'", ":2: type: hvm domains are not served")]
    [InlineData("name = ", ":2: expected a value")]
    [InlineData("kernel = 'nowhere.elf'", ":2: kernel: no such file 'nowhere.elf'")]
    public void Configurations(string line, string part)
    {
        string kernel = CommandRun.Image("hello/hello.elf");
        string path = _folder.Write("d.cfg", $"name='d'; type='pvh'; kernel='{kernel}'; memory=16\n{line}\n");
        IsRefused(CommandRun.Of("run", path), path + part);
    }

    [Theory]
    [InlineData("empty", 0)]
    [InlineData("header", 40)]
    [InlineData("truncated", 3000)]
    public void TruncatedImages(string name, int bytes)
    {
        byte[] image = File.ReadAllBytes(CommandRun.Image("hello/hello.elf"))[..bytes];
        string kernel = _folder.Write(name + ".elf", image);
        IsRefused(CommandRun.Of("run", _folder.Config("d", kernel)), kernel);
    }

    [Fact]
    public void AnImageWithoutAPvhNote()
    {
        byte[] image = File.ReadAllBytes(CommandRun.Image("hello/hello.elf"));
        int note = image.AsSpan().IndexOf("\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0"u8);
        note = note >= 0 ? note : image.AsSpan().IndexOf("\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0"u8);
        Assert.True(note > 0, "the test does not find the note in hello.elf");
        image[note + 8] = 99;
        IsRefused(CommandRun.Of("run", _folder.Config("d", _folder.Write("k.elf", image))), "PHYS32_ENTRY");
    }

    [Fact]
    public void AKernelLargerThanItsDomain() =>
        IsRefused(CommandRun.Of("run", _folder.Config("d", CommandRun.Image("hello/hello.elf"), "memory = 1")), "does not fit into 1 MiB");

    [Fact]
    public void MoreDomainsThanTheMachineHolds()
    {
        string kernel = CommandRun.Image("hello/hello.elf");
        CommandRun run = CommandRun.Of(
            "run", _folder.Config("a", kernel, "memory=30"), _folder.Config("b", kernel, "memory=30"), "--memory", "64M");
        IsRefused(run, "the machine has not enough free memory for domain b");
    }

    [Fact]
    public void UnknownKeysWarnAndTheDomainRuns()
    {
        string path = _folder.Config("d", CommandRun.Image("hello/hello.elf"), "memroy = 5");
        CommandRun run = CommandRun.Of("run", path, "--quiet");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"xenolith: warning: {path}:5: unknown key 'memroy' is ignored"), run.OnlyErrorLine);
    }
}
