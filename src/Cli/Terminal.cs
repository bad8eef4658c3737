using System.IO;

namespace Xenolith.Cli;

/// <summary>Where a command reads and prints; tests give it memory instead of the process's streams.</summary>
internal sealed record Terminal
{
    /// <summary>Results, and the guests' consoles.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>What is said about the run: warnings, ends, costs, errors.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>The same place as <see cref="Output"/>, for bytes that are no text of ours.</summary>
    public required Stream RawOutput { get; init; }

    /// <summary>What a single guest may read; null when there is nothing to read.</summary>
    public IKeyboard? Keyboard { get; init; }

    /// <summary>Lines that a command reads when it is told to read standard input.</summary>
    public TextReader? Input { get; init; }

    /// <summary>Standard error is looked at by a person: progress may be shown.</summary>
    public bool ShowsProgress { get; init; }

    /// <summary>One line about something that may surprise.</summary>
    public void Warn(string message) => Error.WriteLine("xenolith: warning: " + message);
}

/// <summary>Live input for a guest's console.</summary>
internal interface IKeyboard
{
    /// <summary>Begins to read; before this nothing is taken from the process's input.</summary>
    void Start();

    /// <summary>Takes what has been typed so far; does not wait.</summary>
    byte[] Take();

    /// <summary>Waits until something is typed or the input has ended. False: it has ended, and nothing is left.</summary>
    bool WaitForMore();
}
