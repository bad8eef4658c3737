namespace Xenolith.Tidy.Tests.Rules;

/// <summary>One breach of a rule: where, and what to do about it. Line 0 means the whole file.</summary>
internal readonly record struct Finding(string Path, int Line, string Message)
{
    public override string ToString() => Line == 0 ? $"{Path}: {Message}" : $"{Path}:{Line}: {Message}";
}
