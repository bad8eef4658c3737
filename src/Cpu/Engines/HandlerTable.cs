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
    /// <summary>How many copies of a handler there may be, itself included.</summary>
    public const int Copies = 12;

    private static readonly Dictionary<Key, nint> Compiled = [];
    private static readonly Dictionary<nint, (Key Key, int Given)> Keys = [];
    private static readonly Dictionary<(Type Group, string Name), MethodInfo> Methods = [];

    /// <summary>The handler <paramref name="shell"/> of a group of shells, for these type arguments.</summary>
    /// <param name="body">The generic type of the body, to be closed over a to d; null where a to d are the shell's own arguments.</param>
    public static delegate*<CpuState*, Op*, Op*> Find(
        Type group, string shell, Type dispatch, Type? body = null, Type? a = null, Type? b = null, Type? c = null, Type? d = null, Type? address = null)
    {
        Key key = new(group, shell, dispatch, body, a, b, c, d, address);
        lock (Compiled)
        {
            if (!Compiled.TryGetValue(key, out nint pointer))
            {
                pointer = Compile(key);
                Compiled.Add(key, pointer);
                Keys[pointer] = (key, 0);
            }

            return (delegate*<CpuState*, Op*, Op*>)pointer;
        }
    }

    /// <summary>
    /// Another copy of a threaded handler, each time another one, up to <see cref="Copies"/> of each; then they are given out again.
    /// The copies of a copy, and of a looped handler, are itself.
    /// </summary>
    public static delegate*<CpuState*, Op*, Op*> NextCopy(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            if (!Keys.TryGetValue((nint)handler, out (Key Key, int Given) entry) || entry.Key.Dispatch != typeof(TailThreaded)
                || entry.Key.Shell is nameof(ControlHandlers.Exit) or nameof(ControlHandlers.Cold) or nameof(ControlHandlers.Dead))
            {
                return handler;
            }

            Keys[(nint)handler] = (entry.Key, entry.Given + 1);
            Type dispatch = typeof(TailThreaded);
            for (int n = entry.Given % Copies; n > 0; n--)
            {
                dispatch = typeof(Copy<>).MakeGenericType(dispatch);
            }

            Key key = entry.Key with { Dispatch = dispatch };
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
                if (key.Dispatch == typeof(TailThreaded))
                {
                    found.Add(($"{key.Shell}<{key.Body?.Name} {key.A?.Name} {key.B?.Name} {key.C?.Name} {key.D?.Name} {key.Address?.Name}>", code));
                }
            }
        }

        return found;
    }

    private static nint Compile(Key key)
    {
        if (!Methods.TryGetValue((key.Group, key.Shell), out MethodInfo? shell))
        {
            shell = key.Group.GetMethod(key.Shell, BindingFlags.Public | BindingFlags.Static)
                ?? throw new InvalidOperationException($"no handler {key.Group.Name}.{key.Shell}");
            Methods.Add((key.Group, key.Shell), shell);
        }

        List<Type> types = [];
        foreach (Type? type in (ReadOnlySpan<Type?>)[key.A, key.B, key.C, key.D])
        {
            if (type is not null)
            {
                types.Add(type);
            }
        }

        if (key.Body is { } body)
        {
            types = [body.IsGenericTypeDefinition ? body.MakeGenericType([.. types]) : body];
        }

        if (key.Address is not null)
        {
            types.Add(key.Address);
        }

        types.Add(key.Dispatch);
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

    private readonly record struct Key(
        Type Group, string Shell, Type Dispatch, Type? Body, Type? A, Type? B, Type? C, Type? D, Type? Address);
}
