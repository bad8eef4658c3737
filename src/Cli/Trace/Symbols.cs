using System.IO;

using Xenolith.Guests;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Trace;

/// <summary>Where symbols come from: a System.map that is named, or lies beside the kernel, or the kernel's own symbol table.</summary>
internal static class Symbols
{
    /// <exception cref="InputException">The named file is no System.map.</exception>
    public static SystemMap Load(string path)
    {
        try
        {
            return SystemMap.Load(path);
        }
        catch (ImageFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    /// <summary>The symbols of a kernel; null when there are none to be had.</summary>
    public static SystemMap? ForKernel(string kernelPath)
    {
        string beside = Path.Combine(Path.GetDirectoryName(kernelPath) ?? "", "System.map");
        try
        {
            if (File.Exists(beside))
            {
                return SystemMap.Load(beside);
            }

            SystemMap own = SystemMap.Of(ElfImage.Load(kernelPath));
            return own.Symbols.Count > 0 ? own : null;
        }
        catch (ImageFormatException)
        {
            return null; // symbols are a convenience: without them addresses stay numbers
        }
    }
}
