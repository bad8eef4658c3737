using System.Collections.Generic;

namespace Xenolith.Toolstack;

/// <summary>A value in an xl.cfg file: a string, a number or a list (xl.cfg(5) "SYNTAX").</summary>
/// <param name="Line">Where it starts, counted from 1.</param>
public abstract record ConfigValue(int Line);

/// <summary>A string or a number. As in xl, a number may be quoted too: what is meant is decided by the key.</summary>
/// <param name="Text">The text with quotes taken off and escapes resolved.</param>
/// <param name="IsQuoted">It was written as a string.</param>
public sealed record ConfigAtom(int Line, string Text, bool IsQuoted) : ConfigValue(Line);

/// <summary>A list of values, which may be lists themselves.</summary>
public sealed record ConfigList(int Line, IReadOnlyList<ConfigValue> Items) : ConfigValue(Line);

/// <summary>One assignment of a file, after later ones have overridden earlier ones.</summary>
/// <param name="Line">The line of the key.</param>
public sealed record ConfigSetting(string Key, int Line, ConfigValue Value);
