using System.Text;

using Iced.Intel;

using Xenolith.Xen.Abi;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Xen.Tests.Support;

/// <summary>Pieces of 32-bit guest programs.</summary>
internal static class GuestCode
{
    /// <summary>Writes text to port E9H, a byte at a time.</summary>
    public static void Print(this Assembler c, string text)
    {
        foreach (byte value in Encoding.ASCII.GetBytes(text))
        {
            c.mov(al, value);
            c.@out(0xE9, al);
        }
    }

    /// <summary>A hypercall with EBX, ECX, EDX; the result stays in EAX.</summary>
    public static void Hypercall(this Assembler c, HypercallNumber number, uint arg1 = 0, uint arg2 = 0, uint arg3 = 0)
    {
        c.mov(ebx, arg1);
        c.mov(ecx, arg2);
        c.mov(edx, arg3);
        c.mov(eax, (uint)number);
        c.vmcall();
    }

    /// <summary>Stores a doubleword.</summary>
    public static void Store(this Assembler c, uint address, uint value) => c.mov(__dword_ptr[address], value);

    /// <summary>SCHEDOP_shutdown(poweroff).</summary>
    public static void Poweroff(this Assembler c)
    {
        c.Store(0x3F00, 0);
        c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Shutdown, 0x3F00);
    }
}
