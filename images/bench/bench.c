// bench: ten processor-bound kernels (kernels.c), compiled by gcc -O2 like any other program, on the bare machine or as a domain.
//
//   qemu-system-x86_64 -m 128 -kernel images/bench/bench.elf -append "iterations=8" -nodefaults -display none
//       -debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=4
//
// ends with status 1 when all results are as expected. Time is taken by whoever starts it, line by line (bench/run): each
// kernel says "go" after it has run once to warm up, and its result after so many iterations more. It also says how many
// ticks of the time-stamp counter these took; on Xenolith a tick is an instruction.
//
// Lines go to the debug port (0xE9) and to COM1, or to Xen's console. Command line: iterations=N, warm=0, only=NAME,NAME...
#include "kernels.h"
#include "runtime.h"

#define COM1 0x3F8
#define BOCHS_CONTROL_PORT 0x8900 // Bochs ends when it is told so, letter by letter
#define LINE_STATUS_READY 0x20

static void print_serial(const char *text)
{
    for (; *text != '\0'; text++) {
        for (u32 tries = 0; tries < 10000 && (in8(COM1 + 5) & LINE_STATUS_READY) == 0; tries++) {
        }
        out8(COM1, (u8)*text);
    }
}

static char *append(char *at, const char *text)
{
    while (*text != '\0') {
        *at++ = *text++;
    }
    *at = '\0';
    return at;
}

static char *append_hex(char *at, u64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        *at++ = "0123456789abcdef"[value >> shift & 15];
    }
    *at = '\0';
    return at;
}

static void say(const char *line)
{
    print("%s", line);
    if (!machine.on_xen) {
        print_serial(line);
    }
}

static bool run(const struct kernel *kernel, u64 iterations, bool warm)
{
    char line[128];
    if (kernel->prepare != NULL) {
        kernel->prepare();
    }
    u64 result = warm ? kernel->run() : kernel->expected;
    bool good = result == kernel->expected;
    append(append(append(line, "bench: "), kernel->name), " go\n");
    say(line);
    u64 start = read_tsc();
    for (u64 n = 0; n < iterations; n++) {
        result = kernel->run();
        good &= result == kernel->expected;
    }
    u64 ticks = read_tsc() - start;
    char *at = append(append(append(line, "bench: "), kernel->name), " ");
    at = append(append_hex(at, result), good ? " ok ticks " : " WRONG ticks ");
    append(append_hex(at, ticks), "\n");
    say(line);
    return good;
}

// Is this one of the names in a list with commas? An empty list has all.
static bool is_wanted(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at != '\0'; at++) {
        bool starts = at == list || at[-1] == ',';
        if (starts && memcmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return *list == '\0';
}

int guest_main(void)
{
    char only[128];
    argument_text("only", "", only, sizeof only);
    u64 iterations = argument_number("iterations", 1);
    bool warm = argument_number("warm", 1) != 0;
    struct memory_range memory = free_memory();
    u64 start = ROUND_UP(memory.start, PAGE_SIZE);
    if (memory.start + memory.size < start + ARENA_SIZE) {
        panic("bench: wants 128 MiB of memory");
    }
    arena = (u8 *)start;
    if (!machine.on_xen) {
        out8(COM1 + 3, 3); // 8N1, and no divisor latch in the way
    }
    u32 failures = 0;
    for (u32 i = 0; i < KERNEL_COUNT; i++) {
        if (is_wanted(only, kernels[i].name)) {
            failures += !run(&kernels[i], iterations, warm);
        }
    }
    say(failures == 0 ? "bench: all results as expected\n" : "bench: RESULTS DIFFER\n");
    if (!machine.on_xen) {
        for (const char *letter = "Shutdown"; *letter != '\0'; letter++) {
            out8(BOCHS_CONTROL_PORT, (u8)*letter);
        }
    }
    return failures == 0 ? 0 : 1;
}
