using System;
using System.IO;

using Xunit;

namespace Xenolith.Toolstack.Tests;

/// <summary>
/// Method: a complete configuration with one thing changed per case. Fails when a wrong value passes, when a right one is refused, when
/// a message lacks
/// file and line, or when an unserved key goes by in silence.
/// </summary>
public sealed class DomainConfigTests : IDisposable
{
    private const uint MachineMiB = 512;
    private readonly string _folder = Directory.CreateTempSubdirectory("xenolith-").FullName;

    public DomainConfigTests()
    {
        File.WriteAllText(Path.Combine(_folder, "k.elf"), "image");
        File.WriteAllText(Path.Combine(_folder, "initrd"), "files");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string CfgPath => Path.Combine(_folder, "d.cfg");

    private DomainConfig Read(string text) => DomainConfigReader.Read(ConfigFile.Parse(CfgPath, text), MachineMiB);

    private DomainConfig ReadWith(string more) => Read("name='d'; type='pvh'; kernel='k.elf'; memory=64\n" + more);

    [Fact]
    public void PlainConfiguration()
    {
        DomainConfig config = ReadWith("ramdisk='initrd'\nmaxmem=0x80\nvcpus=1\ncmdline='seed=1 secret=x'\non_poweroff='preserve'\non_crash='destroy'");
        Assert.Equal("d", config.Name);
        Assert.Equal(Path.Combine(_folder, "k.elf"), config.Kernel);
        Assert.Equal(Path.Combine(_folder, "initrd"), config.Ramdisk);
        Assert.Equal(64u, config.MemoryMiB);
        Assert.Equal(128u, config.MaxMemoryMiB);
        Assert.Equal("seed=1 secret=x", config.CommandLine);
        Assert.Equal(EndAction.Preserve, config.OnPoweroff);
        Assert.Equal(EndAction.Restart, config.OnReboot);
        Assert.Equal(EndAction.Destroy, config.OnCrash);
        Assert.Equal($"{CfgPath}:6: on_poweroff: 'preserve' is not served, the domain is destroyed when it ends", Assert.Single(config.Warnings));
    }

    [Theory]
    [InlineData("extra='a b'", "a b")]
    [InlineData("root='/dev/xvda'", "root=/dev/xvda")]
    [InlineData("root='/dev/xvda'\nextra='ro'", "root=/dev/xvda ro")]
    [InlineData("", "")]
    public void CommandLineIsMadeOfRootAndExtra(string more, string expected) => Assert.Equal(expected, ReadWith(more).CommandLine);

    [Fact]
    public void CmdlineWinsOverExtraAndSaysSo()
    {
        DomainConfig config = ReadWith("extra='x'\ncmdline='y'");
        Assert.Equal("y", config.CommandLine);
        Assert.Equal($"{CfgPath}:3: cmdline is set: root and extra are ignored", Assert.Single(config.Warnings));
    }

    [Theory]
    [InlineData("\nmemroy=5", ":3: unknown key 'memroy' is ignored")]
    [InlineData("disk=['phy:/dev/x,xvda,w']", ":2: disk: not served here, ignored")]
    public void UnservedKeysWarnWithTheirLine(string more, string expected) => Assert.Equal(CfgPath + expected, Assert.Single(ReadWith(more).Warnings));

    [Theory]
    [InlineData("vif=[]")]
    [InlineData("uuid='ffffffff-0000-0000-0000-000000000001'")]
    [InlineData("hap=1")]
    public void HarmlessKeysAreSilent(string more) => Assert.Empty(ReadWith(more).Warnings);

    [Theory]
    [InlineData("memory=0", "impossible")]
    [InlineData("memory=-4", "impossible")]
    [InlineData("memory=513", "more than the machine has (512 MiB)")]
    [InlineData("memory=0x7fffffffffffffff", "more than the machine has")]
    [InlineData("memory=1.5", "'1.5' is not a whole number of MiB")]
    [InlineData("memory='64M'", "'64M' is not a whole number of MiB")]
    [InlineData("memory=[64]", "not a list")]
    [InlineData("maxmem=32", "less than memory")]
    [InlineData("maxmem=0", "impossible")]
    [InlineData("vcpus=2", "not served")]
    [InlineData("vcpus=0", "not served")]
    [InlineData("vcpus='x'", "not a whole number")]
    [InlineData("name=''", "1 to 64 characters")]
    [InlineData("name='a/b'", "letters, digits")]
    [InlineData("name='a\\nb'", "letters, digits")]
    [InlineData("type='pv'", "only PVH domains are served")]
    [InlineData("type='hvm'", "type = \"pvh\"")]
    [InlineData("type='container'", "unknown type 'container'")]
    [InlineData("kernel='nowhere.elf'", "no such file 'nowhere.elf'")]
    [InlineData("kernel='/'", "is a folder")]
    [InlineData("ramdisk='nowhere'", "no such file")]
    [InlineData("on_crash='explode'", "unknown action 'explode'")]
    public void ImpossibleValuesAreRefusedWithTheirLine(string more, string part)
    {
        InputException e = Assert.Throws<InputException>(() => ReadWith(more));
        Assert.StartsWith(CfgPath + ":2: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("type='pvh';kernel='k.elf';memory=1", "no name")]
    [InlineData("type='pvh';name='a';memory=1", "no kernel")]
    [InlineData("type='pvh';name='a';memory=1;kernel=''", "no kernel")]
    [InlineData("type='pvh';name='a';kernel='k.elf'", "no memory")]
    public void MissingKeysAreNamed(string text, string part) =>
        Assert.Contains(part, Assert.Throws<InputException>(() => Read(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void LegacyBuilderIsRefused() =>
        Assert.Contains("only PVH", Assert.Throws<InputException>(() => Read("name='a';builder='hvm';kernel='k.elf';memory=1")).Message, StringComparison.Ordinal);

    [Fact]
    public void NoTypeIsPvhWithAWord() => Assert.Contains("no type", Assert.Single(Read("name='a';kernel='k.elf';memory=1").Warnings), StringComparison.Ordinal);

    [Fact]
    public void FilesThatCannotBeReadAreOneLine()
    {
        Assert.Equal("nowhere.cfg: no such file", Assert.Throws<InputException>(() => DomainConfigReader.Read("nowhere.cfg", MachineMiB)).Message);
        Assert.Contains("folder", Assert.Throws<InputException>(() => DomainConfigReader.Read(_folder, MachineMiB)).Message, StringComparison.Ordinal);
    }
}
