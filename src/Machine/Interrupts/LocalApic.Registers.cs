using System;

namespace Xenolith.Machine;

/// <content>The registers, by the number that is an offset divided by 16 in the page and an MSR's distance from 800H.</content>
public sealed partial class LocalApic
{
    /// <summary>Size of the page of registers.</summary>
    public const ulong PageSize = 0x1000;

    private const int RegisterId = 0x02;
    private const int RegisterVersion = 0x03;
    private const int RegisterTaskPriority = 0x08;
    private const int RegisterArbitrationPriority = 0x09;
    private const int RegisterProcessorPriority = 0x0A;
    private const int RegisterEoi = 0x0B;
    private const int RegisterRemoteRead = 0x0C;
    private const int RegisterLogicalDestination = 0x0D;
    private const int RegisterDestinationFormat = 0x0E;
    private const int RegisterSpurious = 0x0F;
    private const int RegisterInService = 0x10;
    private const int RegisterTriggerMode = 0x18;
    private const int RegisterRequested = 0x20;
    private const int RegisterErrorStatus = 0x28;
    private const int RegisterIcr = 0x30;
    private const int RegisterIcrHigh = 0x31;
    private const int RegisterLvt = 0x32;
    private const int RegisterInitialCount = 0x38;
    private const int RegisterCurrentCount = 0x39;
    private const int RegisterDivide = 0x3E;
    private const int RegisterSelfIpi = 0x3F;

    /// <summary>Version 14H, six LVT entries, suppression of EOI broadcasts.</summary>
    private const uint VersionValue = 0x0105_0014;

    private const uint SpuriousEnable = 1 << 8;
    private const uint SpuriousSuppressEoi = 1 << 12;
    private const uint SpuriousDefined = 0xFF | SpuriousEnable | SpuriousSuppressEoi;

    // LVT entries, in the order of their registers.
    private const int LvtTimer = 0;
    private const int LvtLint0 = 3;
    private const int LvtLint1 = 4;
    private const int LvtError = 5;
    private const int LvtCount = 6;

    private const int LvtDeliveryShift = 8;
    private const uint LvtDeliveryMask = 7 << LvtDeliveryShift;
    private const uint LvtDeliveryStatus = 1 << 12; // always idle here
    private const uint LvtRemoteIrr = 1 << 14;
    private const uint LvtLevel = 1 << 15;
    private const uint LvtMasked = 1 << 16;

    private const uint ErrorSendIllegalVector = 1 << 5;
    private const uint ErrorReceiveIllegalVector = 1 << 6;
    private const uint ErrorIllegalRegister = 1 << 7;

    private const uint IcrDeliveryStatus = 1 << 12;
    private const uint IcrReserved = 0xFFF3_2000; // bits 31:20, 17:16, 13

    // What software can write in each LVT entry: timer, thermal sensor, performance counters, LINT0, LINT1, error.
    private static readonly uint[] s_lvtWritable = [0x7_00FF, 0x1_07FF, 0x1_07FF, 0x1_A7FF, 0x1_A7FF, 0x1_00FF];

    private readonly uint[] _lvt = new uint[LvtCount];
    private byte _taskPriority;
    private uint _logicalDestination;
    private uint _destinationFormat;
    private uint _spurious;
    private uint _icr;
    private uint _icrHigh;
    private uint _errorStatus; // what software reads
    private uint _errorsSince; // what the next write of ESR will show

    /// <summary>SVR bit 8: it accepts interrupts.</summary>
    public bool IsSoftwareEnabled => (_spurious & SpuriousEnable) != 0;

    private uint X2LogicalId => ((Id >> 4) << 16) | (1u << (int)(Id & 0xF));

    /// <summary>
    /// A read in the page of registers. The architecture has 32-bit registers at multiples of 16; of what lies within one, parts can
    /// be read.
    /// </summary>
    public ulong ReadPage(ulong offset, int sizeBytes)
    {
        if (!IsEnabled || IsX2)
        {
            return ulong.MaxValue;
        }

        if ((offset & 0xF) + (uint)sizeBytes > 4 && (offset & 0xF) != 0)
        {
            return 0;
        }

        int register = (int)(offset >> 4);
        uint value = 0;
        if (IsReadable(register))
        {
            value = ReadRegister(register);
        }
        else
        {
            LogError(ErrorIllegalRegister);
        }

        return (ulong)value >> (int)(8 * (offset & 3));
    }

    /// <summary>A write in the page: 32 bits at a multiple of 16; others vanish.</summary>
    public void WritePage(ulong offset, int sizeBytes, ulong value)
    {
        if (!IsEnabled || IsX2 || (offset & 0xF) != 0 || sizeBytes < 4)
        {
            return;
        }

        int register = (int)(offset >> 4);
        uint word = (uint)value;
        switch (register)
        {
            case RegisterId:
                Id = word >> 24;
                break;
            case RegisterLogicalDestination:
                _logicalDestination = word & 0xFF00_0000;
                break;
            case RegisterDestinationFormat:
                _destinationFormat = word | 0x0FFF_FFFF;
                break;
            case RegisterIcrHigh:
                _icrHigh = word & 0xFF00_0000;
                break;
            case RegisterIcr:
                _icr = word & ~(IcrReserved | IcrDeliveryStatus);
                Send(_icrHigh >> 24);
                break;
            case RegisterTaskPriority or RegisterEoi or RegisterSpurious or RegisterErrorStatus or RegisterInitialCount or RegisterDivide:
            case >= RegisterLvt and < RegisterLvt + LvtCount:
                WriteRegister(register, word);
                break;
            default:
                if (!IsReadable(register))
                {
                    LogError(ErrorIllegalRegister);
                }

                break;
        }
    }

    private static bool IsReadable(int register) =>
        register is RegisterId or RegisterVersion or (>= RegisterTaskPriority and <= RegisterProcessorPriority)
            or (>= RegisterRemoteRead and <= RegisterErrorStatus) or RegisterIcr or RegisterIcrHigh
            or (>= RegisterLvt and <= RegisterCurrentCount) or RegisterDivide;

    private uint ReadRegister(int register) => register switch
    {
        RegisterId => IsX2 ? Id : Id << 24,
        RegisterVersion => VersionValue,
        RegisterTaskPriority => _taskPriority,
        RegisterArbitrationPriority => ArbitrationPriority,
        RegisterProcessorPriority => ProcessorPriority,
        RegisterLogicalDestination => IsX2 ? X2LogicalId : _logicalDestination,
        RegisterDestinationFormat => _destinationFormat,
        RegisterSpurious => _spurious,
        >= RegisterInService and < RegisterTriggerMode => Word(_inService, register - RegisterInService),
        >= RegisterTriggerMode and < RegisterRequested => Word(_level, register - RegisterTriggerMode),
        >= RegisterRequested and < RegisterErrorStatus => Word(_requested, register - RegisterRequested),
        RegisterErrorStatus => _errorStatus,
        RegisterIcr => _icr,
        RegisterIcrHigh => _icrHigh,
        >= RegisterLvt and < RegisterLvt + LvtCount => _lvt[register - RegisterLvt],
        RegisterInitialCount => _initialCount,
        RegisterCurrentCount => CurrentCount,
        RegisterDivide => _divide,
        _ => 0,
    };

    /// <summary>Registers that both modes write in the same way; reserved bits are gone, or were refused.</summary>
    private void WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case RegisterTaskPriority:
                _taskPriority = (byte)value;
                _owner.OnInterruptChange();
                break;
            case RegisterEoi:
                EndOfInterrupt();
                break;
            case RegisterSpurious:
                WriteSpurious(value & SpuriousDefined);
                break;
            case RegisterErrorStatus:
                _errorStatus = _errorsSince;
                _errorsSince = 0;
                break;
            case RegisterInitialCount:
                WriteInitialCount(value);
                break;
            case RegisterDivide:
                WriteDivide(value & 0xB);
                break;
            default:
                WriteLvt(register - RegisterLvt, value);
                break;
        }
    }

    private void WriteSpurious(uint value)
    {
        _spurious = value;
        if ((value & SpuriousEnable) == 0)
        {
            for (int n = 0; n < LvtCount; n++)
            {
                _lvt[n] |= LvtMasked; // and it stays so while the APIC is disabled
            }

            ArmTimer();
        }

        _owner.OnInterruptChange();
    }

    private void WriteLvt(int index, uint value)
    {
        SettleSilence();
        uint old = _lvt[index];
        uint written = (value & s_lvtWritable[index]) | (old & LvtRemoteIrr);
        if (!IsSoftwareEnabled)
        {
            written |= LvtMasked;
        }

        _lvt[index] = written;
        if (index == LvtTimer)
        {
            OnTimerModeWritten(old);
        }
        else if (index is LvtLint0 or LvtLint1)
        {
            if ((written & LvtLevel) == 0)
            {
                _lvt[index] &= ~LvtRemoteIrr;
            }

            SampleLint(index - LvtLint0, rises: false);
        }

        _owner.OnInterruptChange();
    }

    /// <summary>The ICR was written: its message goes out. Destination as in the ICR of the mode.</summary>
    private void Send(uint destination)
    {
        ApicDelivery delivery = (ApicDelivery)((_icr >> 8) & 7);
        byte vector = (byte)_icr;
        bool isInterrupt = delivery is ApicDelivery.Fixed or ApicDelivery.LowestPriority;
        bool isAssert = (_icr & (1 << 14)) != 0;
        bool isLevel = (_icr & (1 << 15)) != 0;
        if (isInterrupt && vector < 16)
        {
            LogError(ErrorSendIllegalVector);
            return;
        }

        if (delivery is ApicDelivery.Reserved or ApicDelivery.ExtInt or ApicDelivery.Smi || (delivery == ApicDelivery.Init && isLevel && !isAssert))
        {
            return; // the level de-assert of INIT set arbitration ids on older processors, and does nothing on these
        }

        // Interprocessor interrupts are edges whatever the trigger mode says.
        ApicMessage message = new(vector, delivery, destination, (_icr & (1 << 11)) != 0, IsLevel: false, IsX2);
        _owner.SendInterrupt(in message, (ApicShorthand)((_icr >> 18) & 3));
    }

    /// <summary>The first error of its kind since the last write of ESR raises the error interrupt.</summary>
    private void LogError(uint error)
    {
        bool isNew = (_errorsSince & error) == 0;
        _errorsSince |= error;
        if (isNew)
        {
            DeliverLocal(_lvt[LvtError] & (LvtMasked | 0xFF));
        }
    }

    private void ResetRegisters()
    {
        Array.Clear(_requested);
        Array.Clear(_inService);
        Array.Clear(_level);
        Array.Fill(_lvt, LvtMasked);
        _taskPriority = 0;
        _logicalDestination = 0;
        _destinationFormat = uint.MaxValue;
        _spurious = 0xFF;
        _icr = _icrHigh = 0;
        _errorStatus = _errorsSince = 0;
        _extIntMessage = false;
        ResetTimer();
        _owner.OnInterruptChange();
    }

    private static uint Word(ulong[] vectors, int index) => (uint)(vectors[index >> 1] >> (32 * (index & 1)));
}
