using System;
using System.Collections.Generic;

using Xenolith.Cli.Input;
using Xenolith.Cli.Trace;
using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Toolstack;
using Xenolith.Xen;
using Xenolith.Xen.Rogue;

namespace Xenolith.Cli.Machine;

/// <summary>One machine with its Xen and Dom0's tools, from power on to the last guest's end.</summary>
internal sealed class MachineSession : IDisposable
{
    /// <summary>
    /// How often input, progress and interruptions are looked after, in instructions. Always the same, so that runs repeat.
    /// </summary>
    private const ulong LookAroundInstructions = 2_000_000;

    private readonly MachineOptions _options;
    private volatile bool _interrupted;

    /// <param name="recorder">Receives translation records; null runs without a probe.</param>
    /// <param name="rogue">Whom Xen betrays; null is a Xen that keeps its word.</param>
    /// <exception cref="InputException">No such isolation unit, or sizes that do not go together.</exception>
    public MachineSession(MachineOptions options, TraceRecorder? recorder, RogueOptions? rogue = null)
    {
        _options = options;
        try
        {
            IsolationRegistry registry = new();
            foreach (string plugIn in options.PlugIns)
            {
                registry.LoadPlugIn(plugIn);
            }

            Isolation = registry.Parse(options.Isolation);
            Board = new Board(new BoardOptions
            {
                MemoryBytes = options.MemoryBytes,
                Isolation = Isolation.Factory,
                IsolationOptions = new IsolationOptions(Isolation.Profile, options.SegmentSizeBytes),
                Sink = recorder,
                Seed = options.Seed,
            });
            Hypervisor = new Hypervisor(Board, new HypervisorOptions { Rogue = rogue });
        }
        catch (Exception e) when (e is ArgumentException or OutOfMemoryException)
        {
            throw new InputException(WithoutParameter(e), e);
        }

        recorder?.Attach(Hypervisor);
        Manager = new DomainManager(Hypervisor);
    }

    public IsolationSelection Isolation { get; }

    public Board Board { get; }

    public Hypervisor Hypervisor { get; }

    public DomainManager Manager { get; }

    /// <summary>Called now and then during <see cref="Run"/>.</summary>
    public Action? LookAround { get; set; }

    public bool WasInterrupted => _interrupted;

    /// <summary>Ends the run soon; from any thread.</summary>
    public void Interrupt()
    {
        _interrupted = true;
        Hypervisor.RequestStop();
    }

    /// <summary>Unpauses every domain and runs until all have ended, the limit is reached, or nothing can go on.</summary>
    /// <param name="script">Typed on the first domain's console; null without.</param>
    /// <param name="keyboard">Wired to the first domain's console; null without.</param>
    public RunStop Run(InputScript? script = null, IKeyboard? keyboard = null)
    {
        foreach (ManagedDomain domain in Manager.Domains)
        {
            Manager.Unpause(domain);
        }

        keyboard?.Start();
        return Continue(_options.MaxInstructions, script, keyboard);
    }

    /// <summary>Runs on, up to a number of instructions since power on.</summary>
    public RunStop Continue(ulong limit, InputScript? script = null, IKeyboard? keyboard = null)
    {
        while (!_interrupted)
        {
            bool typed = Type(script, keyboard);
            ulong next = ((Board.RetiredInstructions / LookAroundInstructions) + 1) * LookAroundInstructions;
            RunStop stop = Hypervisor.Run(Math.Min(next, limit));
            LookAround?.Invoke();
            switch (stop)
            {
                case RunStop.InstructionLimit when Board.RetiredInstructions < limit:
                    break;
                case RunStop.Idle when Manager.PollAll() || typed || Type(script, keyboard):
                    break;
                case RunStop.Idle when keyboard is not null && keyboard.WaitForMore():
                    break;
                default:
                    return stop;
            }
        }

        return RunStop.Requested;
    }

    public void Dispose() => Board.Dispose();

    /// <summary>Passes on what is to be typed. True when there was something.</summary>
    private bool Type(InputScript? script, IKeyboard? keyboard)
    {
        if (Manager.Domains.Count == 0)
        {
            return false;
        }

        bool typed = false;
        foreach (byte[] bytes in (ReadOnlySpan<byte[]>)[script?.Take() ?? [], keyboard?.Take() ?? []])
        {
            if (bytes.Length > 0)
            {
                Manager.Type(Manager.Domains[0], bytes);
                typed = true;
            }
        }

        return typed;
    }

    /// <summary>An argument exception's message without the line that names the parameter, which means nothing to a user.</summary>
    internal static string WithoutParameter(Exception e)
    {
        int suffix = e.Message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return suffix > 0 ? e.Message[..suffix] : e.Message;
    }
}
