using System;
using System.Linq;

using Xunit;

namespace Xenolith.Toolstack.Tests;

/// <summary>
/// Method: short texts and the settings they must give, and malformed texts with the exact line of the message. They fail when a token
/// is cut
/// elsewhere, when a later setting does not win, or when a message names another line.
/// </summary>
public class ConfigFileTests
{
    [Theory]
    [InlineData("name=\"a\"", "name", "a")]
    [InlineData("name = 'a b'", "name", "a b")]
    [InlineData("x = 'it \"is\"'", "x", "it \"is\"")]
    [InlineData("x = \"it's\"", "x", "it's")]
    [InlineData("x = \"a # b\" # c", "x", "a # b")]
    [InlineData("x = \"\\t\\x41\\102\\\\\\\"\"", "x", "\tAB\\\"")]
    [InlineData("memory=64\nmemory=128", "memory", "128")]
    [InlineData("a=1; b=2; a=3;", "a", "3")]
    [InlineData("x = \"a\"\nx += \"b\"", "x", "ab")]
    [InlineData("x += \"b\"", "x", "b")]
    [InlineData("\r\n\tmemory = 0x40\r\n", "memory", "0x40")]
    [InlineData("\uFEFFon_crash='destroy'", "on_crash", "destroy")]
    [InlineData("x=\"\"", "x", "")]
    [InlineData("n=-1", "n", "-1")]
    public void TextOfASetting(string text, string key, string expected) => Assert.Equal(expected, ConfigFile.Parse("t.cfg", text).FindText(key));

    [Theory]
    [InlineData("16", 16L)]
    [InlineData("0x1F", 31L)]
    [InlineData("010", 8L)]
    [InlineData("0", 0L)]
    [InlineData("-7", -7L)]
    [InlineData("'32'", 32L)]
    [InlineData("\"0X20\"", 32L)]
    public void NumbersAsStrtolTakesThem(string text, long expected) => Assert.Equal(expected, ConfigFile.Parse("t.cfg", "n = " + text).FindInteger("n"));

    [Theory]
    [InlineData("1.5")]
    [InlineData("08")]
    [InlineData("0x")]
    [InlineData("0x1G")]
    [InlineData("12MB")]
    [InlineData("-")]
    [InlineData("--1")]
    [InlineData("\"\"")]
    [InlineData("' 5'")]
    [InlineData("0xFFFFFFFFFFFFFFFF")]
    [InlineData("99999999999999999999")]
    [InlineData("07777777777777777777777")]
    public void OthersAreNoWholeNumbers(string text)
    {
        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse("t.cfg", "a=1\nn = " + text).FindInteger("n"));
        Assert.StartsWith("t.cfg:2: n: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ListsNestAndSpanLines()
    {
        ConfigFile file = ConfigFile.Parse("t.cfg", "disk = [ 'a', # first\n  \"b\",\n [1,\n 2], [],\n]\nname='x'\ndisk += ['z']");
        ConfigList list = Assert.IsType<ConfigList>(file.Find("disk")!.Value);
        Assert.Equal(5, list.Items.Count);
        Assert.Equal("b", Assert.IsType<ConfigAtom>(list.Items[1]).Text);
        Assert.Equal(2, list.Items[1].Line);
        ConfigList inner = Assert.IsType<ConfigList>(list.Items[2]);
        Assert.Equal(["1", "2"], inner.Items.Cast<ConfigAtom>().Select(atom => atom.Text));
        Assert.Empty(Assert.IsType<ConfigList>(list.Items[3]).Items);
        Assert.Equal("z", Assert.IsType<ConfigAtom>(list.Items[4]).Text);
        Assert.Equal("x", file.FindText("name"));
    }

    [Fact]
    public void AHundredThousandNestedListsNeedNoStack()
    {
        const int Depth = 100_000;
        ConfigFile file = ConfigFile.Parse("t.cfg", "x=" + new string('[', Depth) + new string(']', Depth));
        Assert.IsType<ConfigList>(file.Find("x")!.Value);
    }

    [Theory]
    [InlineData("name", 1, "'=' after 'name'")]
    [InlineData("\nname =", 2, "a value for 'name'")]
    [InlineData("name = a", 1, "strings need quotes")]
    [InlineData("a=1\nname = 'a\n'", 2, "closing '")]
    [InlineData("name = \"a", 1, "closing \"")]
    [InlineData("x = [1 2]", 1, "',' or ']'")]
    [InlineData("x = [1,\n\n,2]", 3, "a value or ']'")]
    [InlineData("x = [1,\n2", 2, "found end of file")]
    [InlineData("x = [1;2]", 1, "',' or ']'")]
    [InlineData("x = 1 y = 2", 1, "end of the line")]
    [InlineData("x = 1]", 1, "end of the line")]
    [InlineData("5 = 1", 1, "expected a key")]
    [InlineData("= 1", 1, "expected a key")]
    [InlineData("x = ]", 1, "a value for 'x'")]
    [InlineData("x == 1", 1, "a value for 'x'")]
    [InlineData("x = 1\n\u0001", 2, "U+0001")]
    [InlineData("x = 'a\\q'", 1, "unknown escape '\\q'")]
    [InlineData("x = 'a\\x'", 1, "numeric escape")]
    [InlineData("x = '\\777'", 1, "numeric escape")]
    [InlineData("x = 'a\\", 1, "escape")]
    [InlineData("x = [1]\nx += 'a'", 2, "cannot join")]
    [InlineData("x = {}", 1, "unexpected '{'")]
    public void MalformedTextIsRefusedWithItsLine(string text, int line, string part)
    {
        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse("t.cfg", text));
        Assert.StartsWith($"t.cfg:{line}: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void RandomTextEitherParsesOrIsRefusedInOneLine()
    {
        const string Alphabet = "ax=[]',\"\\\n;#+-0159._ \t\r\0é";
        Random random = new(5);
        for (int i = 0; i < 20_000; i++)
        {
            string text = new([.. Enumerable.Range(0, random.Next(24)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
            try
            {
                ConfigFile.Parse("t.cfg", text);
            }
            catch (InputException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
        }
    }
}
