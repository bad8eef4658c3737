using System;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// Handlers by shell and type arguments. Each is closed over its types and compiled when a block first needs it, so only those that
/// guests use cost anything; its pointer is the compiled code itself, past the runtime's indirection, which is worth up to 20 %.
/// </summary>
internal static unsafe class HandlerTable
{
    private static readonly Dictionary<Key, nint> Compiled = [];
    private static readonly Dictionary<(Type Group, string Name), MethodInfo> Shells = [];

    /// <summary>The handler <paramref name="name"/> of a group of shells, for these type arguments, dispatch last.</summary>
    public static delegate*<CpuState*, Op*, Op*> Find(Type group, string name, Type a, Type? b = null, Type? c = null, Type? d = null, Type? e = null)
    {
        Key key = new(group, name, a, b, c, d, e);
        lock (Compiled)
        {
            if (!Compiled.TryGetValue(key, out nint pointer))
            {
                pointer = Compile(key);
                Compiled.Add(key, pointer);
            }

            return (delegate*<CpuState*, Op*, Op*>)pointer;
        }
    }

    /// <summary>The code of every threaded handler that was needed so far, with its name: what the test of tail calls looks at.</summary>
    internal static List<(string Name, nint Code)> ThreadedCode()
    {
        List<(string Name, nint Code)> found = [];
        lock (Compiled)
        {
            foreach ((Key key, nint code) in Compiled)
            {
                string name = $"{key.Name}<{key.A.Name} {key.B?.Name} {key.C?.Name} {key.D?.Name} {key.E?.Name}>";
                if (name.Contains(nameof(TailThreaded), StringComparison.Ordinal))
                {
                    found.Add((name, code));
                }
            }
        }

        return found;
    }

    private static nint Compile(Key key)
    {
        if (!Shells.TryGetValue((key.Group, key.Name), out MethodInfo? shell))
        {
            shell = key.Group.GetMethod(key.Name, BindingFlags.Public | BindingFlags.Static)
                ?? throw new InvalidOperationException($"no handler {key.Group.Name}.{key.Name}");
            Shells.Add((key.Group, key.Name), shell);
        }

        List<Type> types = [key.A];
        foreach (Type? type in (ReadOnlySpan<Type?>)[key.B, key.C, key.D, key.E])
        {
            if (type is not null)
            {
                types.Add(type);
            }
        }

        MethodInfo method = shell.MakeGenericMethod([.. types]);
        RuntimeTypeHandle[] handles = new RuntimeTypeHandle[types.Count];
        for (int i = 0; i < handles.Length; i++)
        {
            handles[i] = types[i].TypeHandle;
        }

        RuntimeHelpers.PrepareMethod(method.MethodHandle, handles);
        return Resolve(method.MethodHandle.GetFunctionPointer());
    }

    /// <summary>
    /// The runtime's stub of a compiled method is an indirect jump (FF 25 disp32) through a cell that holds the code's address.
    /// Anything else is kept as it is, and works too.
    /// </summary>
    private static nint Resolve(nint pointer)
    {
        byte* code = (byte*)pointer;
        for (int i = 0; i < 2 && code[0] == 0xFF && code[1] == 0x25; i++)
        {
            byte* target = *(byte**)(code + 6 + *(int*)(code + 2));
            if (target == code + 6)
            {
                break; // not compiled yet: the cell leads to the compiler
            }

            code = target;
        }

        return (nint)code;
    }

    private readonly record struct Key(Type Group, string Name, Type A, Type? B, Type? C, Type? D, Type? E);
}
