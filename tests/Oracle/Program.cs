using System;

using Xenolith.Oracle.Fuzz;
using Xenolith.Oracle.Refused;
using Xenolith.Oracle.Silicon;

namespace Xenolith.Oracle;

/// <summary>Commands of the oracles: <c>dotnet run --project tests/Oracle -- silicon|fuzz ...</c> (tests/Oracle/README.md).</summary>
public static class Program
{
    public static int Main(string[] args)
    {
        if (args is ["silicon", ..])
        {
            return SiliconCommand.Run(args.AsSpan(1));
        }

        if (args is ["fuzz", ..])
        {
            return FuzzCommand.Run(args.AsSpan(1));
        }

        if (args is ["refused", string path])
        {
            System.IO.File.WriteAllText(path, RefusedCodes.Text());
            return 0;
        }

        Console.Error.WriteLine("usage: fuzz ... | refused FILE | silicon list|compare|capture ... (see tests/Oracle/README.md)");
        return 2;
    }
}
