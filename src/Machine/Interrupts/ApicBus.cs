using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>Carries messages between local APICs and IO-APICs (SDM 3A "Determining IPI Destination").</summary>
public sealed class ApicBus
{
    private readonly List<LocalApic> _apics = [];
    private int _lastChosen = -1;

    public IReadOnlyList<LocalApic> Apics => _apics;

    public void Attach(LocalApic apic) => _apics.Add(apic);

    /// <summary>An interprocessor interrupt.</summary>
    public void Send(LocalApic source, in ApicMessage message, ApicShorthand shorthand)
    {
        if (shorthand == ApicShorthand.Self)
        {
            source.Accept(in message);
            return;
        }

        if (shorthand == ApicShorthand.None)
        {
            _ = Deliver(in message);
            return;
        }

        foreach (LocalApic apic in _apics)
        {
            if (apic.IsEnabled && (shorthand == ApicShorthand.AllIncludingSelf || apic != source))
            {
                apic.Accept(in message);
            }
        }
    }

    /// <summary>A message to its destination. False when nobody is there.</summary>
    public bool Deliver(in ApicMessage message)
    {
        if (message.Delivery == ApicDelivery.LowestPriority)
        {
            return DeliverLowestPriority(in message);
        }

        bool delivered = false;
        foreach (LocalApic apic in _apics)
        {
            if (apic.Matches(in message))
            {
                apic.Accept(in message);
                delivered = true;
            }
        }

        return delivered;
    }

    /// <summary>The lowest arbitration priority gets it; among equals, the next after the one that got the last.</summary>
    private bool DeliverLowestPriority(in ApicMessage message)
    {
        int chosen = -1;
        for (int n = 1; n <= _apics.Count; n++)
        {
            int candidate = (_lastChosen + n) % _apics.Count;
            LocalApic apic = _apics[candidate];
            if (apic.IsSoftwareEnabled && apic.Matches(in message)
                && (chosen < 0 || apic.ArbitrationPriority < _apics[chosen].ArbitrationPriority))
            {
                chosen = candidate;
            }
        }

        if (chosen < 0)
        {
            return false;
        }

        _lastChosen = chosen;
        _apics[chosen].Accept(in message);
        return true;
    }
}
