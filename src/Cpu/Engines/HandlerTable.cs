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
    private static readonly Dictionary<nint, nint> Heads = [];
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
                Keys[pointer] = Keys.TryGetValue(pointer, out entry) ? entry : (key, 0);
            }

            return (delegate*<CpuState*, Op*, Op*>)pointer;
        }
    }

    /// <summary>
    /// The handler of a chain over ops that stand one behind the other: the whole chain, of which <see cref="HeadOf"/> remembers the first
    /// op's own handler. Null when one of them cannot be in a chain.
    /// </summary>
    /// <param name="ops">The first op.</param>
    /// <param name="count">How many, the branch at the end included.</param>
    public static delegate*<CpuState*, Op*, Op*> Chain(Op* ops, int count)
    {
        lock (Compiled)
        {
            Type? test = TestOf((nint)ops[count - 1].Handler);
            Type steps = StepsOf(ops, test is null ? count : count - 1);
            string shell = test is null ? nameof(ChainShells.Chain) : nameof(ChainShells.ChainBranch);
            delegate*<CpuState*, Op*, Op*> chain = NextCopy(Find(typeof(ChainShells), shell, typeof(TailThreaded), a: steps, b: test));
            Heads[(nint)chain] = (nint)ops->Handler;
            return chain;
        }
    }

    /// <summary>May the op be part of a chain, before its end?</summary>
    public static bool IsStep(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            return Keys.TryGetValue((nint)handler, out (Key Key, int Given) entry) && entry.Key.Dispatch == typeof(TailThreaded)
                && entry.Key.Shell is nameof(Shells.Plain) or nameof(Shells.Memory) or nameof(Shells.Try) or nameof(Shells.TryMemory);
        }
    }

    /// <summary>May the op be the end of a chain?</summary>
    public static bool IsTest(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            return TestOf((nint)handler) is not null;
        }
    }

    /// <summary>
    /// The handler of a fused branch that leaves its flags to <see cref="DeferredFlags"/>; the same handler where it computes them anyway.
    /// </summary>
    public static delegate*<CpuState*, Op*, Op*> Deferring(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            if (!Keys.TryGetValue((nint)handler, out (Key Key, int Given) entry) || entry.Key.D != typeof(WithFlags)
                || entry.Key.Shell is not (nameof(Shells.Branch) or nameof(Shells.BranchMemory)))
            {
                return handler;
            }

            Key key = entry.Key;
            bool fromOperands = key.A == typeof(Cmp) || key.A == typeof(Sub)
                ? key.C != typeof(IfO) && key.C != typeof(IfNo) && key.C != typeof(IfP) && key.C != typeof(IfNp)
                : key.A == typeof(Add) && (key.C == typeof(IfE) || key.C == typeof(IfNe) || key.C == typeof(IfS) || key.C == typeof(IfNs));
            return fromOperands
                ? Find(key.Group, key.Shell, key.Dispatch, key.Body, key.A, key.B, key.C, typeof(FaultOnlyFlags), key.Address)
                : handler;
        }
    }

    /// <summary>Does an exit's handler lead into another page?</summary>
    public static bool IsCrossPage(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            return Keys.TryGetValue((nint)handler, out (Key Key, int Given) entry) && entry.Key.Shell == nameof(ControlHandlers.CrossPage);
        }
    }

    /// <summary>Is it the handler of a chain?</summary>
    public static bool IsChain(delegate*<CpuState*, Op*, Op*> handler)
    {
        lock (Compiled)
        {
            return Heads.ContainsKey((nint)handler);
        }
    }

    /// <summary>The own handler of the op that a chain starts with.</summary>
    public static delegate*<CpuState*, Op*, Op*> HeadOf(delegate*<CpuState*, Op*, Op*> chain)
    {
        lock (Compiled)
        {
            return (delegate*<CpuState*, Op*, Op*>)Heads[(nint)chain];
        }
    }

    private static Type? TestOf(nint handler) =>
        Keys.TryGetValue(handler, out (Key Key, int Given) entry) && entry.Key.Dispatch == typeof(TailThreaded)
        && entry.Key.Shell == nameof(Shells.Branch)
            ? Close(entry.Key)
            : null;

    /// <summary>As a balanced tree, because the JIT inlines to a limited depth.</summary>
    private static Type StepsOf(Op* ops, int count)
    {
        if (count > 1)
        {
            return typeof(Then<,>).MakeGenericType(StepsOf(ops, count / 2), StepsOf(ops + (count / 2), count - (count / 2)));
        }

        Key key = Keys[(nint)ops->Handler].Key;
        Type body = Close(key);
        return key.Shell switch
        {
            nameof(Shells.Plain) => typeof(PlainStep<>).MakeGenericType(body),
            nameof(Shells.Memory) => typeof(MemoryStep<,>).MakeGenericType(body, key.Address!),
            nameof(Shells.Try) => typeof(TryStep<>).MakeGenericType(body),
            _ => typeof(TryMemoryStep<,>).MakeGenericType(body, key.Address!),
        };
    }

    /// <summary>The body of a handler, closed over its arguments.</summary>
    private static Type Close(Key key) => key.Body!.IsGenericTypeDefinition ? key.Body.MakeGenericType([.. Arguments(key)]) : key.Body;

    private static List<Type> Arguments(Key key)
    {
        List<Type> types = [];
        foreach (Type? type in (ReadOnlySpan<Type?>)[key.A, key.B, key.C, key.D])
        {
            if (type is not null)
            {
                types.Add(type);
            }
        }

        return types;
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

        List<Type> types = key.Body is null ? Arguments(key) : [Close(key)];
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
