using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

using Xenolith.Guests;
using Xenolith.Mmu;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

namespace Xenolith.Toolstack;

/// <summary>
/// Builds a PVH domain from its configuration, as libxl and libxenguest do, by hypercalls: creates it, gives it memory, loads the
/// image and the start info, makes its rings and event channels, sets its first vCPU's registers. It stays paused.
/// </summary>
internal sealed class DomainBuilder
{
    /// <summary>Frames of the rings: those that libxenguest uses in its region of special pages below 4 GiB.</summary>
    public static readonly Gfn StoreFrame = new(0xFEFFC);

    /// <inheritdoc cref="StoreFrame"/>
    public static readonly Gfn ConsoleFrame = new(0xFEFFF);

    private static readonly Gfn s_firstSpecialFrame = new(0xFEFF8);
    private const ulong SpecialFrames = 8;

    /// <summary>RAM ends here at the latest; what does not fit lies above 4 GiB (HVM_BELOW_4G_MMIO_LENGTH of 256 MiB).</summary>
    private const ulong LowMemoryLimit = 0xF000_0000;
    private const ulong HighMemoryStart = 1UL << 32;

    private readonly Dom0Client _dom0;
    private readonly DomainConfig _config;
    private readonly ulong _lowBytes;
    private readonly ulong _highBytes;
    private ushort _domain;

    private DomainBuilder(Dom0Client dom0, DomainConfig config)
    {
        _dom0 = dom0;
        _config = config;
        ulong bytes = (ulong)config.MemoryMiB << 20;
        _lowBytes = Math.Min(bytes, LowMemoryLimit);
        _highBytes = bytes - _lowBytes;
    }

    /// <exception cref="InputException">The image cannot be used, or the machine has not what the domain needs.</exception>
    public static BuiltDomain Build(Dom0Client dom0, DomainConfig config)
    {
        DomainBuilder builder = new(dom0, config);
        try
        {
            PvhLoadPlan plan = PvhLoadPlan.Of(ElfImage.Load(config.Kernel), builder._lowBytes);
            return builder.Build(plan);
        }
        catch (ImageFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private BuiltDomain Build(PvhLoadPlan plan)
    {
        byte[] ramdisk = ReadRamdisk();
        Create();
        try
        {
            SetLimits();
            Populate();
            SetMemoryMap();
            Gpa startInfo = Load(plan, ramdisk);
            (uint storePort, uint consolePort) = MakeRings();
            SetContext(plan.Entry, startInfo);
            return new BuiltDomain(_domain, storePort, consolePort);
        }
        catch (InputException)
        {
            Destroy(_dom0, _domain);
            throw;
        }
    }

    /// <summary>XEN_DOMCTL_destroydomain, until all of it is gone.</summary>
    public static void Destroy(Dom0Client dom0, ushort domain)
    {
        const int Attempts = 1000;
        for (int i = 0; i < Attempts; i++)
        {
            XenDomctl argument = new(DomctlCommand.DestroyDomain, domain);
            if (dom0.Domctl(ref argument).Errno is not (Errno.ERESTART or Errno.EAGAIN))
            {
                return;
            }
        }
    }

    private void Create()
    {
        XenDomctl argument = new(DomctlCommand.CreateDomain, 0);
        ref XenDomctlCreatedomain create = ref argument.Argument<XenDomctlCreatedomain>();
        create.Flags = XenDomctlCreatedomain.CdfHvm | XenDomctlCreatedomain.CdfHap;
        create.MaxVcpus = _config.Vcpus;
        create.MaxEvtchnPort = 1023;
        create.MaxGrantFrames = -1;
        create.MaxMaptrackFrames = -1;
        create.GrantOpts = 1; // highest grant table version
        create.Arch.EmulationFlags = XenArchDomainconfig.EmuLapic;
        DomainIdentity.HandleOf(_config.Name).CopyTo(create.Handle);
        Check(_dom0.Domctl(ref argument), "XEN_DOMCTL_createdomain");
        _domain = argument.Domain;
    }

    private void SetLimits()
    {
        const ulong SlackKiB = 1024; // LIBXL_MAXMEM_CONSTANT: special pages and what the guest maps besides its RAM
        XenDomctl vcpus = new(DomctlCommand.MaxVcpus, _domain);
        vcpus.Argument<XenDomctlMaxVcpus>().Max = _config.Vcpus;
        Check(_dom0.Domctl(ref vcpus), "XEN_DOMCTL_max_vcpus");

        XenDomctl memory = new(DomctlCommand.MaxMem, _domain);
        memory.Argument<XenDomctlMaxMem>().MaxMemkb = ((ulong)_config.MaxMemoryMiB << 10) + SlackKiB;
        Check(_dom0.Domctl(ref memory), "XEN_DOMCTL_max_mem");
    }

    private void Populate()
    {
        Populate(new Gfn(0), _lowBytes >> Pages.Shift);
        Populate(new Gpa(HighMemoryStart).Frame, _highBytes >> Pages.Shift);
        Populate(StoreFrame, 1);
        Populate(ConsoleFrame, 1);
    }

    /// <summary>Large pages where address and size allow and the machine has them, small ones for the rest, as libxenguest does.</summary>
    private void Populate(Gfn first, ulong frames)
    {
        const int LargeOrder = 9;
        bool useLarge = true;
        while (frames > 0)
        {
            bool large = useLarge && frames >= 1UL << LargeOrder && (first.Value & ((1UL << LargeOrder) - 1)) == 0;
            int order = large ? LargeOrder : 0;
            ulong untilLarge = (1UL << LargeOrder) - (first.Value & ((1UL << LargeOrder) - 1));
            ulong extents = large ? frames >> LargeOrder : useLarge ? Math.Min(frames, untilLarge) : frames;
            ulong done = PopulateExtents(first, (int)Math.Min(extents, 1024), order, out Errno error);
            if (done == 0 && large)
            {
                useLarge = false;
                continue;
            }

            if (done == 0)
            {
                throw new InputException(
                    $"{_config.Path}: the machine has not enough free memory for domain {_config.Name} ({_config.MemoryMiB} MiB, {error}); "
                    + "give the machine more with --memory");
            }

            first += done << order;
            frames -= done << order;
        }
    }

    private ulong PopulateExtents(Gfn first, int extents, int order, out Errno error)
    {
        ulong[] frames = new ulong[extents];
        for (int i = 0; i < extents; i++)
        {
            frames[i] = first.Value + ((ulong)i << order);
        }

        XenMemoryReservation argument = new()
        {
            ExtentStart = _dom0.PutBuffer<ulong>(frames),
            NrExtents = (ulong)extents,
            ExtentOrder = (uint)order,
            DomId = _domain,
        };
        HypercallResult result = _dom0.MemoryOp(XenMem.PopulatePhysmap, ref argument);
        error = result.IsError ? result.Errno : Errno.ENOMEM;
        return result.IsError ? 0 : (ulong)result.Value;
    }

    private List<MemoryRange> MemoryMap()
    {
        List<MemoryRange> map =
        [
            new(new Gpa(0), _lowBytes, MemoryRangeType.Ram),
            new(s_firstSpecialFrame.Address, SpecialFrames << Pages.Shift, MemoryRangeType.Reserved),
        ];
        if (_highBytes > 0)
        {
            map.Add(new(new Gpa(HighMemoryStart), _highBytes, MemoryRangeType.Ram));
        }

        return map;
    }

    /// <summary>What XENMEM_memory_map will answer to the guest.</summary>
    private void SetMemoryMap()
    {
        List<MemoryRange> map = MemoryMap();
        E820Entry[] entries = new E820Entry[map.Count];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new E820Entry { Address = map[i].Start.Value, Size = map[i].SizeBytes, Type = (E820Type)map[i].Type };
        }

        XenForeignMemoryMap argument = new()
        {
            DomId = _domain,
            Map = new XenMemoryMap { NrEntries = (uint)entries.Length, Buffer = _dom0.PutBuffer<E820Entry>(entries) },
        };
        Check(_dom0.MemoryOp(XenMem.SetMemoryMap, ref argument), "XENMEM_set_memory_map");
    }

    private byte[] ReadRamdisk()
    {
        if (_config.Ramdisk is not { } path)
        {
            return [];
        }

        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read ({e.Message})", e);
        }
    }

    /// <summary>Kernel, RAM disk, start info, in this order, page by page upward. Returns where the start info lies.</summary>
    private Gpa Load(PvhLoadPlan plan, byte[] ramdisk)
    {
        foreach (LoadChunk chunk in plan.Chunks)
        {
            Write(chunk.Start, chunk.Bytes.Span);
            Clear(chunk.Start + (ulong)chunk.Bytes.Length, chunk.ZeroBytes);
        }

        Gpa next = plan.End;
        List<PvhModule> modules = [];
        if (ramdisk.Length > 0)
        {
            RequireRoom(next, (ulong)ramdisk.Length, "the RAM disk");
            Write(next, ramdisk);
            modules.Add(new PvhModule(next, (ulong)ramdisk.Length, ""));
            next = new Gpa((next.Value + (ulong)ramdisk.Length + Pages.OffsetMask) & ~Pages.OffsetMask);
        }

        byte[] startInfo = PvhStartInfo.Build(next, _config.CommandLine, modules, MemoryMap());
        RequireRoom(next, (ulong)startInfo.Length, "the start info");
        Write(next, startInfo);
        return next;
    }

    private void RequireRoom(Gpa start, ulong sizeBytes, string what)
    {
        if (start.Value > _lowBytes || sizeBytes > _lowBytes - start.Value)
        {
            throw new InputException($"{_config.Path}: {_config.MemoryMiB} MiB are too few: kernel and {what} need 0x{start.Value + sizeBytes:x} bytes");
        }
    }

    private void Clear(Gpa address, ulong sizeBytes)
    {
        byte[] zeros = new byte[(int)Math.Min(sizeBytes, Pages.Size * Dom0Client.BatchFrames)];
        while (sizeBytes > 0)
        {
            int part = (int)Math.Min(sizeBytes, (ulong)zeros.Length);
            Write(address, zeros.AsSpan(0, part));
            address += (ulong)part;
            sizeBytes -= (ulong)part;
        }
    }

    private void Write(Gpa address, ReadOnlySpan<byte> bytes)
    {
        Errno error = _dom0.Write(_domain, address, bytes);
        if (error != Errno.None)
        {
            throw new InputException($"{_config.Path}: domain {_config.Name}'s memory at {address} cannot be loaded: {error}");
        }
    }

    /// <summary>Channels and frames of xenstore and console; the guest finds them by HVM parameters.</summary>
    private (uint StorePort, uint ConsolePort) MakeRings()
    {
        uint storePort = AllocateUnbound();
        uint consolePort = AllocateUnbound();
        SetParam(HvmParam.StorePfn, StoreFrame.Value);
        SetParam(HvmParam.StoreEvtchn, storePort);
        SetParam(HvmParam.ConsolePfn, ConsoleFrame.Value);
        SetParam(HvmParam.ConsoleEvtchn, consolePort);
        Clear(StoreFrame.Address, Pages.Size);
        Clear(ConsoleFrame.Address, Pages.Size);
        return (storePort, consolePort);
    }

    private uint AllocateUnbound()
    {
        EvtchnAllocUnbound argument = new() { Dom = _domain, RemoteDom = 0 };
        Check(_dom0.EventChannelOp(EvtchnOp.AllocUnbound, ref argument), "EVTCHNOP_alloc_unbound");
        return argument.Port;
    }

    private void SetParam(HvmParam index, ulong value) => Check(_dom0.SetHvmParam(_domain, index, value), $"HVMOP_set_param {index}");

    /// <summary>
    /// The state in which a PVH kernel starts (docs/misc/pvh.pandoc of Xen): 32-bit protected mode, flat segments, no paging, EBX =
    /// start info.
    /// </summary>
    private void SetContext(Gpa entry, Gpa startInfo)
    {
        const ulong Cr0ProtectedMode = 0x11; // PE and ET
        const uint CodeRights = 0xC9B; // G, D/B, P, S, execute/read/accessed
        const uint DataRights = 0xC93; // G, D/B, P, S, read/write/accessed
        const uint TaskRights = 0x8B; // P, busy 32-bit TSS
        const uint FlatLimit = uint.MaxValue;
        HvmHwCpu cpu = new()
        {
            Rip = entry.Value,
            Rbx = startInfo.Value,
            Rflags = 2,
            Cr0 = Cr0ProtectedMode,
            Dr6 = 0xFFFF_0FF0,
            Dr7 = 0x400,
            CsLimit = FlatLimit,
            DsLimit = FlatLimit,
            EsLimit = FlatLimit,
            SsLimit = FlatLimit,
            TrLimit = 0x67,
            CsArbytes = CodeRights,
            DsArbytes = DataRights,
            EsArbytes = DataRights,
            SsArbytes = DataRights,
            TrArbytes = TaskRights,
        };
        List<byte> records = [];
        Add(records, HvmSaveType.Header, new HvmSaveHeader { Magic = HvmSaveHeader.FileMagic, Version = HvmSaveHeader.FileVersion });
        Add(records, HvmSaveType.Cpu, cpu);
        AddDescriptor(records, HvmSaveType.End, 0);

        XenDomctl argument = new(DomctlCommand.SetHvmContext, _domain);
        ref XenDomctlHvmcontext context = ref argument.Argument<XenDomctlHvmcontext>();
        context.Size = (uint)records.Count;
        context.Buffer = _dom0.PutBuffer<byte>(CollectionsMarshal.AsSpan(records));
        Check(_dom0.Domctl(ref argument), "XEN_DOMCTL_sethvmcontext");
    }

    private static void Add<T>(List<byte> records, HvmSaveType type, T record)
        where T : unmanaged
    {
        AddDescriptor(records, type, (uint)Unsafe.SizeOf<T>());
        records.AddRange(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in record)));
    }

    private static void AddDescriptor(List<byte> records, HvmSaveType type, uint length)
    {
        HvmSaveDescriptor descriptor = new() { TypeCode = type, Instance = 0, Length = length };
        records.AddRange(MemoryMarshal.AsBytes(new ReadOnlySpan<HvmSaveDescriptor>(in descriptor)));
    }

    private void Check(HypercallResult result, string what)
    {
        if (result.Errno == Errno.ENOMEM)
        {
            throw new InputException($"{_config.Path}: the machine has not enough free memory for domain {_config.Name} ({what}); give the machine more with --memory");
        }

        Dom0Client.Check(result, $"{_config.Path}: {what}");
    }
}

/// <summary>A domain that stands built and paused, with the guest's ends of its channels.</summary>
internal readonly record struct BuiltDomain(ushort Id, uint StorePort, uint ConsolePort);

/// <summary>Who a domain is beyond its number.</summary>
internal static class DomainIdentity
{
    /// <summary>A UUID that depends on nothing but the name, so that runs can be repeated (RFC 9562, version 8).</summary>
    public static byte[] HandleOf(string name)
    {
        byte[] handle = SHA256.HashData(Encoding.UTF8.GetBytes("xenolith domain " + name))[..16];
        handle[6] = (byte)((handle[6] & 0x0F) | 0x80);
        handle[8] = (byte)((handle[8] & 0x3F) | 0x80);
        return handle;
    }

    public static string UuidOf(string name) => new Guid(HandleOf(name), bigEndian: true).ToString();
}
