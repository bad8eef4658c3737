using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>What the scheduler needs to know of a thing that can run.</summary>
public interface IRunnable
{
    /// <summary>True while it could use the processor now.</summary>
    bool IsRunnable { get; }
}

/// <summary>
/// Seeded round robin: each turn goes to the next runnable member after the last one that ran, for a slice whose length the seed
/// spreads over [base, 1.5 base). The same seed, members and behaviour give the same interleaving.
/// </summary>
public sealed class SliceScheduler<T>(ulong seed, long baseSliceInstructions)
    where T : class, IRunnable
{
    private readonly List<T> _members = [];
    private readonly SeededRandom _random = new(seed);
    private int _next;

    public IReadOnlyList<T> Members => _members;

    public void Add(T member) => _members.Add(member);

    public void Remove(T member)
    {
        int index = _members.IndexOf(member);
        if (index < 0)
        {
            return;
        }

        _members.RemoveAt(index);
        if (index < _next)
        {
            _next--;
        }
    }

    /// <summary>The member whose turn it is, and how many instructions it may run; null when none is runnable.</summary>
    public T? Pick(out long sliceInstructions)
    {
        for (int tried = 0; tried < _members.Count; tried++)
        {
            int index = (_next + tried) % _members.Count;
            if (_members[index].IsRunnable)
            {
                _next = index + 1;
                sliceInstructions = baseSliceInstructions + (long)_random.Below((ulong)baseSliceInstructions / 2);
                return _members[index];
            }
        }

        sliceInstructions = 0;
        return null;
    }
}
