using System;
using System.Collections.Generic;
using System.IO;

namespace Xenolith.Toolstack;

/// <summary>From an xl.cfg file to a checked <see cref="DomainConfig"/>.</summary>
public sealed class DomainConfigReader
{
    private const uint MaxSupportedVcpus = 1;
    private const int MaxNameLength = 64;

    private readonly ConfigFile _file;
    private readonly List<string> _warnings = [];

    private DomainConfigReader(ConfigFile file) => _file = file;

    /// <summary>Reads and checks one file.</summary>
    /// <param name="path">The xl.cfg file.</param>
    /// <param name="machineMemoryMiB">RAM of the machine that the domain shall fit into, in MiB.</param>
    /// <exception cref="InputException">The file is unreadable, malformed, or asks for what cannot be.</exception>
    public static DomainConfig Read(string path, uint machineMemoryMiB) => Read(ConfigFile.Load(path), machineMemoryMiB);

    /// <inheritdoc cref="Read(string, uint)"/>
    public static DomainConfig Read(ConfigFile file, uint machineMemoryMiB) => new DomainConfigReader(file).Read(machineMemoryMiB);

    private DomainConfig Read(uint machineMemoryMiB)
    {
        NoteUnservedKeys();
        CheckType();
        uint memory = ReadMemory("memory", machineMemoryMiB)
            ?? throw new InputException($"{_file.Path}: no memory is set; give the domain's memory in MiB, for example memory = 64");
        uint maxMemory = ReadMemory("maxmem", machineMemoryMiB) ?? memory;
        if (maxMemory < memory)
        {
            throw _file.Error(_file.Find("maxmem")!, $"{maxMemory} MiB is less than memory = {memory} MiB");
        }

        return new DomainConfig
        {
            Path = _file.Path,
            Name = ReadName(),
            Kernel = ReadImagePath("kernel")
                ?? throw new InputException($"{_file.Path}: no kernel is set; a PVH domain needs kernel = \"FILE\""),
            Ramdisk = ReadImagePath("ramdisk"),
            CommandLine = ReadCommandLine(),
            MemoryMiB = memory,
            MaxMemoryMiB = maxMemory,
            Vcpus = ReadVcpus(),
            OnPoweroff = ReadAction("on_poweroff", EndAction.Destroy),
            OnReboot = ReadAction("on_reboot", EndAction.Restart),
            OnCrash = ReadAction("on_crash", EndAction.Destroy),
            Warnings = _warnings,
        };
    }

    private void NoteUnservedKeys()
    {
        foreach (ConfigSetting setting in _file.Settings)
        {
            XlKeyService service = XlKeys.Find(setting.Key);
            bool isEmptyList = setting.Value is ConfigList { Items.Count: 0 };
            if (service == XlKeyService.Unknown)
            {
                Warn(setting.Line, $"unknown key '{setting.Key}' is ignored");
            }
            else if (service == XlKeyService.NotServed && !isEmptyList)
            {
                Warn(setting.Line, $"{setting.Key}: not served here, ignored");
            }
        }
    }

    private void CheckType()
    {
        const string Advice = "only PVH domains are served: use type = \"pvh\" with a kernel that carries a PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY)";
        ConfigSetting? setting = _file.Find("type");
        if (setting is not null)
        {
            string type = _file.FindText("type")!;
            if (type is "pv" or "hvm")
            {
                throw _file.Error(setting, $"{type} domains are not served; {Advice}");
            }

            if (type != "pvh")
            {
                throw _file.Error(setting, $"unknown type '{type}'; {Advice}");
            }
        }
        else if (_file.Find("builder") is { } builder)
        {
            // The alias of former times: "hvm", or "generic" and "linux" for PV.
            throw _file.Error(builder, $"'{_file.FindText("builder")}' names a kind of domain that is not served; {Advice}");
        }
        else
        {
            _warnings.Add($"{_file.Path}: no type is set; taken as type = \"pvh\" (xl itself would take pv)");
        }
    }

    private string ReadName()
    {
        string name = _file.FindText("name") ?? throw new InputException($"{_file.Path}: no name is set; give the domain one with name = \"NAME\"");
        ConfigSetting setting = _file.Find("name")!;
        if (name.Length is 0 or > MaxNameLength)
        {
            throw _file.Error(setting, $"must have 1 to {MaxNameLength} characters");
        }

        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.' or '+' or ':' or '@'))
            {
                throw _file.Error(setting, $"'{name}' may hold letters, digits and - _ . + : @ only");
            }
        }

        return name;
    }

    private uint? ReadMemory(string key, uint machineMemoryMiB)
    {
        string? text = _file.FindText(key);
        if (text is null)
        {
            return null;
        }

        ConfigSetting setting = _file.Find(key)!;
        if (!ConfigNumber.TryParse(text, out long mebibytes))
        {
            throw _file.Error(setting, $"'{text}' is not a whole number of MiB");
        }

        if (mebibytes <= 0)
        {
            throw _file.Error(setting, $"{text} MiB is impossible; a domain needs at least 1 MiB");
        }

        if (mebibytes > machineMemoryMiB)
        {
            throw _file.Error(setting, $"{text} MiB is more than the machine has ({machineMemoryMiB} MiB); give the machine more with --memory");
        }

        return (uint)mebibytes;
    }

    private uint ReadVcpus()
    {
        foreach (string key in (ReadOnlySpan<string>)["vcpus", "maxvcpus"])
        {
            if (_file.FindInteger(key) is { } count && count is < 1 or > MaxSupportedVcpus)
            {
                throw _file.Error(_file.Find(key)!, $"{count} is not served; a domain has {MaxSupportedVcpus} vCPU here");
            }
        }

        return MaxSupportedVcpus;
    }

    /// <summary>cmdline is the whole line; without it, root and extra make it (xl.cfg(5) "Direct Kernel Boot").</summary>
    private string ReadCommandLine()
    {
        string? whole = _file.FindText("cmdline");
        string? root = _file.FindText("root");
        string? extra = _file.FindText("extra");
        if (whole is null)
        {
            return root is null ? extra ?? "" : $"root={root} {extra}".TrimEnd();
        }

        if (root is not null || extra is not null)
        {
            Warn(_file.Find("cmdline")!.Line, "cmdline is set: root and extra are ignored");
        }

        return whole;
    }

    /// <summary>
    /// A file name as xl takes it, against the current folder; if nothing is there, against the folder of the configuration.
    /// </summary>
    private string? ReadImagePath(string key)
    {
        string? path = _file.FindText(key);
        if (string.IsNullOrEmpty(path))
        {
            return null;
        }

        if (File.Exists(path))
        {
            return path;
        }

        ConfigSetting setting = _file.Find(key)!;
        string beside = Path.Combine(Path.GetDirectoryName(_file.Path) ?? "", path);
        if (!Path.IsPathRooted(path) && File.Exists(beside))
        {
            return beside;
        }

        throw _file.Error(setting, Directory.Exists(path) ? $"'{path}' is a folder" : $"no such file '{path}'");
    }

    private EndAction ReadAction(string key, EndAction absent)
    {
        string? text = _file.FindText(key);
        EndAction? action = text switch
        {
            null => absent,
            "destroy" => EndAction.Destroy,
            "restart" => EndAction.Restart,
            "rename-restart" => EndAction.RenameRestart,
            "preserve" => EndAction.Preserve,
            "coredump-destroy" => EndAction.CoredumpDestroy,
            "coredump-restart" => EndAction.CoredumpRestart,
            "soft-reset" => EndAction.SoftReset,
            _ => null,
        };
        if (text is not null && action is not (null or EndAction.Destroy))
        {
            Warn(_file.Find(key)!.Line, $"{key}: '{text}' is not served, the domain is destroyed when it ends");
        }

        return action ?? throw _file.Error(_file.Find(key)!, $"unknown action '{text}'");
    }

    private void Warn(int line, string message) => _warnings.Add($"{_file.Path}:{line}: {message}");
}
