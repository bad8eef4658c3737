using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// Runs cases on the processor of this host, through runner.c in a process of its own (faults are signals there, and the .NET
/// runtime keeps those for itself). Needs x86-64 Linux and gcc; <see cref="TryStart"/> says why when there is none.
/// </summary>
public sealed unsafe class NativeRunner : IDisposable
{
    /// <summary>As many requests as fit into a pipe with their replies, so that neither side can block the other for good.</summary>
    private const int Batch = 16;

    private readonly Process _process;

    private NativeRunner(Process process) => _process = process;

    /// <summary>Builds the helper if need be and starts it.</summary>
    /// <param name="reason">Why there is no native runner here; null on success.</param>
    public static NativeRunner? TryStart(out string? reason)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            reason = "the native runner needs x86-64 Linux";
            return null;
        }

        string folder = Path.Combine(AppContext.BaseDirectory, "Silicon");
        string source = Path.Combine(folder, "runner.c");
        string program = Path.Combine(folder, "runner");
        if (!File.Exists(program) || File.GetLastWriteTimeUtc(program) < File.GetLastWriteTimeUtc(source))
        {
            string? failure = Compile(source, program);
            if (failure is not null)
            {
                reason = failure;
                return null;
            }
        }

        ProcessStartInfo info = new(program) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        Process? process = Process.Start(info);
        reason = process is null ? "the native runner did not start" : null;
        return process is null ? null : new NativeRunner(process);
    }

    /// <summary>Runs the cases in order; replies[i] answers requests[i].</summary>
    public void Run(ReadOnlySpan<SiliconRequest> requests, Span<SiliconReply> replies)
    {
        for (int start = 0; start < requests.Length; start += Batch)
        {
            int count = Math.Min(Batch, requests.Length - start);
            Stream input = _process.StandardInput.BaseStream;
            input.Write(MemoryMarshal.AsBytes(requests.Slice(start, count)));
            input.Flush();
            _process.StandardOutput.BaseStream.ReadExactly(MemoryMarshal.AsBytes(replies.Slice(start, count)));
        }

        foreach (ref SiliconReply reply in replies[..requests.Length])
        {
            // Linux reports every page fault in its half of the address space as one on a present page, whatever is there.
            bool kernelHalf = reply.Vector == 14 && (reply.Cr2 >> 63) != 0;
            reply.ErrorCode &= kernelHalf ? ~1U : ~0U;
        }
    }

    public SiliconReply Run(in SiliconRequest request)
    {
        SiliconReply reply = default;
        Run(new ReadOnlySpan<SiliconRequest>(in request), new Span<SiliconReply>(ref reply));
        return reply;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static string? Compile(string source, string program)
    {
        // Another test process may be compiling too: build aside, then rename, which is atomic.
        string aside = program + "." + Environment.ProcessId;
        ProcessStartInfo info = new("gcc") { UseShellExecute = false, RedirectStandardError = true };
        foreach (string argument in (string[])["-O2", "-fno-stack-protector", "-o", aside, source])
        {
            info.ArgumentList.Add(argument);
        }

        try
        {
            using Process? gcc = Process.Start(info);
            if (gcc is null)
            {
                return "gcc did not start";
            }

            string errors = gcc.StandardError.ReadToEnd();
            gcc.WaitForExit();
            if (gcc.ExitCode != 0)
            {
                return "gcc could not build the native runner: " + errors;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "the native runner needs gcc";
        }

        File.Move(aside, program, overwrite: true);
        return null;
    }
}
