using System;
using System.Diagnostics;
using System.Globalization;
using System.Threading;

namespace Xenolith.Oracle.Fuzz;

/// <summary>The command <c>fuzz</c> (tests/Oracle/README.md).</summary>
public static class FuzzCommand
{
    private const int ShownMismatches = 40;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private static ulong s_running;

    public static int Run(ReadOnlySpan<string> args)
    {
        ulong first = 1;
        ulong cases = ulong.MaxValue;
        ulong after = 0;
        double seconds = double.PositiveInfinity;
        for (int i = 0; i + 1 < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--first":
                    first = ulong.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--cases":
                    cases = ulong.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--seconds":
                    seconds = double.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--after":
                    after = ulong.Parse(args[i + 1], CultureInfo.InvariantCulture);
                    break;
                case "--locate":
                    using (Fuzzer fuzzer = new())
                    {
                        Console.WriteLine(fuzzer.Locate(ulong.Parse(args[i + 1], CultureInfo.InvariantCulture), after));
                    }

                    return 0;
                default:
                    Console.Error.WriteLine("usage: fuzz [--first CASE] [--cases N] [--seconds S] | fuzz [--after CASE] --locate CASE");
                    return 2;
            }
        }

        Thread watchdog = new(Watch) { IsBackground = true };
        watchdog.Start();
        return Loop(first, cases, seconds);
    }

    private static int Loop(ulong first, ulong cases, double seconds)
    {
        Stopwatch clock = Stopwatch.StartNew();
        double report = 30;
        ulong mismatches = 0;
        ulong exceptions = 0;
        ulong done = 0;
        ulong instructions = 0;
        ulong unjudged = 0;
        long rssAtStart = 0;
        long rssMax = 0;
        Fuzzer fuzzer = new();
        for (; done < cases && clock.Elapsed.TotalSeconds < seconds; done++)
        {
            ulong number = first + done;
            Volatile.Write(ref s_running, number);
            try
            {
                string? difference = fuzzer.Run(number);
                if (difference is not null && ++mismatches <= ShownMismatches)
                {
                    Console.WriteLine(difference);
                }
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                exceptions++;
                Console.WriteLine($"case {number}: {e}");
                instructions += fuzzer.Instructions;
                unjudged += fuzzer.Unjudged;
                fuzzer.Dispose();
                fuzzer = new Fuzzer(); // its machines may be in any state
            }

            if (clock.Elapsed.TotalSeconds < report)
            {
                continue;
            }

            report = clock.Elapsed.TotalSeconds + 30;
            long rss = Environment.WorkingSet >> 20;
            rssAtStart = rssAtStart == 0 ? rss : rssAtStart;
            rssMax = Math.Max(rssMax, rss);
            Console.Error.WriteLine(
                $"fuzz: {clock.Elapsed.TotalSeconds:f0} s, {done + 1} cases to number {number}, {instructions + fuzzer.Instructions} instructions, "
                + $"{mismatches} mismatches, {unjudged + fuzzer.Unjudged} unjudged, {exceptions} exceptions, RSS {rss} MiB");
        }

        instructions += fuzzer.Instructions;
        unjudged += fuzzer.Unjudged;
        fuzzer.Dispose();
        Volatile.Write(ref s_running, 0);
        Console.WriteLine(
            $"fuzz: {done} cases from number {first}, {instructions} instructions, {clock.Elapsed.TotalSeconds:f0} s; {mismatches} mismatches, "
            + $"{unjudged} unjudged, {exceptions} exceptions, 0 hangs; RSS {rssAtStart} MiB after 30 s, at most {rssMax} MiB, "
            + $"{Environment.WorkingSet >> 20} MiB at the end");
        return mismatches == 0 && exceptions == 0 ? 0 : 1;
    }

    /// <summary>A case is some thousand instructions: one that takes long hangs, and the process ends with its number.</summary>
    private static void Watch()
    {
        using Process process = Process.GetCurrentProcess();
        ulong watched = 0;
        TimeSpan spentBefore = TimeSpan.Zero;
        while (true)
        {
            Thread.Sleep(1000);
            process.Refresh();
            TimeSpan spent = process.TotalProcessorTime; // on a busy host the clock says little
            ulong running = Volatile.Read(ref s_running);
            if (running != watched)
            {
                (watched, spentBefore) = (running, spent);
            }
            else if (running != 0 && spent - spentBefore > s_patience)
            {
                Console.WriteLine($"case {running}: hangs");
                Environment.Exit(3);
            }
        }
    }
}
