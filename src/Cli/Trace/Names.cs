using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Xenolith.Cli.Trace;

/// <summary>Names of enum values as the trace and the summaries write them: lower case, words joined by '-'.</summary>
internal static class Names
{
    public static string Of<T>(T value)
        where T : struct, Enum
        => Table<T>.ToName.TryGetValue(value, out string? name) ? name : Convert.ToUInt64(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);

    public static bool TryParse<T>(string name, out T value)
        where T : struct, Enum
        => Table<T>.ToValue.TryGetValue(name, out value);

    private static string Kebab(string pascal)
    {
        StringBuilder name = new();
        for (int i = 0; i < pascal.Length; i++)
        {
            if (i > 0 && char.IsAsciiLetterUpper(pascal[i]) && !char.IsAsciiLetterUpper(pascal[i - 1]))
            {
                name.Append('-');
            }

            name.Append(char.ToLowerInvariant(pascal[i]));
        }

        return name.ToString();
    }

    private static class Table<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<T, string> ToName = [];
        public static readonly Dictionary<string, T> ToValue = new(StringComparer.Ordinal);

        static Table()
        {
            foreach (T value in Enum.GetValues<T>())
            {
                string name = Kebab(value.ToString());
                ToName[value] = name;
                ToValue[name] = value;
            }
        }
    }
}
