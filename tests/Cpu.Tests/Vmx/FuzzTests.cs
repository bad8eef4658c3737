using System;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: seeded random values everywhere a guest or a hypervisor may put them: guest code of random bytes in each mode, descriptor
/// tables of
/// random bytes, VMCS fields of random values. Nothing is expected but that each run ends in a documented way. It fails when anything
/// throws,
/// hangs, or when a processor is left in non-root operation without a guest.
/// </summary>
public sealed unsafe class FuzzTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomGuestCodeNeverThrows(int seed)
    {
        Random random = new(seed);
        int total = 0;
        for (int round = 0; round < 60; round++)
        {
            using VmxMachine m = new();
            if (round % 3 == 0)
            {
                m.MakeGuestLong();
            }
            else if (round % 3 == 1)
            {
                m[VmcsField.GuestCr0] = ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
                m[VmcsField.GuestCsAccessRights] = 0x9B;
                m[VmcsField.GuestCsLimit] = 0xFFFF;
            }

            byte[] code = new byte[0x4000];
            random.NextBytes(code);
            m.WriteBytes(VmxMachine.GuestMemory + 0x1000, code);
            for (int exits = 0; exits < 40; exits++)
            {
                bool launched = m.Read<uint>(VmxMachine.VmcsRegion + VmcsLayout.LaunchStateOffset) == VmcsLayout.LaunchStateLaunched;
                VmxResult entered = launched ? m.Vmx.Vmresume() : m.Vmx.Vmlaunch();
                Assert.True(entered.IsSuccess, entered.ToString());
                if (m.Run(2000) != StopReason.VmExit)
                {
                    break; // ran on, or halted
                }

                Assert.False(m.Vmx.InNonRoot);
                total++;
                if ((m[VmcsField.ExitReason] >> 31) != 0)
                {
                    break; // the guest has left itself in a state that no entry accepts
                }

                m[VmcsField.GuestRip] = 0x1000 + (ulong)random.Next(code.Length); // go on somewhere else
                m[VmcsField.GuestRflags] = RflagsBits.Fixed1;
                m[VmcsField.GuestActivityState] = 0;
                m[VmcsField.GuestInterruptibilityState] = 0;
                m[VmcsField.GuestPendingDebugExceptions] = 0;
            }
        }

        Assert.InRange(total, 200, 2400); // most rounds get somewhere
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomVmcsFieldsEndInAnErrorAnExitOrAGuest(int seed)
    {
        Random random = new(seed);
        VmcsField[] fields = Enum.GetValues<VmcsField>();
        int entered = 0;
        for (int round = 0; round < 400; round++)
        {
            using VmxMachine m = new();
            m.Guest(a => a.hlt());
            int changes = random.Next(1, 4);
            for (int i = 0; i < changes; i++)
            {
                ulong value = random.Next(4) switch
                {
                    0 => (ulong)random.NextInt64(),
                    1 => 1UL << random.Next(64),
                    2 => (ulong)random.Next(256),
                    _ => ulong.MaxValue,
                };
                _ = m.Vmx.TryVmwrite(fields[random.Next(fields.Length)], value);
            }

            VmxResult result = m.Vmx.Vmlaunch();
            if (!result.IsSuccess)
            {
                Assert.False(m.Vmx.InNonRoot);
                continue;
            }

            entered++;
            StopReason reason = m.Run(500);
            Assert.Equal(reason != StopReason.VmExit, m.Vmx.InNonRoot);
        }

        Assert.InRange(entered, 50, 350); // both sides of the checks are met
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void RandomTablesNeverThrow(int seed)
    {
        Random random = new(seed);
        byte[] table = new byte[0x1000];
        for (int round = 0; round < 200; round++)
        {
            using TestMachine m = new();
            if (round % 2 == 0)
            {
                m.EnterLongMode();
            }
            else
            {
                m.EnterProtectedMode();
            }

            random.NextBytes(table);
            m.WriteBytes(TestMachine.Idt, table);
            m.WriteBytes(TestMachine.Gdt, table.AsSpan(0, 0x800));
            m.WriteBytes(TestMachine.Tss, table.AsSpan(0x800));
            m.State->Gdtr.Limit = 0x7FF;
            byte[] code = new byte[0x1000];
            random.NextBytes(code);
            m.WriteBytes(TestMachine.CodeStart, code);
            m.Processor.Rflags |= RflagsBits.IF;
            m.Platform.Interrupts.Enqueue((byte)random.Next(256));
            StopReason reason = m.Run(5000);
            Assert.True(Enum.IsDefined(reason));
        }
    }
}
