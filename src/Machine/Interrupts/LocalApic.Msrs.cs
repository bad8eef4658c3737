namespace Xenolith.Machine;

/// <content>IA32_APIC_BASE, IA32_TSC_DEADLINE and the MSRs of x2APIC mode (SDM 3A "Extended XAPIC (x2APIC)").</content>
public sealed partial class LocalApic
{
    /// <summary>Where the page of registers lies after reset.</summary>
    public const ulong DefaultBase = 0xFEE0_0000;

    private const uint MsrApicBase = 0x1B;
    private const uint MsrTscDeadline = 0x6E0;
    private const uint MsrX2First = 0x800;

    private const ulong BaseBootstrap = 1 << 8;
    private const ulong BaseX2 = 1 << 10;
    private const ulong BaseEnable = 1 << 11;
    private const int PhysicalAddressBits = 46;
    private const ulong BaseAddressMask = (1UL << PhysicalAddressBits) - PageSize;

    /// <summary>IA32_APIC_BASE.</summary>
    public ulong Base { get; private set; }

    /// <summary>Where the page of registers lies, in xAPIC mode.</summary>
    public ulong PageAddress => Base & BaseAddressMask;

    /// <summary>IA32_APIC_BASE.EN.</summary>
    public bool IsEnabled => (Base & BaseEnable) != 0;

    /// <summary>In x2APIC mode.</summary>
    public bool IsX2 => (Base & BaseX2) != 0;

    /// <summary>False: #GP(0).</summary>
    public bool TryReadMsr(uint msr, out ulong value)
    {
        switch (msr)
        {
            case MsrApicBase:
                value = Base;
                return true;
            case MsrTscDeadline:
                value = TscDeadline;
                return true;
        }

        int register = (int)(msr - MsrX2First);
        value = 0;
        bool exists = IsX2 && IsReadable(register)
            && register is not (RegisterArbitrationPriority or RegisterRemoteRead or RegisterDestinationFormat or RegisterIcrHigh);
        if (exists)
        {
            value = ReadRegister(register) | (register == RegisterIcr ? (ulong)_icrHigh << 32 : 0);
        }

        return exists;
    }

    /// <summary>False, and nothing is changed: #GP(0).</summary>
    public bool TryWriteMsr(uint msr, ulong value)
    {
        switch (msr)
        {
            case MsrApicBase:
                return TryWriteBase(value);
            case MsrTscDeadline:
                WriteTscDeadline(value);
                return true;
        }

        int register = (int)(msr - MsrX2First);
        if (!IsX2 || !MayWriteX2(register, value))
        {
            return false;
        }

        switch (register)
        {
            case RegisterIcr:
                _icr = (uint)value & ~IcrDeliveryStatus;
                _icrHigh = (uint)(value >> 32);
                Send(_icrHigh);
                break;
            case RegisterSelfIpi:
                _icr = ((uint)ApicShorthand.Self << 18) | (byte)value;
                Send(Id);
                break;
            default:
                WriteRegister(register, (uint)value);
                break;
        }

        return true;
    }

    /// <summary>Writable in x2APIC mode, and no reserved bit is set (SDM 3A "x2APIC Register Address Space").</summary>
    private static bool MayWriteX2(int register, ulong value)
    {
        ulong defined = register switch
        {
            RegisterTaskPriority => 0xFF,
            RegisterEoi => 0,
            RegisterSpurious => SpuriousDefined,
            RegisterErrorStatus => 0,
            RegisterIcr => ~(ulong)IcrReserved,
            >= RegisterLvt and < RegisterLvt + LvtCount => s_lvtWritable[register - RegisterLvt] | LvtDeliveryStatus | LvtRemoteIrr,
            RegisterInitialCount => uint.MaxValue,
            RegisterDivide => 0xB,
            RegisterSelfIpi => 0xFF,
            _ => 0,
        };
        bool exists = defined != 0 || register is RegisterEoi or RegisterErrorStatus;
        return exists && (value & ~defined) == 0;
    }

    /// <summary>SDM 3A "x2APIC State Transitions": to and from x2APIC only as the figure there allows.</summary>
    private bool TryWriteBase(ulong value)
    {
        bool enables = (value & BaseEnable) != 0;
        bool extends = (value & BaseX2) != 0;
        bool leavesX2 = IsX2 && enables && !extends;
        bool isIllegal = (extends && !enables) || (extends && !IsEnabled) || leavesX2;
        if (isIllegal || (value & ~(BaseAddressMask | BaseEnable | BaseX2 | BaseBootstrap)) != 0)
        {
            return false;
        }

        bool wasEnabled = IsEnabled;
        Base = value;
        if (wasEnabled != enables)
        {
            Id = InitialId;
            ResetRegisters(); // a disabled APIC forgets: it comes back as after power-up
        }
        else if (extends)
        {
            Id = InitialId; // x2APIC mode has the id that hardware gave
        }

        _owner.OnApicBaseChange();
        _owner.OnInterruptChange();
        return true;
    }
}
