using System.Numerics;

namespace Xenolith.Machine;

/// <summary>
/// A local APIC in xAPIC and x2APIC mode (SDM 3A "Advanced Programmable Interrupt Controller (APIC)"). It knows nothing of the board:
/// its owner carries its messages and its timer. Parts of this class by subject: registers, MSRs, timer.
/// </summary>
public sealed partial class LocalApic
{
    private const int WordCount = 4; // 256 vectors

    private readonly ILocalApicOwner _owner;
    private readonly ulong[] _requested = new ulong[WordCount]; // IRR
    private readonly ulong[] _inService = new ulong[WordCount]; // ISR
    private readonly ulong[] _level = new ulong[WordCount]; // TMR
    private readonly bool[] _lint = new bool[2];
    private bool _extIntMessage;

    /// <param name="owner">Bus, timer and processor.</param>
    /// <param name="id">The id that the board gives at reset.</param>
    /// <param name="isBootstrap">The processor that starts first.</param>
    public LocalApic(ILocalApicOwner owner, uint id, bool isBootstrap)
    {
        _owner = owner;
        InitialId = id;
        IsBootstrap = isBootstrap;
        Reset();
    }

    /// <summary>The id at reset, which CPUID reports.</summary>
    public uint InitialId { get; }

    public bool IsBootstrap { get; }

    /// <summary>The id by which messages find it now.</summary>
    public uint Id { get; private set; }

    /// <summary>An interrupt waits that the processor may take now, if its own flags let it.</summary>
    public bool HasInterrupt
    {
        get
        {
            if (IsExtIntRequested)
            {
                return true;
            }

            int highest = IsEnabled ? Highest(_requested) : -1;
            return highest >= 0 && highest >> 4 > ProcessorPriority >> 4;
        }
    }

    /// <summary>The priority below which interrupts wait: PPR.</summary>
    public byte ProcessorPriority
    {
        get
        {
            int inService = Highest(_inService);
            return inService >> 4 > _taskPriority >> 4 ? (byte)(inService & 0xF0) : _taskPriority;
        }
    }

    /// <summary>What lowest-priority delivery compares: APR.</summary>
    public byte ArbitrationPriority
    {
        get
        {
            int tpr = _taskPriority >> 4;
            int isr = int.Max(Highest(_inService), 0) >> 4;
            int irr = int.Max(Highest(_requested), 0) >> 4;
            return tpr >= irr && tpr > isr ? _taskPriority : (byte)(int.Max(tpr, int.Max(isr, irr)) << 4);
        }
    }

    /// <summary>CR8: bits 7:4 of the task-priority register.</summary>
    public ulong TaskPriorityClass
    {
        get => (ulong)_taskPriority >> 4;
        set
        {
            _taskPriority = (byte)(value << 4);
            _owner.OnInterruptChange();
        }
    }

    /// <summary>The pin LINT0, where the 8259's output goes, gives NMIs (a watchdog by the timer). Nothing drives LINT1.</summary>
    public bool MayReceiveLocalNmi =>
        IsEnabled && (_lvt[LvtLint0] & (LvtMasked | LvtDeliveryMask)) == (uint)ApicDelivery.Nmi << LvtDeliveryShift;

    /// <summary>The pins LINT0 and LINT1. Without a local APIC they are INTR and NMI.</summary>
    public void SetLint(int pin, bool asserted)
    {
        bool rises = asserted && !_lint[pin];
        _lint[pin] = asserted;
        if (!IsEnabled)
        {
            if (pin == 1 && rises)
            {
                _owner.SignalNmi();
            }

            _owner.OnInterruptChange();
            return;
        }

        SampleLint(pin, rises);
    }

    /// <summary>Whether a message is for this one. Lowest priority is for the bus to decide among those who say yes.</summary>
    public bool Matches(in ApicMessage message)
    {
        if (!IsEnabled)
        {
            return false;
        }

        if (message.IsBroadcast)
        {
            return true;
        }

        if (!message.IsLogical)
        {
            return message.Destination == Id;
        }

        if (IsX2)
        {
            uint own = X2LogicalId;
            return own >> 16 == message.Destination >> 16 && (own & message.Destination & 0xFFFF) != 0;
        }

        uint logical = _logicalDestination >> 24;
        uint destination = message.Destination;
        if (destination > byte.MaxValue)
        {
            return false;
        }

        // DFR bits 31:28: all ones is the flat model, zero is the cluster model.
        return _destinationFormat >> 28 == 0xF
            ? (logical & destination) != 0
            : logical >> 4 == destination >> 4 && (logical & destination & 0xF) != 0;
    }

    /// <summary>Takes a message.</summary>
    public void Accept(in ApicMessage message)
    {
        switch (message.Delivery)
        {
            case ApicDelivery.Fixed or ApicDelivery.LowestPriority:
                Request(message.Vector, message.IsLevel);
                break;
            case ApicDelivery.Nmi:
                _owner.SignalNmi();
                break;
            case ApicDelivery.Init:
                _owner.SignalInit();
                break;
            case ApicDelivery.Startup:
                _owner.SignalStartup(message.Vector);
                break;
            case ApicDelivery.ExtInt:
                _extIntMessage = true;
                _owner.OnInterruptChange();
                break;
            default: // no system-management mode
                break;
        }
    }

    /// <summary>
    /// INTA: the vector to deliver, or -1 when the vector is the 8259's to give. To be called while <see cref="HasInterrupt"/>.
    /// </summary>
    public int Acknowledge()
    {
        if (IsExtIntRequested)
        {
            _extIntMessage = false;
            return -1;
        }

        int vector = Highest(_requested);
        if (!IsEnabled || vector < 0 || vector >> 4 <= ProcessorPriority >> 4)
        {
            return (byte)_spurious;
        }

        SettleSilence();
        SetBit(_requested, vector, false);
        SetBit(_inService, vector, true);
        if (vector == (byte)_lvt[LvtTimer])
        {
            ArmTimer(); // it was silent while its interrupt waited
        }

        return vector;
    }

    /// <summary>EOI: the interrupt of the highest priority in service ends.</summary>
    public void EndOfInterrupt()
    {
        int vector = Highest(_inService);
        if (vector < 0)
        {
            return;
        }

        SetBit(_inService, vector, false);
        if (IsSet(_level, vector))
        {
            EndLint(vector);
            if ((_spurious & SpuriousSuppressEoi) == 0)
            {
                _owner.BroadcastEndOfInterrupt((byte)vector);
            }
        }

        _owner.OnInterruptChange();
    }

    /// <summary>Power-up or RESET (SDM 3A "Local APIC State After Power-Up or Reset").</summary>
    public void Reset()
    {
        Base = DefaultBase | BaseEnable | (IsBootstrap ? BaseBootstrap : 0);
        Id = InitialId;
        ResetRegisters();
    }

    /// <summary>INIT: all but the id and IA32_APIC_BASE.</summary>
    public void Init() => ResetRegisters();

    /// <summary>Virtual-wire mode, as firmware leaves the first processor: enabled, LINT0 from the 8259, LINT1 for NMIs.</summary>
    public void PrepareAsFirmware()
    {
        WriteSpurious(SpuriousEnable | 0xFF);
        WriteLvt(LvtLint0, LvtLevel | ((uint)ApicDelivery.ExtInt << LvtDeliveryShift));
        WriteLvt(LvtLint1, (uint)ApicDelivery.Nmi << LvtDeliveryShift);
    }

    private bool IsExtIntRequested => !IsEnabled
        ? _lint[0]
        : _extIntMessage || (_lint[0] && (_lvt[LvtLint0] & (LvtMasked | LvtDeliveryMask)) == (uint)ApicDelivery.ExtInt << LvtDeliveryShift);

    /// <summary>An interrupt for this processor: into the IRR.</summary>
    private void Request(int vector, bool isLevel)
    {
        if (!IsSoftwareEnabled)
        {
            return;
        }

        if (vector < 16)
        {
            LogError(ErrorReceiveIllegalVector);
            return;
        }

        SetBit(_requested, vector, true);
        SetBit(_level, vector, isLevel);
        _owner.OnInterruptChange();
    }

    /// <summary>Delivers what a local source asks for, as its LVT entry says.</summary>
    private void DeliverLocal(uint entry)
    {
        if ((entry & LvtMasked) != 0)
        {
            return;
        }

        ApicDelivery delivery = (ApicDelivery)((entry & LvtDeliveryMask) >> LvtDeliveryShift);
        if (delivery == ApicDelivery.Fixed)
        {
            Request((byte)entry, isLevel: false);
        }
        else if (delivery is ApicDelivery.Nmi or ApicDelivery.Init)
        {
            Accept(new ApicMessage((byte)entry, delivery, Id));
        }
    }

    private void SampleLint(int pin, bool rises)
    {
        ref uint entry = ref _lvt[LvtLint0 + pin];
        ApicDelivery delivery = (ApicDelivery)((entry & LvtDeliveryMask) >> LvtDeliveryShift);
        bool isLevel = delivery == ApicDelivery.Fixed && (entry & LvtLevel) != 0;
        if (isLevel)
        {
            if (_lint[pin] && (entry & (LvtMasked | LvtRemoteIrr)) == 0)
            {
                entry |= LvtRemoteIrr;
                Request((byte)entry, isLevel: true);
            }
        }
        else if (delivery == ApicDelivery.ExtInt)
        {
            _owner.OnInterruptChange();
        }
        else if (rises)
        {
            DeliverLocal(entry);
        }
    }

    private void EndLint(int vector)
    {
        for (int pin = 0; pin < _lint.Length; pin++)
        {
            ref uint entry = ref _lvt[LvtLint0 + pin];
            if ((entry & LvtRemoteIrr) != 0 && (byte)entry == vector)
            {
                entry &= ~LvtRemoteIrr;
                SampleLint(pin, rises: false);
            }
        }
    }

    private static int Highest(ulong[] vectors)
    {
        for (int word = WordCount - 1; word >= 0; word--)
        {
            if (vectors[word] != 0)
            {
                return (word * 64) + BitOperations.Log2(vectors[word]);
            }
        }

        return -1;
    }

    private static bool IsSet(ulong[] vectors, int vector) => (vectors[vector >> 6] >> (vector & 63) & 1) != 0;

    private static void SetBit(ulong[] vectors, int vector, bool value)
    {
        ulong bit = 1UL << (vector & 63);
        vectors[vector >> 6] = value ? vectors[vector >> 6] | bit : vectors[vector >> 6] & ~bit;
    }
}
