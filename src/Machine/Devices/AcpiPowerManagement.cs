using System;

namespace Xenolith.Machine;

/// <summary>
/// The fixed registers of ACPI power management (ACPI 6 "ACPI Hardware Specification") as PIIX4 has them: PM1 event and control blocks,
/// the 24-bit timer of 3.579545 MHz, soft-off.
/// </summary>
public sealed class AcpiPowerManagement : IPortDevice
{
    public const ushort PortCount = 64;
    public const int SciIrq = 9;

    /// <summary>Offsets of the register blocks from the base.</summary>
    public const ushort EventBlock = 0;
    public const ushort ControlBlock = 4;
    public const ushort TimerBlock = 8;

    private const ushort TimerCarry = 1 << 0;
    private const ushort StatusWritable = 0x8F31;
    private const ushort EnableWritable = 0x0521;
    private const ushort ControlSciEnable = 1;
    private const ushort ControlSleepEnable = 1 << 13;

    private static readonly Frequency s_frequency = new(3_579_545);

    private readonly MachineClock _clock;
    private readonly InterruptLine _sci;
    private readonly MachineTimer _carry;
    private readonly Action<int> _onSleep;
    private ushort _status;
    private ushort _enabled;
    private ushort _control;
    private ulong _collected; // carries are noticed up to this cycle

    /// <param name="clock">Machine time.</param>
    /// <param name="sci">The system control interrupt, level.</param>
    /// <param name="onSleep">Told the sleep type that software enters: 0 is S5 in our tables, as on QEMU's machines.</param>
    public AcpiPowerManagement(MachineClock clock, InterruptLine sci, Action<int> onSleep)
    {
        _clock = clock;
        _sci = sci;
        _onSleep = onSleep;
        _carry = clock.CreateTimer(Update);
    }

    /// <summary>The timer: 24 bits count, the rest reads as zero.</summary>
    public uint Timer => (uint)s_frequency.CyclesAt(_clock.Now) & 0xFF_FFFF;

    public void Reset()
    {
        _status = _enabled = _control = 0;
        Update();
    }

    /// <summary>What firmware leaves to a system that finds SMI_CMD zero: ACPI mode is on.</summary>
    public void PrepareAsFirmware() => _control |= ControlSciEnable;

    public uint Read(ushort offset, int sizeBytes)
    {
        CollectCarry();
        uint value = (offset & ~3) switch
        {
            EventBlock => _status | ((uint)_enabled << 16),
            ControlBlock => _control,
            TimerBlock => Timer,
            _ => 0,
        };
        return value >> (8 * (offset & 3));
    }

    public void Write(ushort offset, int sizeBytes, uint value)
    {
        CollectCarry();
        int shift = 8 * (offset & 3);
        uint mask = (sizeBytes == 4 ? uint.MaxValue : (1u << (8 * sizeBytes)) - 1) << shift;
        uint bits = (value << shift) & mask;
        switch (offset & ~3)
        {
            case EventBlock:
                _status &= (ushort)~(bits & StatusWritable); // ones clear
                _enabled = (ushort)((((_enabled & ~(mask >> 16)) | (bits >> 16)) & EnableWritable));
                break;
            case ControlBlock:
                _control = (ushort)((_control & ~mask) | (bits & 0x1C03));
                if ((bits & ControlSleepEnable) != 0)
                {
                    _onSleep((_control >> 10) & 7);
                }

                break;
            default:
                break;
        }

        Update();
    }

    /// <summary>Bit 23 of the timer has changed: TMR_STS.</summary>
    private void CollectCarry()
    {
        ulong cycle = s_frequency.CyclesAt(_clock.Now);
        if (cycle >> 23 != _collected >> 23)
        {
            _status |= TimerCarry;
        }

        _collected = cycle;
    }

    private void Update()
    {
        CollectCarry();
        bool wantsCarry = (_enabled & TimerCarry) != 0 && (_status & TimerCarry) == 0;
        _carry.Set(wantsCarry ? s_frequency.TickOf(((_collected >> 23) + 1) << 23) : ulong.MaxValue);
        _sci.Set((_control & ControlSciEnable) != 0 && (_status & _enabled) != 0);
    }
}
