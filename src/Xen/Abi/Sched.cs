using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>SCHEDOP_* sub-operations (xen/include/public/sched.h).</summary>
public enum SchedOp : uint
{
    Yield = 0,
    Block = 1,
    Shutdown = 2,
    Poll = 3,
    RemoteShutdown = 4,
    ShutdownCode = 5,
    Watchdog = 6,
    PinOverride = 7,
}

/// <summary>struct sched_shutdown (xen/include/public/sched.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct SchedShutdown
{
    public ShutdownReason Reason;
}

/// <summary>struct sched_poll, 64-bit callers (xen/include/public/sched.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct SchedPoll
{
    /// <summary>Guest handle of evtchn_port_t[nr_ports].</summary>
    public ulong Ports;
    public uint NrPorts;

    /// <summary>Absolute system time in ns; zero waits for ever.</summary>
    public ulong Timeout;
}

/// <summary>struct sched_poll, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatSchedPoll
{
    public uint Ports;
    public uint NrPorts;
    public ulong Timeout;
}

/// <summary>struct sched_remote_shutdown (xen/include/public/sched.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct SchedRemoteShutdown
{
    public ushort DomainId;
    public ShutdownReason Reason;
}

/// <summary>struct sched_watchdog (xen/include/public/sched.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct SchedWatchdog
{
    /// <summary>Zero asks for a new watchdog.</summary>
    public uint Id;

    /// <summary>Seconds; zero ends it.</summary>
    public uint Timeout;
}

/// <summary>VCPUOP_* sub-operations (xen/include/public/vcpu.h).</summary>
public enum VcpuOp : uint
{
    Initialise = 0,
    Up = 1,
    Down = 2,
    IsUp = 3,
    GetRunstateInfo = 4,
    RegisterRunstateMemoryArea = 5,
    SetPeriodicTimer = 6,
    StopPeriodicTimer = 7,
    SetSingleshotTimer = 8,
    StopSingleshotTimer = 9,
    RegisterVcpuInfo = 10,
    SendNmi = 11,
    GetPhysid = 12,
    RegisterVcpuTimeMemoryArea = 13,
}

/// <summary>struct vcpu_set_periodic_timer (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VcpuSetPeriodicTimer
{
    public ulong PeriodNs;
}

/// <summary>struct vcpu_set_singleshot_timer, 64-bit callers (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct VcpuSetSingleshotTimer
{
    /// <summary>VCPU_SSHOTTMR_future: a time in the past is an error.</summary>
    public const uint Future = 1;

    public ulong TimeoutAbsNs;
    public uint Flags;
}

/// <summary>struct vcpu_set_singleshot_timer, 32-bit callers: 12 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatSetSingleshotTimer
{
    public ulong TimeoutAbsNs;
    public uint Flags;
}

/// <summary>struct vcpu_register_vcpu_info (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VcpuRegisterVcpuInfo
{
    /// <summary>A guest frame number, in spite of the name, for translated guests.</summary>
    public ulong Mfn;
    public uint Offset;
    public uint Rsvd;
}

/// <summary>struct vcpu_register_runstate_memory_area and ..._time_memory_area: a linear address (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VcpuRegisterMemoryArea
{
    public ulong Address;
}

/// <summary>struct vcpu_runstate_info, 64-bit callers (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct VcpuRunstateInfo
{
    public const int Running = 0;
    public const int Runnable = 1;
    public const int Blocked = 2;
    public const int Offline = 3;

    public int State;
    public ulong StateEntryTime;
    public ulong TimeRunning;
    public ulong TimeRunnable;
    public ulong TimeBlocked;
    public ulong TimeOffline;
}

/// <summary>struct vcpu_runstate_info, 32-bit callers: 44 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatRunstateInfo
{
    public int State;
    public ulong StateEntryTime;
    public ulong TimeRunning;
    public ulong TimeRunnable;
    public ulong TimeBlocked;
    public ulong TimeOffline;
}

/// <summary>struct vcpu_get_physid (xen/include/public/vcpu.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct VcpuGetPhysid
{
    public ulong PhysId;
}
