// wild: loses its way. The command line says how (mode=...):
//   nothing  jumps to an address without memory behind it (at=ADDRESS); the exception handler tells what came of it
//   zero     jumps into zeroes, which are instructions too (00 00 = add [rax], al), until something stops it
//   noise    fills memory with bytes grown from seed=N and executes them, without an IDT: whatever happens, happens
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
