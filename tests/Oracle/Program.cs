using System;

using Xenolith.Oracle.Silicon;

namespace Xenolith.Oracle;

/// <summary>The command line of the oracles: <c>dotnet run --project tests/Oracle -- silicon ...</c> (tests/Oracle/README.md).</summary>
public static class Program
{
    public static int Main(string[] args)
    {
        if (args is ["silicon", ..])
        {
            return SiliconCommand.Run(args.AsSpan(1));
        }

        Console.Error.WriteLine("usage: silicon list|compare|capture ... (see tests/Oracle/README.md)");
        return 2;
    }
}
