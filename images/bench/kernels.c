// Ten kernels of different character, a tenth of a second of work each for a good interpreter.
#include "kernels.h"

u8 *arena;

static u32 next_random(u32 *state)
{
    return *state = *state * 1664525 + 1013904223;
}

// ---- integer: dependent arithmetic in registers, no memory ------------------------------------------------------------
static u64 integer(void)
{
    u64 x = 0x9e3779b97f4a7c15UL, sum = 0;
    for (u32 i = 0; i < 2500000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x * (2 * i + 1);
    }
    return sum;
}

// ---- crc: CRC-32, a byte at a time through a table: loads that depend on the value before -----------------------------
static u64 crc(void)
{
    u32 *table = (u32 *)arena;
    u8 *bytes = arena + 4096;
    const u32 size = 65536;
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (u32 bit = 0; bit < 8; bit++) {
            c = (c >> 1) ^ ((c & 1) != 0 ? 0xedb88320u : 0);
        }
        table[i] = c;
    }
    for (u32 i = 0; i < size; i++) {
        bytes[i] = (u8)(i * 7 + (i >> 8));
    }
    u32 value = ~0u;
    for (u32 round = 0; round < 60; round++) {
        for (u32 i = 0; i < size; i++) {
            value = table[(value ^ bytes[i]) & 255] ^ (value >> 8);
        }
    }
    return ~value;
}

// ---- stream: fill, copy, scale and add over 16 MiB --------------------------------------------------------------------
static u64 stream(void)
{
    const u64 words = (16UL << 20) / 2 / sizeof(u64); // two arrays
    u64 *a = (u64 *)arena, *b = a + words, sum = 0;
    for (u64 i = 0; i < words; i++) {
        a[i] = i * 0x9e3779b97f4a7c15UL;
    }
    for (u64 i = 0; i < words; i++) {
        b[i] = a[i];
    }
    for (u64 i = 0; i < words; i++) {
        a[i] = b[i] * 3 + a[i];
    }
    for (u64 i = 0; i < words; i++) {
        sum += a[i] ^ b[i];
    }
    return sum;
}

// ---- chase: a ring of pointers through 64 MiB, a cache line at a time: one load after the other -----------------------
#define CHASE_LINES ((64UL << 20) / 64)

static void prepare_chase(void)
{
    for (u64 i = 0; i < CHASE_LINES; i++) {
        *(u64 *)(arena + i * 64) = (i * 12289 + 1) % CHASE_LINES * 64; // one full cycle (Hull and Dobell)
    }
}

static u64 chase(void)
{
    u64 at = 0, sum = 0;
    for (u64 i = 0; i < CHASE_LINES; i++) {
        at = *(u64 *)(arena + at);
        sum = sum * 3 + at;
    }
    return sum;
}

// ---- calls: Fibonacci the slow way ------------------------------------------------------------------------------------
static __attribute__((noinline, optimize("no-optimize-sibling-calls"))) u64 fibonacci(u32 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static u64 calls(void)
{
    return fibonacci(28);
}

// ---- switch: an interpreter of a small byte code, an indirect jump for each step --------------------------------------
static u64 dispatch(void)
{
    static const u8 program[] = {0, 1, 4, 2, 6, 3, 5, 0, 7, 2, 1, 6, 5, 4, 3, 0, 2, 7, 1, 5, 8};
    u64 a = 1, b = 2;
    for (u32 at = 0, steps = 0; steps < 2500000; steps++) {
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

// ---- sieve: Eratosthenes over a million bytes, strided stores ---------------------------------------------------------
static u64 sieve(void)
{
    const u32 size = 1 << 20;
    u8 *bytes = arena;
    for (u32 i = 0; i < size / 8; i++) {
        ((u64 *)bytes)[i] = 0;
    }
    u64 count = 0, sum = 0;
    for (u32 i = 2; i < size; i++) {
        if (bytes[i] != 0) {
            continue;
        }
        count++;
        sum += i;
        for (u32 j = 2 * i; j < size; j += i) {
            bytes[j] = 1;
        }
    }
    return sum << 20 | count;
}

// ---- bignum: Fibonacci numbers of 4096 bits, by add with carry --------------------------------------------------------
#define BIGNUM_WORDS 64

static void add_big(u64 *to, const u64 *a, const u64 *b)
{
    u64 at = 0, left = BIGNUM_WORDS, word;
    __asm__ volatile("clc\n"
                     "1: movq (%[a],%[at],8), %[word]\n"
                     "adcq (%[b],%[at],8), %[word]\n"
                     "movq %[word], (%[to],%[at],8)\n"
                     "leaq 1(%[at]), %[at]\n"
                     "decq %[left]\n" // leaves CF alone
                     "jnz 1b\n"
                     : [word] "=&r"(word), [at] "+r"(at), [left] "+r"(left)
                     : [a] "r"(a), [b] "r"(b), [to] "r"(to)
                     : "memory", "cc");
}

static u64 bignum(void)
{
    u64 *a = (u64 *)arena, *b = a + BIGNUM_WORDS, *c = b + BIGNUM_WORDS;
    for (u32 i = 0; i < BIGNUM_WORDS; i++) {
        a[i] = 0;
        b[i] = 0;
    }
    b[0] = 1;
    for (u32 i = 0; i < 60000; i++) {
        add_big(c, a, b);
        u64 *free = a;
        a = b;
        b = c;
        c = free;
    }
    u64 sum = 0;
    for (u32 i = 0; i < BIGNUM_WORDS; i++) {
        sum = sum * 31 + b[i];
    }
    return sum;
}

// ---- floats: a smoothing filter in single precision, a series and roots in double precision (SSE2) --------------------
static double square_root(double x)
{
    __asm__("sqrtsd %0, %0" : "+x"(x));
    return x;
}

static u64 floats(void)
{
    enum { SAMPLES = 4096 };
    float *signal = (float *)arena, *filtered = signal + SAMPLES;
    for (u32 i = 0; i < SAMPLES; i++) {
        signal[i] = (float)(i % 97) * 0.5f + (float)(i % 13);
    }
    for (u32 round = 0; round < 100; round++) {
        for (u32 i = 1; i + 1 < SAMPLES; i++) {
            filtered[i] = signal[i - 1] * 0.25f + signal[i] * 0.5f + signal[i + 1] * 0.25f;
        }
        for (u32 i = 1; i + 1 < SAMPLES; i++) {
            signal[i] = filtered[i] + (signal[i] - filtered[i]) * 0.125f;
        }
    }
    double series = 0, value = 1;
    for (u32 i = 0; i < 200000; i++) {
        double term = (i & 1) != 0 ? -1.0 : 1.0;
        series += term / (2.0 * i + 1.0);
        value = square_root(value * 1.5 + series);
    }
    u64 sum = (u64)(i64)(series * 1e15) ^ (u64)(i64)(value * 1e12);
    for (u32 i = 0; i < SAMPLES; i++) {
        sum = sum * 17 + (u64)(i64)(signal[i] * 1024.0f);
    }
    return sum;
}

// ---- mixed: sorts, hashes, compresses, multiplies matrices and writes numbers: a program like any other ---------------
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

static u64 write_number(u8 *to, u32 value)
{
    u8 digits[10];
    u64 count = 0, length = 0;
    do {
        digits[count++] = (u8)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        to[length++] = digits[--count];
    }
    to[length++] = ' ';
    return length;
}

// A byte-oriented LZ77 with a hash of three bytes: literals, or 0xff, distance (two bytes), length.
static u64 compress(const u8 *from, u64 size, u8 *to, u32 *heads)
{
    u64 out = 0, at = 0;
    for (u32 i = 0; i < 4096; i++) {
        heads[i] = ~0u;
    }
    while (at < size) {
        u64 length = 0, distance = 0;
        if (at + 3 < size) {
            u32 hash = ((u32)from[at] << 16 | (u32)from[at + 1] << 8 | from[at + 2]) * 2654435761u >> 20;
            u64 before = heads[hash];
            heads[hash] = (u32)at;
            if (before != ~0u && at - before < 65536) {
                distance = at - before;
                while (length < 255 && at + length < size && from[before + length] == from[at + length]) {
                    length++;
                }
            }
        }
        if (length >= 5) {
            to[out++] = 0xff;
            to[out++] = (u8)distance;
            to[out++] = (u8)(distance >> 8);
            to[out++] = (u8)length;
            at += length;
        } else {
            to[out++] = from[at++];
        }
    }
    return out;
}

static u64 mixed(void)
{
    enum { VALUES = 32768, SIDE = 64 };
    u32 *values = (u32 *)arena, *heads = values + VALUES, state = 12345;
    u8 *text = arena + (1UL << 20), *packed = text + (1UL << 20);
    double *left = (double *)(packed + (1UL << 20)), *right = left + SIDE * SIDE;
    for (u32 i = 0; i < VALUES; i++) {
        values[i] = next_random(&state) >> (i & 15);
    }
    sort_range(values, 0, VALUES - 1);
    u64 length = 0, hash = 0xcbf29ce484222325UL;
    for (u32 i = 0; i < VALUES; i++) {
        length += write_number(text + length, values[i]);
    }
    for (u64 i = 0; i < length; i++) {
        hash = (hash ^ text[i]) * 0x100000001b3UL; // FNV-1a
    }
    u64 size = compress(text, length, packed, heads);
    for (u64 i = 0; i < size; i++) {
        hash = (hash ^ packed[i]) * 0x100000001b3UL;
    }
    for (u32 i = 0; i < SIDE * SIDE; i++) {
        left[i] = (double)(i % 31) - 15.0;
        right[i] = (double)(i % 17) * 0.25;
    }
    double trace = 0;
    for (u32 row = 0; row < SIDE; row++) {
        for (u32 column = 0; column < SIDE; column++) {
            double sum = 0;
            for (u32 k = 0; k < SIDE; k++) {
                sum += left[row * SIDE + k] * right[k * SIDE + column];
            }
            trace += sum * (double)(row + 1);
        }
    }
    return hash ^ size << 32 ^ (u64)(i64)(trace * 4.0);
}

const struct kernel kernels[KERNEL_COUNT] = {
    {"integer", integer, 0, 0x72c8d0e00b3f7901},
    {"crc", crc, 0, 0x0000000000d708ca},
    {"stream", stream, 0, 0x02bb63c63dd80000},
    {"chase", chase, prepare_chase, 0xd28d38bad6000000},
    {"calls", calls, 0, 0x000000000004d973},
    {"switch", dispatch, 0, 0xd6cb2b9b53b4e6f2},
    {"sieve", sieve, 0, 0x00995762efe14069},
    {"bignum", bignum, 0, 0xd0708357fb62b56e},
    {"floats", floats, 0, 0x26483d8e1e4aa9b1},
    {"mixed", mixed, 0, 0x8e5f8921d2c7e623},
};
