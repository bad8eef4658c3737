// wild: loses its way. The command line says how (mode=...):
//   nothing  jumps to an address without memory behind it (at=ADDRESS); the exception handler tells what came of it
//   zero     jumps into zeroes, which are instructions too (00 00 = add [rax], al), until something stops it
//   noise    fills memory with bytes grown from seed=N and executes them, without an IDT: whatever happens, happens
//   stumble  the same, but each exception, whatever it is, continues at another place of the noise, up to falls=N times
#include "runtime.h"

#define NOISE_SIZE (64 * KIB)

static _Noreturn void jump(u64 address)
{
    console_flush();
    __asm__ volatile("xorl %%eax, %%eax; jmp *%0" : : "r"(address) : "rax");
    __builtin_unreachable();
}

static u64 make_noise(u64 seed)
{
    u64 *memory = (u64 *)free_memory().start;
    u64 digest = 0;
    for (u32 i = 0; i < NOISE_SIZE / sizeof(u64); i++) {
        memory[i] = mix64(seed + i * 0x9e3779b97f4a7c15UL);
        digest = mix64(digest ^ memory[i]);
    }
    print("wild: %lu KiB of noise, digest %016lx\n", NOISE_SIZE / KIB, digest);
    return (u64)memory;
}

// ---- stumbling: an IDT whose every gate leads to the next jump --------------------------------------------------------

static u64 noise_start, falls, falls_allowed;
static u64 stumble_gates[256][2];

// Nothing of the interrupted code is kept: a new stack, clean flags, another address. So no IRET is needed.
__asm__(".globl stumble_stub\n"
        "stumble_stub:\n"
        "    movq $stumble_stack + 4096, %rsp\n"
        "    pushq $2\n"
        "    popfq\n"
        "    cld\n"
        "    call stumble\n");

extern u8 stumble_stub[];
u8 stumble_stack[4096] __attribute__((aligned(16)));
_Noreturn void stumble(void);

_Noreturn void stumble(void)
{
    falls++;
    if (falls % 1000 == 0) {
        print("wild: fell %lu times\n", falls);
    }
    if (falls >= falls_allowed) {
        print("wild: enough\n");
        power_off(0);
    }
    jump(noise_start + mix64(falls) % NOISE_SIZE);
}

static void catch_falls(void)
{
    u64 address = (u64)stumble_stub;
    for (u32 i = 0; i < COUNT_OF(stumble_gates); i++) {
        stumble_gates[i][0] = (address & 0xffff) | SELECTOR_CODE << 16 | 0x8EUL << 40 | (address >> 16 & 0xffff) << 48;
        stumble_gates[i][1] = address >> 32;
    }
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = {sizeof stumble_gates - 1, (u64)stumble_gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void forget_idt(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) nothing = {0, 0};
    __asm__ volatile("lidt %0" : : "m"(nothing));
}

int guest_main(void)
{
    char mode[16];
    argument_text("mode", "nothing", mode, sizeof mode);
    if (strlen(mode) == 5 && memcmp(mode, "noise", 5) == 0) {
        u64 noise = make_noise(argument_number("seed", 1));
        print("wild: executing it\n");
        forget_idt();
        jump(noise);
    }
    if (strlen(mode) == 7 && memcmp(mode, "stumble", 7) == 0) {
        noise_start = make_noise(argument_number("seed", 1));
        falls_allowed = argument_number("falls", 5000);
        catch_falls();
        stumble();
    }
    if (strlen(mode) == 4 && memcmp(mode, "zero", 4) == 0) {
        struct memory_range memory = free_memory();
        memset((void *)memory.start, 0, memory.size);
        print("wild: executing zeroes at 0x%lx\n", memory.start);
        jump(memory.start);
    }
    u64 target = argument_number("at", 0x30000000);
    print("wild: jumping to 0x%lx\n", target);
    jump(target);
}
