using System.Collections.Generic;

using Xenolith.Machine;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the scheduler picks among members that come, go and block. A member that starves, one that is picked while it cannot run, a
// slice outside its bounds, or two sequences that differ for one seed make it fail.
public class SliceSchedulerTests
{
    [Fact]
    public void EveryRunnableMemberGetsItsTurn()
    {
        SliceScheduler<Member> scheduler = new(1, 1000);
        List<Member> members = [new("a"), new("b"), new("c"), new("d")];
        members.ForEach(scheduler.Add);
        members[2].IsRunnable = false;
        string order = string.Empty;
        for (int i = 0; i < 9; i++)
        {
            Member? picked = scheduler.Pick(out long slice);
            Assert.InRange(slice, 1000, 1499);
            order += picked!.Name;
        }

        Assert.Equal("abdabdabd", order);
    }

    [Fact]
    public void MembersMayLeaveWithoutDisturbingTheOrder()
    {
        SliceScheduler<Member> scheduler = new(1, 1000);
        List<Member> members = [new("a"), new("b"), new("c"), new("d")];
        members.ForEach(scheduler.Add);
        _ = scheduler.Pick(out _);
        _ = scheduler.Pick(out _);
        scheduler.Remove(members[0]);
        Assert.Same(members[2], scheduler.Pick(out _));
        scheduler.Remove(members[3]);
        Assert.Same(members[1], scheduler.Pick(out _));
        scheduler.Remove(members[1]);
        scheduler.Remove(members[2]);
        Assert.Null(scheduler.Pick(out _));
    }

    [Fact]
    public void SlicesFollowTheSeed()
    {
        Assert.Equal(Slices(9), Slices(9));
        Assert.NotEqual(Slices(9), Slices(10));
    }

    private static List<long> Slices(ulong seed)
    {
        SliceScheduler<Member> scheduler = new(seed, 100_000);
        scheduler.Add(new Member("a"));
        List<long> slices = [];
        for (int i = 0; i < 20; i++)
        {
            _ = scheduler.Pick(out long slice);
            slices.Add(slice);
        }

        return slices;
    }

    private sealed class Member(string name) : IRunnable
    {
        public string Name => name;

        public bool IsRunnable { get; set; } = true;
    }
}
