using System;

using Xenolith.Oracle.Silicon;

using Xunit;

namespace Xenolith.Cpu.Tests.Silicon;

/// <summary>
/// Method: the native runner is an oracle only if it reports what happens. Known instructions with known outcomes (a sum with its flags,
/// page faults with error code and CR2 at each kind of page, #DE, #UD, #AC, 32-bit code, an endless loop) must come back as the manual
/// says. A runner that lost a register, mixed up error codes or hung would fail here. Without gcc or x86-64 there is nothing to test:
/// the test says so and passes.
/// </summary>
public sealed class NativeRunnerTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public void ReportsWhatTheProcessorDid()
    {
        using NativeRunner? native = NativeRunner.TryStart(out string? reason);
        if (native is null)
        {
            output.WriteLine("skipped: " + reason);
            return;
        }

        SiliconReply sum = Run(native, 64, "11d8", (0, 0xFFFF_FFFF), (3, 0)); // adc eax, ebx with CF set
        Assert.Equal(SiliconReply.EndedAtStop, sum.Vector);
        Assert.Equal(0x257UL, sum.State.Rflags); // CF PF AF ZF
        Assert.Equal(MemoryMap.Code + 2, sum.State.Rip);

        SiliconReply unmapped = Run(native, 64, "8b00", (0, MemoryMap.Data + MemoryMap.DataSize));
        Assert.Equal((14U, 4U, MemoryMap.Data + MemoryMap.DataSize), (unmapped.Vector, unmapped.ErrorCode, unmapped.Cr2));
        SiliconReply readOnly = Run(native, 64, "8900", (0, MemoryMap.ReadOnly));
        Assert.Equal((14U, 7U, MemoryMap.ReadOnly), (readOnly.Vector, readOnly.ErrorCode, readOnly.Cr2));
        Assert.Equal(13U, Run(native, 64, "8b00", (0, 0x8000_0000_0000_0000)).Vector);
        Assert.Equal(0U, Run(native, 64, "f7f3", (3, 0)).Vector);
        Assert.Equal(6U, Run(native, 64, "0f0b").Vector);

        SiliconReply decimalAdjust = Run(native, 32, "27", (0, 0x9A)); // daa does not exist in 64-bit mode
        Assert.Equal(SiliconReply.EndedAtStop, decimalAdjust.Vector);
        Assert.Equal(0UL, decimalAdjust.State.General(0));
        Assert.Equal(SiliconReply.TimedOut, Run(native, 64, "ebfe").Vector);
    }

    private static SiliconReply Run(NativeRunner native, uint bits, string code, params (int Register, ulong Value)[] registers)
    {
        SiliconRequest request = default;
        request.Bits = bits;
        request.SetCode(Convert.FromHexString(code));
        request.WindowAddress = MemoryMap.WindowMiddle;
        request.State = MachineState.Default(MemoryMap.Code);
        request.State.Rflags |= bits == 64 ? 1UL : 0;
        foreach ((int register, ulong value) in registers)
        {
            request.State.SetGeneral(register, value);
        }

        return native.Run(in request);
    }
}
