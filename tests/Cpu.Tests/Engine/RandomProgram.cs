using System;

using Iced.Intel;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Random straight and looping code over registers and a data window: arithmetic of every width, high-byte registers, memory
/// operands that sometimes cross pages, calls, stack use, conditional jumps on whatever the flags are. Each program ends in HLT.
/// </summary>
internal sealed class RandomProgram
{
    private static readonly AssemblerRegister64[] Wide = [rax, rbx, rdx, rsi, r8, r9, r10, r15];
    private static readonly AssemblerRegister32[] Middle = [eax, ebx, edx, esi, r8d, r9d, r10d, r15d];
    private static readonly AssemblerRegister16[] Narrow = [ax, bx, dx, si, r8w, r9w, r10w, r15w];
    private static readonly AssemblerRegister8[] Bytes = [al, bl, dl, ah, bh, dh, r8b, sil];

    private readonly Random _random;
    private readonly Assembler _a = new(64);

    private RandomProgram(int seed) => _random = new Random(seed);

    /// <summary>RCX counts the outer loop, RDI points to the data window, RBP is left alone.</summary>
    public static Assembler Make(int seed)
    {
        RandomProgram program = new(seed);
        program.Emit();
        return program._a;
    }

    private void Emit()
    {
        _a.mov(rdi, FlatMachine.DataStart);
        _a.mov(ecx, 3 + _random.Next(40));
        Label outer = _a.CreateLabel();
        Label function = _a.CreateLabel();
        Label start = _a.CreateLabel();
        _a.jmp(start);
        _a.Label(ref function);
        EmitRun(6);
        _a.ret();
        _a.Label(ref start);
        _a.nop();
        _a.Label(ref outer);
        for (int part = 0; part < 8; part++)
        {
            EmitRun(1 + _random.Next(12));
            switch (_random.Next(4))
            {
                case 0:
                    _a.call(function);
                    break;
                case 1:
                    _a.push(Wide[_random.Next(8)]);
                    EmitRun(2);
                    _a.pop(Wide[_random.Next(8)]);
                    break;
                default:
                    EmitForwardJump();
                    break;
            }
        }

        _a.dec(ecx);
        _a.jne(outer);
        _a.hlt();
    }

    private void EmitForwardJump()
    {
        Label over = _a.CreateLabel();
        int r = _random.Next(8);
        switch (_random.Next(5))
        {
            case 0:
                _a.cmp(Wide[r], Wide[_random.Next(8)]);
                break;
            case 1:
                _a.test(Bytes[r % 6], Bytes[_random.Next(4)]);
                break;
            case 2:
                _a.cmp(__dword_ptr[rdi + _random.Next(200)], _random.Next(3));
                break;
            case 3:
                _a.sub(Middle[r], 1);
                break;
            default:
                break;
        }

        switch (_random.Next(8))
        {
            case 0:
                _a.jb(over);
                break;
            case 1:
                _a.jne(over);
                break;
            case 2:
                _a.jl(over);
                break;
            case 3:
                _a.jle(over);
                break;
            case 4:
                _a.jo(over);
                break;
            case 5:
                _a.jp(over);
                break;
            case 6:
                _a.ja(over);
                break;
            default:
                _a.jns(over);
                break;
        }

        EmitRun(1 + _random.Next(5));
        _a.Label(ref over);
        _a.nop();
    }

    private void EmitRun(int count)
    {
        for (int n = 0; n < count; n++)
        {
            if (_random.Next(3) == 0)
            {
                EmitMemory();
            }
            else
            {
                EmitRegister();
            }
        }
    }

    private AssemblerMemoryOperand Address(int size)
    {
        // Near offset 4096 accesses cross into the next page.
        int offset = _random.Next(3) == 0 ? 4096 - _random.Next(1, 12) : _random.Next(0, 512);
        return size switch
        {
            1 => __byte_ptr[rdi + offset],
            2 => __word_ptr[rdi + offset],
            4 => __dword_ptr[rdi + offset],
            _ => __qword_ptr[rdi + offset],
        };
    }

    private void EmitMemory()
    {
        int r = _random.Next(8);
        switch (_random.Next(16))
        {
            case 0: _a.mov(Wide[r], Address(8)); break;
            case 1: _a.mov(Address(8), Wide[r]); break;
            case 2: _a.mov(Address(4), Middle[r]); break;
            case 3: _a.add(Address(4), Middle[r]); break;
            case 4: _a.adc(Wide[r], Address(8)); break;
            case 5: _a.xor(Address(1), Bytes[r % 6]); break;
            case 6: _a.inc(Address(2)); break;
            case 7: _a.neg(Address(8)); break;
            case 8: _a.movzx(Middle[r], Address(1)); break;
            case 9: _a.movsx(Wide[r], Address(2)); break;
            case 10: _a.imul(Wide[r], Address(8)); break;
            case 11: _a.cmovl(Middle[r], Address(4)); break;
            case 12: _a.shl(Address(4), 3); break;
            case 13: _a.xadd(Address(8), Wide[r]); break;
            case 14: _a.mov(Address(4), _random.Next()); break;
            default: _a.sbb(Address(8), _random.Next(-100, 100)); break;
        }
    }

    private void EmitRegister()
    {
        int r = _random.Next(8);
        int s = _random.Next(8);
        switch (_random.Next(24))
        {
            case 0: _a.add(Wide[r], Wide[s]); break;
            case 1: _a.sub(Middle[r], Middle[s]); break;
            case 2: _a.adc(Narrow[r], Narrow[s]); break;
            case 3: _a.sbb(Bytes[r % 6], Bytes[s % 6]); break;
            case 4: _a.and(Wide[r], Wide[s]); break;
            case 5: _a.or(Middle[r], _random.Next()); break;
            case 6: _a.xor(Narrow[r], (short)_random.Next(-999, 999)); break;
            case 7: _a.inc(Middle[r]); break;
            case 8: _a.dec(Bytes[r]); break;
            case 9: _a.shl(Wide[r], (byte)_random.Next(64)); break;
            case 10: _a.shr(Middle[r], (byte)_random.Next(32)); break;
            case 11: _a.sar(Narrow[r], cl); break;
            case 12: _a.rol(Middle[r], cl); break;
            case 13: _a.lea(Wide[r], __[Wide[s] + (Wide[r] * 4) + 17]); break;
            case 14: _a.mov(Middle[r], _random.Next()); break;
            case 15: _a.mov(Bytes[r % 6], Bytes[s % 6]); break;
            case 16: _a.setb(Bytes[r]); break;
            case 17: _a.cmovg(Wide[r], Wide[s]); break;
            case 18: _a.imul(Middle[r], Middle[s]); break;
            case 19: _a.bswap(Wide[r]); break;
            case 20: _a.xchg(Wide[r], Wide[s]); break;
            case 21: _a.movzx(Middle[r % 4], Bytes[s % 6]); break;
            case 22: _a.ror(Bytes[r], 3); break;
            default: _a.bt(Wide[r], Wide[s]); break;
        }
    }
}
