using System;
using System.Collections.Generic;
using System.Text;

namespace Xenolith.Oracle.Fuzz;

/// <summary>Runs cases on the careful engine and the fast ones, and compares what they leave after each slice.</summary>
public sealed class Fuzzer : IDisposable
{
    /// <summary>Every so many cases the looping engine takes part too, and in others the threaded one with hot code at once.</summary>
    private const ulong LoopedEvery = 8;
    private const ulong HotEvery = 4;

    private readonly FuzzCase _case = new();
    private readonly FuzzMachine _careful = new(FuzzEngine.Careful);
    private readonly FuzzMachine _threaded = new(FuzzEngine.Threaded);
    private readonly FuzzMachine _looped = new(FuzzEngine.Looped);
    private readonly FuzzMachine _hot = new(FuzzEngine.Hot);
    private readonly List<ulong> _expected = [];
    private readonly List<ulong> _found = [];

    /// <summary>Instructions that retired on the careful engine.</summary>
    public ulong Instructions { get; private set; }

    /// <summary>Cases that changed their own page tables: what the engines' TLBs still hold then is nobody's promise.</summary>
    public ulong Unjudged { get; private set; }

    public void Dispose()
    {
        _careful.Dispose();
        _threaded.Dispose();
        _looped.Dispose();
        _hot.Dispose();
    }

    /// <summary>Null when all engines agree (or the case cannot be judged), else what differs.</summary>
    public string? Run(ulong number)
    {
        _case.Make(number);
        string? difference = Compare(_threaded, "threaded");
        if (difference is null && number % LoopedEvery == 0)
        {
            difference = Compare(_looped, "looped");
        }

        return difference is null && number % HotEvery == 1 ? Compare(_hot, "hot") : difference;
    }

    /// <summary>The first instruction after which an engine differs: what it is and how.</summary>
    public string Locate(ulong number, ulong after = 0)
    {
        _case.Make(number);
        for (int engine = 0; engine < 3; engine++)
        {
            FuzzMachine fast = engine switch { 0 => _threaded, 1 => _looped, _ => _hot };
            int total = 0;
            foreach ((int instructions, _) in _case.Slices)
            {
                total += instructions;
            }

            Queue<string> history = new();
            for (int count = 1; count <= total; count++)
            {
                if (after != 0)
                {
                    _case.Make(after);
                    _ = Compare(fast, "");
                    _case.Make(number);
                }

                if (DiffersAfter(fast, count, out string text))
                {
                    text += $"\ncode {Convert.ToHexString(_careful.Memory.Slice(0x100c0, 48))}";
                    return $"{string.Join('\n', history)}\n{Values()}\n{_case}, after {count} instructions: {text}";
                }

                history.Enqueue($"{count}: {_careful.NextInstruction} flags {_expected[1]:x} rsp {_expected[6]:x}");
                if (history.Count > 12)
                {
                    _ = history.Dequeue();
                }
            }
        }

        return "no difference";
    }

    /// <summary>The whole state of the careful machine but vectors.</summary>
    private string Values()
    {
        List<string> names = [];
        _expected.Clear();
        _careful.Describe(_expected, names);
        StringBuilder text = new();
        for (int i = 0; i < names.Count; i++)
        {
            if (!names[i].StartsWith("ymm", StringComparison.Ordinal) && _expected[i] != 0)
            {
                _ = text.Append($" {names[i]}={_expected[i]:x}");
            }
        }

        return text.ToString();
    }

    private bool DiffersAfter(FuzzMachine fast, int count, out string text)
    {
        _careful.Load(_case);
        fast.Load(_case);
        int left = count;
        for (int slice = 0; slice < _case.Slices.Count && left > 0; slice++)
        {
            int now = Math.Min(left, _case.Slices[slice].Instructions);
            left -= now;
            int happens = slice == 0 ? -2 : _case.Slices[slice].Event;
            _ = _careful.Run(now, happens);
            _ = fast.Run(now, happens);
        }

        _expected.Clear();
        _found.Clear();
        _careful.Describe(_expected, null);
        fast.Describe(_found, null);
        text = "";
        if (_expected.AsReadOnly().SequenceEqualTo(_found) && _careful.Memory.SequenceEqual(fast.Memory))
        {
            return false;
        }

        text = Explain(fast, "fast", -1);
        return true;
    }

    private string? Compare(FuzzMachine fast, string name)
    {
        _careful.Load(_case);
        fast.Load(_case);
        int slice = 0;
        foreach ((int instructions, int what) in _case.Slices)
        {
            int happens = slice == 0 ? -2 : what;
            bool goesOn = _careful.Run(instructions, happens);
            _ = fast.Run(instructions, happens);
            _expected.Clear();
            _found.Clear();
            _careful.Describe(_expected, null);
            fast.Describe(_found, null);
            if (!_expected.AsReadOnly().SequenceEqualTo(_found) || !_careful.Memory.SequenceEqual(fast.Memory))
            {
                if (HasOwnTables())
                {
                    Unjudged++;
                    return null;
                }

                return Explain(fast, name, slice);
            }

            slice++;
            if (!goesOn)
            {
                break;
            }
        }

        unsafe
        {
            Instructions += _careful.State->Retired;
        }

        return null;
    }

    /// <summary>The paging structures were changed beyond accessed and dirty bits, or replaced.</summary>
    private unsafe bool HasOwnTables()
    {
        const ulong AccessedDirty = 0x60;
        ReadOnlySpan<byte> before = _case.Image.AsSpan((int)FuzzMap.Pml4, (int)(FuzzMap.TablesEnd - FuzzMap.Pml4));
        ReadOnlySpan<byte> after = _careful.Memory.Slice((int)FuzzMap.Pml4, before.Length);
        for (int i = 0; i < before.Length; i += 4)
        {
            if (((BitConverter.ToUInt32(before[i..]) ^ BitConverter.ToUInt32(after[i..])) & ~AccessedDirty) != 0)
            {
                return true;
            }
        }

        ulong cr3 = _careful.State->Paging.Cr3 & ~0xFFFUL;
        return cr3 is not (0 or FuzzMap.Pml4 or FuzzMap.LegacyDirectory or FuzzMap.PaePdpt);
    }

    private string Explain(FuzzMachine fast, string name, int slice)
    {
        List<string> names = [];
        _expected.Clear();
        _careful.Describe(_expected, names);
        StringBuilder text = new();
        _ = text.Append($"{_case}, slice {slice}: careful/{name}:");
        for (int i = 0; i < _expected.Count; i++)
        {
            if (_expected[i] != _found[i])
            {
                _ = text.Append($" {names[i]} {_expected[i]:x}/{_found[i]:x}");
            }
        }

        int shown = 0;
        for (int at = 0; at < (int)FuzzMap.MemorySize && shown < 8; at++)
        {
            if (_careful.Memory[at] != fast.Memory[at])
            {
                shown++;
                _ = text.Append($" [{at:x}] {_careful.Memory[at]:x}/{fast.Memory[at]:x}");
            }
        }

        return text.ToString();
    }
}

file static class ListExtensions
{
    public static bool SequenceEqualTo(this System.Collections.ObjectModel.ReadOnlyCollection<ulong> first, List<ulong> second)
    {
        if (first.Count != second.Count)
        {
            return false;
        }

        for (int i = 0; i < first.Count; i++)
        {
            if (first[i] != second[i])
            {
                return false;
            }
        }

        return true;
    }
}
