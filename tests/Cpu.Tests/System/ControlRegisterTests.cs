using System;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: one value is written to one control register or MSR in one mode; whether it is accepted is compared with the sentences of
/// SDM 2A "MOV - Move to/from Control Registers" and SDM 4. It fails when a reserved bit or an inconsistent mode gets through, when a
/// legal value does not, or when a refused write leaves something changed.
/// </summary>
public sealed unsafe class ControlRegisterTests
{
    private const ulong Long = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Pg | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Wp | ControlRegisters.Cr0Et;

    [Theory]
    [InlineData(Long, true)]
    [InlineData(Long | ControlRegisters.Cr0Ts, true)]
    [InlineData(Long | (1UL << 32), false)] // high half
    [InlineData(ControlRegisters.Cr0Pg | ControlRegisters.Cr0Ne, false)] // PG without PE
    [InlineData(Long | ControlRegisters.Cr0Nw, false)] // NW without CD
    [InlineData(Long | ControlRegisters.Cr0Nw | ControlRegisters.Cr0Cd, true)]
    [InlineData(Long & ~ControlRegisters.Cr0Pg, false)] // 64-bit mode cannot leave paging
    public void Cr0In64BitMode(ulong value, bool accepted)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        ulong old = m.State->Paging.Cr0;
        Assert.Equal(accepted, m.Processor.TryWriteCr0(value));
        Assert.Equal(accepted ? value | ControlRegisters.Cr0Et : old, m.State->Paging.Cr0);
    }

    [Theory]
    [InlineData(true, true, false, true)]
    [InlineData(false, true, false, false)] // without PAE
    [InlineData(true, true, true, false)] // with CS.L set
    [InlineData(true, false, false, true)] // LME clear: PAE paging, whose PDPTEs are zero and so valid
    public void PagingActivatesIa32eMode(bool pae, bool lme, bool csl, bool accepted)
    {
        using TestMachine m = new();
        m.EnterProtectedMode();
        m.State->Paging.Cr4 = pae ? ControlRegisters.Cr4Pae : 0;
        m.State->Paging.Efer = lme ? ControlRegisters.EferLme : 0;
        m.State->Segments[(int)SegmentIndex.CS].AccessRights |= csl ? SegmentRegister.LBit : 0;
        Assert.Equal(accepted, m.Processor.TryWriteCr0(m.State->Paging.Cr0 | ControlRegisters.Cr0Pg));
        Assert.Equal(accepted && lme, (m.State->Paging.Efer & ControlRegisters.EferLma) != 0);
    }

    [Fact]
    public void PaePagingLoadsPdptesAndRefusesReservedBits()
    {
        using TestMachine m = new();
        m.EnterProtectedMode();
        m.State->Paging.Cr4 = ControlRegisters.Cr4Pae;
        m.State->Paging.Cr3 = 0x9000;
        m.Write(0x9000, 0xA001UL);
        m.Write(0x9018, 0xB007UL); // reserved bits 2:1
        Assert.False(m.Processor.TryWriteCr0(m.State->Paging.Cr0 | ControlRegisters.Cr0Pg));
        Assert.Equal(Vector.GP, m.Processor.PendingFault.Vector);
        m.Write(0x9018, 0xB001UL);
        Assert.True(m.Processor.TryWriteCr0(m.State->Paging.Cr0 | ControlRegisters.Cr0Pg));
        Assert.Equal(0xA001u, m.State->Paging.Pdptes[0]);
        Assert.Equal(0xB001u, m.State->Paging.Pdptes[3]);
    }

    [Theory]
    [InlineData(ControlRegisters.Cr4Pae | ControlRegisters.Cr4Pge, true)]
    [InlineData(0, false)] // PAE cannot be cleared in IA-32e mode
    [InlineData(ControlRegisters.Cr4Pae | (1UL << 15), false)] // reserved
    [InlineData(ControlRegisters.Cr4Pae | ControlRegisters.Cr4La57, false)] // LA57 cannot change in IA-32e mode
    [InlineData(ControlRegisters.Cr4Pae | ControlRegisters.Cr4Pcide, true)]
    public void Cr4In64BitMode(ulong value, bool accepted)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        Assert.Equal(accepted, m.Processor.TryWriteCr4(value));
        Assert.Equal(accepted ? value : ControlRegisters.Cr4Pae, m.State->Paging.Cr4);
    }

    [Fact]
    public void PcideNeedsIa32eModeAndPcidZero()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.State->Paging.Cr3 = TestMachine.PageTables | 1;
        Assert.False(m.Processor.TryWriteCr4(ControlRegisters.Cr4Pae | ControlRegisters.Cr4Pcide));
        m.EnterProtectedMode();
        m.State->Paging.Efer = 0;
        Assert.False(m.Processor.TryWriteCr4(ControlRegisters.Cr4Pcide));
    }

    [Fact]
    public void Cr3RefusesBitsBeyondTheAddressWidthAndDropsTheKeepBit()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        Assert.False(m.Processor.TryWriteCr3(1UL << Processor.MaxPhysicalAddressBits));
        Assert.False(m.Processor.TryWriteCr3(TestMachine.PageTables | (1UL << 63))); // without PCIDE the bit is reserved
        Assert.True(m.Processor.TryWriteCr4(ControlRegisters.Cr4Pae | ControlRegisters.Cr4Pcide));
        Assert.True(m.Processor.TryWriteCr3(TestMachine.PageTables | 5 | (1UL << 63)));
        Assert.Equal(TestMachine.PageTables | 5, m.State->Paging.Cr3);
    }

    [Theory]
    [InlineData(0xC000_0080u, ControlRegisters.EferLme | ControlRegisters.EferSce | ControlRegisters.EferNxe, true)]
    [InlineData(0xC000_0080u, 2UL, false)] // reserved bit
    [InlineData(0xC000_0080u, ControlRegisters.EferSce, false)] // LME cannot change under paging
    [InlineData(0xC000_0082u, 0xFFFF_8000_0000_0000, true)]
    [InlineData(0xC000_0082u, 0x8000_0000_0000UL, false)] // not canonical
    [InlineData(0xC000_0103u, 1UL << 32, false)] // TSC_AUX has 32 bits
    [InlineData(0x277u, 0x0007_0406_0007_0406UL, true)]
    [InlineData(0x277u, 2UL, false)] // no such memory type
    [InlineData(0x200u, 6UL, true)]
    [InlineData(0x200u, 2UL, false)]
    [InlineData(0x480u, 0UL, false)] // read-only
    [InlineData(0x1234_5678u, 0UL, false)] // no such MSR
    public void MsrWrites(uint msr, ulong value, bool accepted)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        bool existed = m.Processor.TryReadMsr(msr, out ulong before);
        Assert.Equal(accepted, m.Processor.TryWriteMsr(msr, value));
        if (existed)
        {
            Assert.True(m.Processor.TryReadMsr(msr, out ulong after));
            ulong keptByProcessor = msr == ModelSpecificRegisters.Efer ? ControlRegisters.EferLma : 0;
            Assert.Equal(accepted ? value | keptByProcessor : before, after);
        }
    }

    [Fact]
    public void UnknownMsrIsGeneralProtectionAndWritesOfTheTscMoveIt()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.SetGate(13, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(ecx, 0x10);
            a.xor(eax, eax);
            a.mov(edx, 1);
            a.wrmsr();
            a.rdtsc();
            a.mov(ebx, edx);
            a.mov(ecx, 0x7777);
            a.rdmsr();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + 1, m.State->Rip);
        Assert.Equal(1u, m.State->Gpr[3]);
    }

    [Theory]
    [InlineData(6, 0x0000_0000_FFFF_0FF0UL)]
    [InlineData(7, 0x0000_0000_0000_0400UL)]
    public void DebugRegistersKeepTheirFixedBits(int number, ulong expected)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.xor(eax, eax);
            a.mov(number == 6 ? dr6 : dr7, rax);
            a.mov(rbx, number == 6 ? dr6 : dr7);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(expected, m.State->Gpr[3]);
    }

    [Theory]
    [InlineData(0x3F8, 1, 0, true)] // CPL 0
    [InlineData(0x3F8, 1, 3, true)] // allowed by the bitmap
    [InlineData(0x3F9, 1, 3, false)] // forbidden by the bitmap
    [InlineData(0x3F8, 2, 3, false)] // its second byte is forbidden
    [InlineData(0xFFF8, 1, 3, false)] // beyond the limit of the TSS
    public void PortsNeedPrivilegeOrTheBitmap(int port, int size, int cpl, bool accepted)
    {
        const uint BitmapBase = 0x68;
        using TestMachine m = new();
        m.EnterLongMode();
        m.SetGate(13, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Write(TestMachine.Tss + 0x66, (ushort)BitmapBase);
        m.Write(TestMachine.Tss + BitmapBase + (0x3F8 / 8), (byte)0xFE); // only port 3F8H
        m.State->Segments[(int)SegmentIndex.TR].Limit = BitmapBase + 0x100;
        if (cpl == 3)
        {
            m.DropToUser();
        }

        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(edx, port);
            if (size == 1)
            {
                a.@out(dx, al);
            }
            else
            {
                a.@out(dx, ax);
            }

            a.jmp(TestMachine.CodeStart);
        });
        Assert.Equal(accepted ? StopReason.Budget : StopReason.Halted, m.Run(6));
        Assert.Equal(accepted ? 2 : 0, m.Platform.PortWrites.Count);
    }

    [Fact]
    public void StringPortsMoveMemoryOneIterationAtATime()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.Write(0xC000, 0x4433_2211u);
        m.Platform.PortValue = 0x99;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(edx, 0xE9);
            a.mov(esi, 0xC000);
            a.mov(ecx, 4);
            a.rep.outsb();
            a.mov(edi, 0xC100);
            a.mov(ecx, 2);
            a.rep.insb();
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal([0x11u, 0x22u, 0x33u, 0x44u], m.Platform.PortWrites.ConvertAll(write => write.Value));
        Assert.Equal(0x9999u, m.Read<uint>(0xC100));
        Assert.Equal(0xC004u, m.State->Gpr[6]);
        Assert.Equal(0u, m.State->Gpr[1]);
    }

    [Fact]
    public void RandomNumbersRepeatWithTheSeed()
    {
        ulong Draw(ulong seed)
        {
            using TestMachine m = new();
            m.EnterLongMode();
            m.Processor.SeedRandom(seed);
            m.Program(TestMachine.CodeStart, 64, a =>
            {
                a.rdrand(rax);
                a.setc(bl);
                a.hlt();
            });
            Assert.Equal(StopReason.Halted, m.Run());
            Assert.Equal(1u, m.State->Gpr[3] & 0xFF);
            return m.State->Gpr[0];
        }

        Assert.Equal(Draw(1), Draw(1));
        Assert.NotEqual(Draw(1), Draw(2));
    }

    [Fact]
    public void CpuidNamesTheVendorAndHidesWhatIsAbsent()
    {
        CpuidLeaf vendor = CpuidModel.Query(0, 0, null);
        Assert.Equal("GenuineIntel", Text(vendor.Ebx) + Text(vendor.Edx) + Text(vendor.Ecx));
        CpuidLeaf features = CpuidModel.Query(1, 0, null);
        Assert.Equal(6u, (features.Eax >> 8) & 0xF);
        Assert.Equal(0u, CpuidModel.Query(7, 0, null).Ebx & (1u << 16)); // AVX-512
        Assert.Equal(0u, features.Ecx & (1u << 31)); // hypervisor present: the hypervisor's to say
        Assert.Equal(default, CpuidModel.Query(7, 1, null));
        Assert.Equal(CpuidModel.Query(CpuidModel.MaxBasicLeaf, 0, null), CpuidModel.Query(0x4000_0000, 0, null));

        static string Text(uint register) => System.Text.Encoding.ASCII.GetString(BitConverter.GetBytes(register));
    }
}
