using System.Collections.Generic;
using System.Globalization;
using System.Text;
using System.Text.Json;

using Xenolith.Cli.Machine;
using Xenolith.Cli.Trace;
using Xenolith.Cpu;
using Xenolith.Guests;
using Xenolith.Machine;
using Xenolith.Mmu;

namespace Xenolith.Cli.Output;

/// <summary>How a bare machine ended: the line for people, the JSON, and what the shell is told.</summary>
internal sealed unsafe class BootReport(BootSession session, BootOptions options, RunEnd end)
{
    public const int SchemaVersion = 1;

    private static readonly string[] s_registers =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    private readonly SystemMap? _symbols = options.Image is { } image ? Symbols.ForKernel(image) : null;

    /// <summary>
    /// docs/exit-codes.md: the guest's own status is odd (the exit device makes it so), the codes for everything else are even.
    /// </summary>
    public int ExitCode => session.WasInterrupted ? Cli.ExitCode.Interrupted : end switch
    {
        _ when session.WasStopped => Cli.ExitCode.Ok,
        RunEnd.GuestExit => DebugExit.StatusOf(session.ExitValue),
        RunEnd.PowerOff or RunEnd.Reset => Cli.ExitCode.Ok,
        RunEnd.Shutdown => Cli.ExitCode.BootTripleFault,
        RunEnd.Limit => Cli.ExitCode.BootLimit,
        _ => Cli.ExitCode.BootHalted,
    };

    /// <summary>The machine did not come to an end of its own will.</summary>
    public bool IsBad => session.WasInterrupted || (!session.WasStopped && end is not (RunEnd.GuestExit or RunEnd.PowerOff or RunEnd.Reset));

    /// <summary>One line.</summary>
    public string Text
    {
        get
        {
            string what = session.WasInterrupted ? "interrupted" : end switch
            {
                _ when session.WasStopped => "the text of --until was printed",
                RunEnd.GuestExit => $"the guest exited with 0x{session.ExitValue:x} (status {ExitCode})",
                RunEnd.PowerOff => "the guest switched the power off",
                RunEnd.Reset => "the guest asked for a reset",
                RunEnd.Shutdown => "triple fault" + RegistersOf(Failed),
                RunEnd.Limit => "the limit of instructions is reached" + PlaceOf(session.Machine.Processors[0]),
                RunEnd.Halted => "every processor is halted, and nothing can wake one" + PlaceOf(session.Machine.Processors[0]),
                _ => "every processor is halted, waiting for what nothing will bring" + PlaceOf(session.Machine.Processors[0]),
            };
            return string.Create(CultureInfo.InvariantCulture, $"{what}; {session.Machine.RetiredInstructions:N0} instructions");
        }
    }

    private Processor Failed
    {
        get
        {
            foreach (Processor processor in session.Machine.Processors)
            {
                if (processor.State->Activity == ActivityState.Shutdown)
                {
                    return processor;
                }
            }

            return session.Machine.Processors[0];
        }
    }

    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("schema", SchemaVersion);
        json.WriteString("protocol", session.Protocol);
        json.WriteString("isolation", session.Isolation.ToString());
        json.WriteString("memory", TraceRecordJson.Hex(options.Machine.MemoryBytes));
        json.WriteNumber("seed", options.Machine.Seed);
        json.WriteString("end", session.WasStopped ? "until" : NameOf(end));
        if (end == RunEnd.GuestExit)
        {
            json.WriteNumber("exit_value", session.ExitValue);
        }

        json.WriteNumber("exit_code", ExitCode);
        json.WriteNumber("instructions", session.Machine.RetiredInstructions);
        json.WriteNumber("ticks", session.Machine.Clock.Now);
        json.WriteStartArray("processors");
        foreach (Processor processor in session.Machine.Processors)
        {
            WriteProcessor(json, processor);
        }

        json.WriteEndArray();
        TranslationCounters counters = session.Machine.MemoryUnit.Counters;
        json.WriteNumber("walks", counters.Walks);
        json.WriteNumber("references", counters.References);
        json.WriteNumber("judged", counters.Judged);
        json.WriteNumber("denied", counters.Denied);
        json.WriteEndObject();
    }

    private void WriteProcessor(Utf8JsonWriter json, Processor processor)
    {
        json.WriteStartObject();
        json.WriteNumber("instructions", processor.RetiredInstructions);
        json.WriteString("activity", processor.State->Activity.ToString());
        json.WriteString("rip", TraceRecordJson.Hex(processor.State->Rip));
        if (SymbolAt(processor) is { } symbol)
        {
            json.WriteString("symbol", symbol);
        }

        json.WriteEndObject();
    }

    private string RegistersOf(Processor processor)
    {
        CpuState* cpu = processor.State;
        StringBuilder text = new(PlaceOf(processor));
        text.Append(':');
        for (int i = 0; i < s_registers.Length; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $" {s_registers[i]}={cpu->Gpr[i]:x}");
        }

        ref PagingContext paging = ref cpu->Paging;
        text.Append(CultureInfo.InvariantCulture, $" cs={cpu->Segments[(int)SegmentIndex.CS].Selector:x} cr0={paging.Cr0:x} cr2={cpu->Cr2:x}");
        text.Append(CultureInfo.InvariantCulture, $" cr3={paging.Cr3:x} cr4={paging.Cr4:x} efer={paging.Efer:x}");
        return text.ToString();
    }

    private string PlaceOf(Processor processor)
    {
        int number = 0;
        while (session.Machine.Processors[number] != processor)
        {
            number++;
        }

        string symbol = SymbolAt(processor) is { } name ? $" ({name})" : string.Empty;
        return string.Create(CultureInfo.InvariantCulture, $" on processor {number} at 0x{processor.State->Rip:x}{symbol}");
    }

    private string? SymbolAt(Processor processor) =>
        _symbols is not null && _symbols.TryNearest(new Gva(processor.State->Rip), out Symbol symbol, out ulong offset)
            ? string.Create(CultureInfo.InvariantCulture, $"{symbol.Name}+0x{offset:x}")
            : null;

    private static string NameOf(RunEnd end) => end switch
    {
        RunEnd.GuestExit => "exit",
        RunEnd.PowerOff => "poweroff",
        RunEnd.Reset => "reset",
        RunEnd.Shutdown => "triple-fault",
        RunEnd.Limit => "limit",
        RunEnd.Halted => "halted",
        _ => "idle",
    };
}
