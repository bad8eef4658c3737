// bench: a processor-bound program, compiled by gcc -O2 like any other. Eight kernels of different character; each does the
// same work in every iteration and must give the same result each time, which is known (expected[] below). It needs no Xen:
//   qemu-system-x86_64 -kernel images/bench/bench.elf -append "iterations=20" -nodefaults -display none
//       -debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=4
// ends with status 1 when all is well. Time is taken by whoever starts it.
//
// Command line: iterations=N, only=NAME (one kernel)
#include "runtime.h"

#define TABLE_SIZE 65536
#define SIEVE_SIZE 65536
#define CHASE_SIZE (4 * MIB)

static u32 table[TABLE_SIZE];
static u8 bytes[SIEVE_SIZE];
static float signal[4096], filtered[4096];

// ---- kernels ----------------------------------------------------------------------------------------------------------

// Dependent integer arithmetic: shifts, adds, multiplies, no memory.
static u64 integer(void)
{
    u64 x = 0x9e3779b97f4a7c15UL, sum = 0;
    for (u32 i = 0; i < 400000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x * (2 * i + 1);
    }
    return sum;
}

// CRC-32, a byte at a time through a table: loads that depend on the value before.
static u64 crc32(void)
{
    static u32 crc_table[256];
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (u32 bit = 0; bit < 8; bit++) {
            c = (c >> 1) ^ ((c & 1) != 0 ? 0xedb88320u : 0);
        }
        crc_table[i] = c;
    }
    for (u32 i = 0; i < sizeof bytes; i++) {
        bytes[i] = (u8)(i * 7 + (i >> 8));
    }
    u32 crc = ~0u;
    for (u32 round = 0; round < 6; round++) {
        for (u32 i = 0; i < sizeof bytes; i++) {
            crc = crc_table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
        }
    }
    return ~crc;
}

static void sort_range(u32 *values, i64 low, i64 high)
{
    while (low < high) {
        u32 pivot = values[(low + high) / 2];
        i64 i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (values[j] > pivot) {
                j--;
            }
            if (i <= j) {
                u32 swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        sort_range(values, low, j); // the right part goes on in this loop
        low = i;
    }
}

// Quicksort: recursion, unpredictable branches.
static u64 sort(void)
{
    u32 x = 12345;
    for (u32 i = 0; i < 16384; i++) {
        x = x * 1664525 + 1013904223;
        table[i] = x;
    }
    sort_range(table, 0, 16383);
    u64 sum = 0;
    for (u32 i = 0; i < 16384; i++) {
        sum = sum * 31 + table[i];
    }
    return sum;
}

// Sieve of Eratosthenes: strided byte stores.
static u64 sieve(void)
{
    memset(bytes, 1, sizeof bytes);
    u64 count = 0, sum = 0;
    for (u32 i = 2; i < SIEVE_SIZE; i++) {
        if (bytes[i] == 0) {
            continue;
        }
        count++;
        sum += i;
        for (u32 j = 2 * i; j < SIEVE_SIZE; j += i) {
            bytes[j] = 0;
        }
    }
    return sum << 16 | count;
}

// An interpreter of a small byte code: indirect jumps through a switch.
static u64 interpret(void)
{
    static const u8 program[] = {0, 1, 4, 2, 6, 3, 5, 0, 7, 2, 1, 6, 5, 4, 3, 0, 2, 7, 1, 5, 8};
    u64 a = 1, b = 2, steps = 0;
    for (u32 at = 0; steps < 500000; steps++) {
        switch (program[at++]) {
        case 0:
            a += b;
            break;
        case 1:
            b ^= a << 3;
            break;
        case 2:
            a = a << 7 | a >> 57;
            break;
        case 3:
            b -= a;
            break;
        case 4:
            a *= 5;
            break;
        case 5:
            b = b >> 1 | b << 63;
            break;
        case 6:
            a = ~a;
            break;
        case 7:
            b += 0x1234567;
            break;
        default:
            at = 0;
            break;
        }
    }
    return a ^ b;
}

// A walk through a ring of pointers that visits 4 MiB in a scattered order, a cache line at a time: one load after another.
static u64 chase(void)
{
    u64 lines = CHASE_SIZE / 64, base = ROUND_UP(free_memory().start, PAGE_SIZE);
    for (u64 i = 0; i < lines; i++) {
        *(u64 *)(base + i * 64) = base + (i * 12289 + 1) % lines * 64; // one full cycle (Hull and Dobell)
    }
    u64 at = base, sum = 0;
    for (u64 i = 0; i < 2 * lines; i++) {
        at = *(u64 *)at;
        sum = sum * 3 + (at - base);
    }
    return sum;
}

// Calls that do little: Fibonacci the slow way.
static __attribute__((noinline)) u64 fibonacci(u32 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static u64 calls(void)
{
    return fibonacci(22);
}

// Single-precision arithmetic in SSE registers: a smoothing filter, multiplies and adds.
static u64 floats(void)
{
    for (u32 i = 0; i < COUNT_OF(signal); i++) {
        signal[i] = (float)(i % 97) * 0.5f + (float)(i % 13);
    }
    for (u32 round = 0; round < 20; round++) {
        for (u32 i = 1; i + 1 < COUNT_OF(signal); i++) {
            filtered[i] = signal[i - 1] * 0.25f + signal[i] * 0.5f + signal[i + 1] * 0.25f;
        }
        for (u32 i = 1; i + 1 < COUNT_OF(signal); i++) {
            signal[i] = filtered[i] + (signal[i] - filtered[i]) * 0.125f;
        }
    }
    u64 sum = 0;
    for (u32 i = 0; i < COUNT_OF(signal); i++) {
        sum = sum * 17 + (u64)(i64)(signal[i] * 1024.0f);
    }
    return sum;
}

// ---- the run ----------------------------------------------------------------------------------------------------------

// The expected results were found by QEMU and by the same source compiled for the host: they agree.
static const struct {
    const char *name;
    u64 (*run)(void);
    u64 expected;
} kernels[] = {
    {"integer", integer, 0x714da81bd35ef64},
    {"crc32", crc32, 0x4b7904d},
    {"sort", sort, 0x262a680c9c4ab9ae},
    {"sieve", sieve, 0xc0eabd7198e},
    {"interpret", interpret, 0xe04f490fc31fddd7},
    {"chase", chase, 0xa56fd1975ac00000},
    {"calls", calls, 0x452f},
    {"floats", floats, 0x5b6e35ead2bd120b},
};

int guest_main(void)
{
    char only[16];
    argument_text("only", "", only, sizeof only);
    u64 iterations = argument_number("iterations", 5), digest = 0;
    u32 failures = 0;
    print("bench: %lu iterations\n", iterations);
    for (u32 i = 0; i < COUNT_OF(kernels); i++) {
        if (only[0] != '\0' && (strlen(only) != strlen(kernels[i].name) || memcmp(only, kernels[i].name, strlen(only)) != 0)) {
            continue;
        }
        u64 result = 0;
        bool good = true;
        for (u64 n = 0; n < iterations; n++) {
            result = kernels[i].run();
            good &= result == kernels[i].expected;
            digest = mix64(digest ^ result);
        }
        failures += !good;
        print("bench: %9s %016lx %s\n", kernels[i].name, result, good ? "ok" : "WRONG");
    }
    print("bench: digest %016lx, %s\n", digest, failures == 0 ? "all results as expected" : "RESULTS DIFFER");
    return failures == 0 ? 0 : 1;
}
