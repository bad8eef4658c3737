using System;
using System.Collections.Generic;
using System.Linq;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>Binary files live under images/, beside the sources that rebuild them byte for byte; nothing is huge.</summary>
internal static class BlobRule
{
    public const int MaxBytes = 1 << 20;

    public static IEnumerable<Finding> Check(SourceTree tree) =>
        from file in tree.Files
        let kind = file.IsBinary ? "binary" : "text"
        where (file.IsBinary && !file.Path.StartsWith("images/", StringComparison.Ordinal)) || file.Bytes.Length > MaxBytes
        select new Finding(file.Path, 0, $"{file.Bytes.Length} bytes, {kind}: only images/ holds binaries, and no file is over {MaxBytes}");
}
