using System.Collections.Generic;
using System.Globalization;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>What the toolstack says about a domain in xenstore.</summary>
internal sealed record DomainFacts
{
    public required ushort Id { get; init; }

    public required string Name { get; init; }

    public required string Uuid { get; init; }

    public required uint MemoryMiB { get; init; }

    public required uint MaxMemoryMiB { get; init; }

    public required uint Vcpus { get; init; }

    public required uint StorePort { get; init; }

    public required ulong StoreFrame { get; init; }

    public required uint ConsolePort { get; init; }

    public required ulong ConsoleFrame { get; init; }
}

/// <summary>The nodes that libxl 4.17 writes for a PVH domain, with their permissions, and their removal when it is gone.</summary>
internal static class DomainNodes
{
    public static void Write(XenstoreServer store, DomainFacts facts)
    {
        XenstorePermission[] hidden = [new(0, XenstoreAccess.None)];
        XenstorePermission[] readable = [new(0, XenstoreAccess.None), new(facts.Id, XenstoreAccess.Read)];
        XenstorePermission[] own = [new(facts.Id, XenstoreAccess.None)];
        string domain = XenstorePath.OfDomain(facts.Id);
        string vm = "/vm/" + facts.Uuid;

        store.Write(domain, "", readable);
        store.Write(vm, "", readable);
        store.Write(LibxlPath(facts.Id), "", hidden);
        store.Write(LibxlPath(facts.Id) + "/type", "pvh");
        store.Write(domain + "/vm", vm);
        store.Write(domain + "/name", facts.Name);
        store.Write(vm + "/name", facts.Name);
        store.Write(vm + "/uuid", facts.Uuid);
        store.Write(domain + "/domid", Number(facts.Id));

        foreach (string folder in (string[])["cpu", "memory", "device", "control"])
        {
            store.Write($"{domain}/{folder}", "", readable);
        }

        for (uint vcpu = 0; vcpu < facts.Vcpus; vcpu++)
        {
            store.Write($"{domain}/cpu/{Number(vcpu)}/availability", "online");
        }

        // What the guest itself writes: answers to requests, and its agents' notes.
        foreach (string node in (string[])["control/shutdown", "control/feature-poweroff", "control/feature-reboot", "control/feature-suspend",
            "control/sysrq", "device/suspend/event-channel", "data", "drivers", "feature", "attr", "error"])
        {
            store.Write($"{domain}/{node}", "", own);
        }

        store.Write(domain + "/control/platform-feature-multiprocessor-suspend", "1");
        store.Write(domain + "/control/platform-feature-xs_reset_watches", "1");
        store.Write(domain + "/memory/static-max", Number((ulong)facts.MaxMemoryMiB << 10));
        store.Write(domain + "/memory/target", Number((ulong)facts.MemoryMiB << 10));
        store.Write(domain + "/memory/videoram", "0");
        store.Write(domain + "/store/port", Number(facts.StorePort));
        store.Write(domain + "/store/ring-ref", Number(facts.StoreFrame));
        WriteConsole(store, facts, domain, readable, hidden);
    }

    public static void Remove(XenstoreServer store, DomainFacts facts)
    {
        store.Remove(XenstorePath.OfDomain(facts.Id));
        store.Remove("/vm/" + facts.Uuid);
        store.Remove(LibxlPath(facts.Id));
        store.Remove(ConsoleBackend(facts.Id, "")[..^1]);
    }

    private static void WriteConsole(
        XenstoreServer store, DomainFacts facts, string domain, IReadOnlyList<XenstorePermission> readable, IReadOnlyList<XenstorePermission> hidden)
    {
        const string OutputLimitBytes = "1048576";
        string console = domain + "/console";
        store.Write(console, "", readable);
        store.Write(console + "/backend", ConsoleBackend(facts.Id, "0"));
        store.Write(console + "/backend-id", "0");
        store.Write(console + "/limit", OutputLimitBytes);
        store.Write(console + "/type", "xenconsoled");
        store.Write(console + "/output", "pty");
        store.Write(console + "/tty", "");
        store.Write(console + "/port", Number(facts.ConsolePort));
        store.Write(console + "/ring-ref", Number(facts.ConsoleFrame));

        string backend = ConsoleBackend(facts.Id, "0");
        store.Write(backend, "", readable);
        store.Write(backend + "/frontend", console);
        store.Write(backend + "/frontend-id", Number(facts.Id));
        store.Write(backend + "/online", "1");
        store.Write(backend + "/state", "1");
        store.Write(backend + "/protocol", "vt100", hidden);
    }

    private static string LibxlPath(ushort domain) => "/libxl/" + Number(domain);

    private static string ConsoleBackend(ushort domain, string device) => $"/local/domain/0/backend/console/{Number(domain)}/{device}";

    private static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);
}
