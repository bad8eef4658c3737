using System;

namespace Xenolith.Machine;

/// <summary>A wire from a device to an interrupt controller. It tells of changes only.</summary>
/// <param name="onChange">Told the new level.</param>
public sealed class InterruptLine(Action<bool> onChange)
{
    /// <summary>True while the device asserts it.</summary>
    public bool IsAsserted { get; private set; }

    public void Set(bool asserted)
    {
        if (asserted != IsAsserted)
        {
            IsAsserted = asserted;
            onChange(asserted);
        }
    }

    /// <summary>A rising edge, whatever the level was; the line stays up, so that the request is still there at INTA.</summary>
    public void Edge()
    {
        Set(false);
        Set(true);
    }
}
