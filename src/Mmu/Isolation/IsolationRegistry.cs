using System;
using System.Buffers;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.Loader;

namespace Xenolith.Mmu;

/// <summary>What <c>--isolation NAME[:PROFILE]</c> chose.</summary>
public sealed record IsolationSelection(IsolationFactory Factory, string Profile)
{
    /// <summary>The text that selects the same again.</summary>
    public override string ToString() => Profile.Length == 0 ? Factory.Name : $"{Factory.Name}:{Profile}";

    /// <summary>Builds the memory side of a machine with the chosen unit in it.</summary>
    public MemoryUnit Build(PhysicalBus bus, ulong segmentSizeBytes, ITranslationSink? sink) =>
        Factory.Build(bus, new IsolationOptions(Profile, segmentSizeBytes), sink);
}

/// <summary>The isolation units that can be selected by name: those built in, and those of plug-in assemblies.</summary>
public sealed class IsolationRegistry
{
    private static readonly SearchValues<char> s_nameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    private readonly SortedDictionary<string, IsolationFactory> _factories = new(StringComparer.Ordinal);

    /// <summary>Knows the units of this assembly.</summary>
    public IsolationRegistry()
    {
        Register(new NoIsolationFactory());
        Register(new ProMemFactory());
    }

    /// <summary>All units, by name.</summary>
    public IReadOnlyCollection<IsolationFactory> Factories => _factories.Values;

    /// <exception cref="ArgumentException">The name is taken, or is no lower-case word.</exception>
    public void Register(IsolationFactory factory)
    {
        if (factory.Name.Length == 0 || factory.Name.AsSpan().ContainsAnyExcept(s_nameCharacters))
        {
            throw new ArgumentException($"'{factory.Name}' cannot name an isolation unit: use lower-case letters, digits and '-'", nameof(factory));
        }

        if (!_factories.TryAdd(factory.Name, factory))
        {
            throw new ArgumentException($"there is already an isolation unit named '{factory.Name}'", nameof(factory));
        }
    }

    /// <summary>Finds a unit from the text <c>NAME[:PROFILE]</c>. The profile is checked when the unit is built.</summary>
    /// <exception cref="ArgumentException">No such unit; the message lists those that exist.</exception>
    public IsolationSelection Parse(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string name = colon < 0 ? text : text[..colon];
        string profile = colon < 0 ? "" : text[(colon + 1)..];
        return _factories.TryGetValue(name, out IsolationFactory? factory)
            ? new IsolationSelection(factory, profile)
            : throw new ArgumentException($"no isolation unit '{name}': known are {string.Join(", ", _factories.Keys)}", nameof(text));
    }

    /// <summary>Registers every public <see cref="IsolationFactory"/> with a parameterless constructor that an assembly holds.</summary>
    /// <param name="assemblyPath">Path of the assembly's file.</param>
    /// <returns>How many units it brought.</returns>
    /// <exception cref="ArgumentException">The file is missing, is no assembly, or has no isolation unit; the message is for the
    /// user.</exception>
    public int LoadPlugIn(string assemblyPath)
    {
        Assembly assembly;
        try
        {
            assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(System.IO.Path.GetFullPath(assemblyPath));
        }
        catch (Exception error) when (error is System.IO.IOException or BadImageFormatException)
        {
            throw new ArgumentException($"cannot load isolation plug-in '{assemblyPath}': {error.Message}", nameof(assemblyPath), error);
        }

        int found = 0;
        foreach (Type type in assembly.GetExportedTypes())
        {
            if (type.IsAbstract || !type.IsSubclassOf(typeof(IsolationFactory)) || type.GetConstructor(Type.EmptyTypes) is null)
            {
                continue;
            }

            Register((IsolationFactory)Activator.CreateInstance(type)!);
            found++;
        }

        return found != 0 ? found : throw new ArgumentException($"no isolation unit in '{assemblyPath}'", nameof(assemblyPath));
    }
}
