using System;
using System.Collections.Generic;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// Pro-mem against a model of a dozen lines: a dictionary from segment to owner and second identity. Random births, deaths, allocations,
/// transfers, releases and shares, right and wrong ones, go to both; after each, results must agree, and every segment must be
/// reachable by exactly those whom the model names. Ownership that leaks, is lost, or is given without consent fails here.
/// </summary>
public class ProMemModelTests
{
    private const ulong MemorySize = 64 * 4096;

    [Theory]
    [InlineData("asmi:literal", 4096UL, 1)]
    [InlineData("asmi:hardened", 4096UL, 2)]
    [InlineData("asmi:hardened+shared", 4096UL, 3)]
    [InlineData("asmi:hardened+shared+cache", 8192UL, 4)]
    [InlineData("asmi", 16384UL, 5)]
    public void OwnershipIsWhatTheModelSays(string isolation, ulong segmentSize, int seed)
    {
        using TestMachine machine = TestMachine.With(isolation, MemorySize, segmentSize);
        IsolationControl control = machine.Unit.Control;
        Assert.Equal(IsolationError.None, control.RegisterHypervisor(0, 2, out Vmid xen));
        Model model = new(machine, xen, canShare: isolation.Contains("shared", StringComparison.Ordinal));
        Random random = new(seed);
        for (int i = 0; i < 2000; i++)
        {
            model.Act(random);
            model.Check();
        }

        Assert.True(model.Succeeded > 150 && model.Refused > 150);
    }

    private sealed class Model
    {
        private readonly TestMachine _machine;
        private readonly IsolationControl _control;
        private readonly bool _canShare;
        private readonly Dictionary<ulong, (Vmid Owner, Vmid Second)> _owned = [];
        private readonly Dictionary<Vmid, List<ulong>> _living = [];
        private readonly Vmid _xen;

        public Model(TestMachine machine, Vmid xen, bool canShare)
        {
            (_machine, _control, _xen, _canShare) = (machine, machine.Unit.Control, xen, canShare);
            _living[xen] = [0, 1];
            _owned[0] = (xen, default);
            _owned[1] = (xen, default);
        }

        public int Succeeded { get; private set; }

        public int Refused { get; private set; }

        private bool IsHardened => ((ProMemControl)_control).Profile.IsHardened;

        public void Act(Random random)
        {
            Vmid who = Pick(random);
            Vmid other = Pick(random);
            ulong segment = (ulong)random.Next((int)_control.SegmentCount + 1);
            bool done = random.Next(10) switch
            {
                0 => Create(),
                1 => random.Next(4) == 0 && Destroy(who),
                2 or 3 => Transfer(who, segment, other),
                4 or 5 => Release(who, segment),
                6 or 7 => Share(who, segment, random.Next(3) == 0 ? default : other),
                _ => Allocate(who),
            };
            Succeeded += done ? 1 : 0;
            Refused += done ? 0 : 1;
        }

        /// <summary>Everybody tries every segment.</summary>
        public void Check()
        {
            Assert.Equal((ulong)_living.Count, _control.Tot);
            for (ulong segment = 0; segment < _control.SegmentCount; segment++)
            {
                (Vmid owner, Vmid second) = _owned.GetValueOrDefault(segment);
                Assert.Equal(owner, _control.OwnerOf(segment));
                Assert.Equal(second, _control.SecondOf(segment));
                Hpa address = new((segment * _control.SegmentSizeBytes) + 16);
                foreach (Vmid name in _living.Keys)
                {
                    bool allowed = _machine.Unit.Judge(new PhysicalAccess(address, AccessKind.Write, AccessOrigin.Datum, name)).IsAllowed;
                    Assert.Equal(name == owner || name == second, allowed);
                }
            }
        }

        private Vmid Pick(Random random)
        {
            List<Vmid> all = [.. _living.Keys];
            return random.Next(12) == 0 ? new Vmid((uint)random.Next(100)) : all[random.Next(all.Count)];
        }

        private bool Create()
        {
            if (_living.Count > 6)
            {
                return false;
            }

            Assert.Equal(IsolationError.None, _control.CreateVm(out Vmid vm));
            _living.Add(vm, []);
            return true;
        }

        private bool Destroy(Vmid vm)
        {
            bool possible = vm != _xen && _living.ContainsKey(vm);
            Assert.Equal(possible, _control.DestroyVm(vm) == IsolationError.None);
            if (possible)
            {
                foreach (ulong segment in _living[vm])
                {
                    _ = _owned.Remove(segment);
                }

                _ = _living.Remove(vm);
                foreach (ulong segment in new List<ulong>(_owned.Keys))
                {
                    _owned[segment] = _owned[segment].Second == vm ? (_owned[segment].Owner, default) : _owned[segment];
                }
            }

            return possible;
        }

        private bool Allocate(Vmid asker)
        {
            bool possible = _living.ContainsKey(asker) && (ulong)_owned.Count < _control.SegmentCount;
            Assert.Equal(possible, _control.AllocateSegment(asker, out ulong segment) == IsolationError.None);
            if (possible)
            {
                Assert.False(_owned.ContainsKey(segment));
                _owned[segment] = (asker, default);
                _living[asker].Add(segment);
            }

            return possible;
        }

        private bool MayGive(Vmid giver, ulong segment) =>
            giver != default && _owned.GetValueOrDefault(segment).Owner == giver
            && !(IsHardened && _living[giver].Count > 1 && ((ProMemControl)_control).TryGetSlot(giver, out Hpa slot)
                && slot.Value / _control.SegmentSizeBytes == segment);

        private bool Transfer(Vmid giver, ulong segment, Vmid receiver)
        {
            bool possible = MayGive(giver, segment) && _living.ContainsKey(receiver) && (!IsHardened || giver == _xen);
            Assert.Equal(possible, _control.Transfer(giver, segment, receiver) == IsolationError.None);
            if (possible)
            {
                _owned[segment] = (receiver, _owned[segment].Second);
                _ = _living[giver].Remove(segment);
                _living[receiver].Add(segment);
            }

            return possible;
        }

        private bool Release(Vmid owner, ulong segment)
        {
            bool possible = MayGive(owner, segment);
            Assert.Equal(possible, _control.Release(owner, segment) == IsolationError.None);
            if (possible)
            {
                _ = _owned.Remove(segment);
                _ = _living[owner].Remove(segment);
            }

            return possible;
        }

        private bool Share(Vmid owner, ulong segment, Vmid second)
        {
            bool possible = IsHardened && owner != default && _owned.GetValueOrDefault(segment).Owner == owner
                && (second == default || (_living.ContainsKey(second) && (owner == _xen || _canShare)));
            SharePurpose purpose = _canShare ? SharePurpose.Grant : SharePurpose.AbiPage;
            Assert.Equal(possible, _control.Share(owner, segment, second, purpose) == IsolationError.None);
            if (possible)
            {
                _owned[segment] = (owner, second);
            }

            return possible;
        }
    }
}
