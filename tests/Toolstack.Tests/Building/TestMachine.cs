using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen;

namespace Xenolith.Toolstack.Tests;

/// <summary>A board with Xen and Dom0's tools on it, and the shipped guests at hand.</summary>
internal sealed class TestMachine : IDisposable
{
    public TestMachine(string isolation = "asmi", uint memoryMiB = 128)
    {
        IsolationSelection selection = new IsolationRegistry().Parse(isolation);
        MemoryMiB = memoryMiB;
        Board = new Board(new BoardOptions
        {
            MemoryBytes = (ulong)memoryMiB << 20,
            Isolation = selection.Factory,
            IsolationOptions = new IsolationOptions(selection.Profile, Pages.Size),
        });
        Hypervisor = new Hypervisor(Board, new HypervisorOptions());
        Manager = new DomainManager(Hypervisor)
        {
            Output = (domain, bytes) => Printed[domain.Name] = Printed.GetValueOrDefault(domain.Name, "") + Encoding.Latin1.GetString(bytes),
        };
    }

    public uint MemoryMiB { get; }

    public Board Board { get; }

    public Hypervisor Hypervisor { get; }

    public DomainManager Manager { get; }

    public Dictionary<string, string> Printed { get; } = [];

    public static string Images { get; } = FindImages();

    public DomainConfig Config(string image, string more = "") => DomainConfigReader.Read(
        ConfigFile.Parse("t.cfg", $"name='{image}'; type='pvh'; kernel='{Images}/{image}/{image}.elf'; memory=16\n{more}"), MemoryMiB);

    public ManagedDomain Create(string image, string more = "") => Manager.Create(Config(image, more));

    public void Dispose() => Board.Dispose();

    private static string FindImages()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "images", "hello", "hello.cfg")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("images"), "images");
    }
}
