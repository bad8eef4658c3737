using Xenolith.Cpu;

namespace Xenolith.Xen;

/// <content>Injection of events at VM entry (SDM 3C "VM-Entry Controls for Event Injection").</content>
internal sealed partial class Vcpu
{
    private const uint ValidBit = 1u << 31;
    private const uint DeliverErrorCodeBit = 1u << 11;
    private const int TypeShift = 8;
    private const ulong RflagsIf = 1 << 9;
    private const ulong BlockingByStiOrMovSs = 3;

    /// <summary>An exception that the last exit's handler wants the guest to see; it goes first.</summary>
    private uint _exception;
    private uint _exceptionErrorCode;

    /// <summary>The next entry raises a hardware exception in the guest.</summary>
    public void InjectException(Vector vector, uint? errorCode = null)
    {
        _exception = ValidBit | ((uint)EventType.HardwareException << TypeShift) | (uint)vector | (errorCode is null ? 0 : DeliverErrorCodeBit);
        _exceptionErrorCode = errorCode ?? 0;
    }

    /// <summary>
    /// Chooses what the next entry injects: the handler's exception, else the event whose delivery the last exit interrupted, else the
    /// upcall, once the guest can take it.
    /// </summary>
    public void PrepareInjection()
    {
        uint vectoring = (uint)Vmcs[VmcsField.IdtVectoringInformation];
        if (_exception != 0)
        {
            Vmcs[VmcsField.EntryInterruptionInformation] = _exception;
            Vmcs[VmcsField.EntryExceptionErrorCode] = _exceptionErrorCode;
            _exception = 0;
        }
        else if ((vectoring & ValidBit) != 0)
        {
            Vmcs[VmcsField.EntryInterruptionInformation] = vectoring & ~(1u << 12); // bit 12 is undefined there
            Vmcs[VmcsField.EntryExceptionErrorCode] = Vmcs[VmcsField.IdtVectoringErrorCode];
            Vmcs[VmcsField.EntryInstructionLength] = Vmcs[VmcsField.ExitInstructionLength];
        }
        else
        {
            PrepareUpcall();
            return;
        }

        WantInterruptWindow(PendingVector() >= 0);
    }

    private void PrepareUpcall()
    {
        int vector = PendingVector();
        bool canTake = vector >= 0 && (Vmcs[VmcsField.GuestRflags] & RflagsIf) != 0
            && (Vmcs[VmcsField.GuestInterruptibilityState] & BlockingByStiOrMovSs) == 0;
        if (canTake)
        {
            Vmcs[VmcsField.EntryInterruptionInformation] = ValidBit | (uint)vector;
            IsUpcallRaised = false;
        }

        WantInterruptWindow(vector >= 0 && !canTake);
    }

    /// <summary>"Interrupt-window exiting": an exit as soon as the guest can take an interrupt.</summary>
    private void WantInterruptWindow(bool wanted)
    {
        ulong controls = Vmcs[VmcsField.PrimaryProcessorBasedControls];
        ulong changed = wanted ? controls | (ulong)PrimaryControls.InterruptWindowExiting : controls & ~(ulong)PrimaryControls.InterruptWindowExiting;
        if (changed != controls)
        {
            Vmcs[VmcsField.PrimaryProcessorBasedControls] = changed;
        }
    }
}
