// numbers: a program that computes with everything that gcc -O2 -mavx2 -mfma -mbmi2 -mf16c makes of C: libm-like functions,
// vectors, long double on the x87, sorting, hashing, formatted text. It knows no operating system: it is called with a buffer
// and returns how much text it has written there. images/rebuild links it in two ways, from the same object files:
//   numbers.bin   flat code for `xenolith exec`: entry.S calls the program and ends with HLT
//   a program of the host, which gives numbers.txt: what a real processor answers
// A test compares what Xenolith computes with numbers.txt, to the letter.
#include <immintrin.h>

#include "mathematics.h"

static char *out;

// ---- text -------------------------------------------------------------------------------------------------------------
static void put(char c) { *out++ = c; }

static void put_text(const char *text)
{
    while (*text != '\0') {
        put(*text++);
    }
}

static void put_hex(u64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[value >> shift & 15]);
    }
}

static void put_unsigned(u64 value)
{
    char digits[24];
    int at = 24;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (at < 24) {
        put(digits[at++]);
    }
}

// d.dddddddddddddddde+xx: scaled by powers of ten in 80-bit arithmetic.
static void put_number(double value)
{
    if (value != value || value - value != 0) {
        put_text(value != value ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    u64 bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    put((bits >> 63) != 0 ? '-' : '+');
    long double x = value < 0 ? -(long double)value : (long double)value;
    int exponent = 0;
    if (x != 0) {
        while (x >= 1e16L) {
            x /= 1e16L;
            exponent += 16;
        }
        while (x >= 10) {
            x /= 10;
            exponent++;
        }
        while (x < 1e-16L) {
            x *= 1e16L;
            exponent -= 16;
        }
        while (x < 1) {
            x *= 10;
            exponent--;
        }
    }
    u64 digits = (u64)(x * 1e16L + 0.5L);
    u64 divisor = 10000000000000000;
    for (int i = 0; i < 17; i++) {
        put((char)('0' + digits / divisor % 10));
        if (i == 0) {
            put('.');
        }
        divisor /= 10;
    }
    put('e');
    put(exponent < 0 ? '-' : '+');
    put_unsigned((u64)(exponent < 0 ? -exponent : exponent));
}

// The number as text and as it is.
static void line(const char *name, double value)
{
    u64 bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    put_text(name);
    put(' ');
    put_number(value);
    put(' ');
    put_hex(bits);
    put('\n');
}

static void line_hex(const char *name, u64 value)
{
    put_text(name);
    put(' ');
    put_hex(value);
    put('\n');
}

static u64 random_state = 88172645463325252;

static u64 next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double next_unit(void) { return (double)(next_random() >> 11) * 0x1p-53; }

static u64 mix(u64 hash, const void *data, u64 size)
{
    const u8 *at = data;
    for (u64 i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3;
    }
    return hash;
}

#define SEED 0xcbf29ce484222325

// ---- the parts --------------------------------------------------------------------------------------------------------
static void functions(void)
{
    static const struct {
        const char *name;
        double (*of)(double);
        double low, high;
    } table[] = {
        {"exp", my_exp, -740, 709}, {"log", my_log, 1e-300, 1e3}, {"sin", my_sin, -1000, 1000}, {"cos", my_cos, -1000, 1000},
        {"atan", my_atan, -50, 50}, {"tanh", my_tanh, -20, 20}, {"sqrt", my_sqrt, 0, 1e6}, {"cbrt", my_cbrt, -1e6, 1e6}, {"gamma", my_gamma, -5, 30},
    };
    static const double special[] = {0.0, -0.0, 1.0, -1.0, 0.5, 3.141592653589793, 1e-310, -1e-310, 700.0, -744.5, __builtin_inf()};
    for (u32 f = 0; f < sizeof table / sizeof *table; f++) {
        u64 hash = SEED;
        for (u32 i = 0; i < 2000; i++) {
            double x = table[f].low + (table[f].high - table[f].low) * next_unit(), y = table[f].of(x);
            hash = mix(hash, &y, sizeof y);
            if (i < 4) {
                line(table[f].name, y);
            }
        }
        for (u32 i = 0; i < sizeof special / sizeof *special - (table[f].of == my_sin || table[f].of == my_cos); i++) {
            line(table[f].name, table[f].of(special[i]));
        }
        line_hex(table[f].name, hash);
    }
    u64 hash = SEED;
    for (u32 i = 0; i < 3000; i++) {
        double y = my_pow(next_unit() * 20, (i & 7) == 0 ? (double)(i % 41) - 20 : next_unit() * 30 - 15);
        float z = my_expf((float)(next_unit() * 100 - 50));
        hash = mix(mix(hash, &y, sizeof y), &z, sizeof z);
    }
    line_hex("pow, expf", hash);
}

static double left[48][48] __attribute__((aligned(32))), right[48][48] __attribute__((aligned(32))), product[48][48] __attribute__((aligned(32)));

static void matrices(void)
{
    for (u32 i = 0; i < 48; i++) {
        for (u32 j = 0; j < 48; j++) {
            left[i][j] = next_unit() - 0.5;
            right[i][j] = next_unit() * 2;
        }
    }
    for (u32 i = 0; i < 48; i++) {
        for (u32 j = 0; j < 48; j += 4) {
            v4 sum = {0};
            for (u32 k = 0; k < 48; k++) {
                sum += left[i][k] * *(v4 *)&right[k][j]; // contracted to FMA
            }
            *(v4 *)&product[i][j] = sum;
        }
    }
    line("matrix", product[0][0]);
    line("matrix", product[47][47]);
    line_hex("matrix", mix(SEED, product, sizeof product));

    // Gauss with pivots: the determinant.
    double determinant = 1;
    for (u32 c = 0; c < 48; c++) {
        u32 best = c;
        for (u32 r = c + 1; r < 48; r++) {
            best = __builtin_fabs(product[r][c]) > __builtin_fabs(product[best][c]) ? r : best;
        }
        for (u32 k = 0; k < 48; k++) {
            double swap = product[c][k];
            product[c][k] = product[best][k];
            product[best][k] = swap;
        }
        determinant *= best == c ? product[c][c] : -product[c][c];
        for (u32 r = c + 1; r < 48; r++) {
            double factor = product[r][c] / product[c][c];
            for (u32 k = c; k < 48; k++) {
                product[r][k] -= factor * product[c][k];
            }
        }
    }
    line("determinant", determinant);
}

static double samples[1024] __attribute__((aligned(32)));
static float singles[2048] __attribute__((aligned(32)));
static u16 halves[2048] __attribute__((aligned(32)));
static i32 integers[2048] __attribute__((aligned(32)));
static u32 indices[2048] __attribute__((aligned(32)));

__attribute__((optimize("O3"))) static void vectors(void)
{
    for (u32 i = 0; i < 1024; i++) {
        samples[i] = next_unit() * 60 - 30;
    }
    v4 sum = {0};
    for (u32 i = 0; i < 1024; i += 4) {
        sum += exp4(*(v4 *)&samples[i]) * 1e-9;
    }
    line("exp4", sum[0] + sum[1] + sum[2] + sum[3]);

    for (u32 i = 0; i < 2048; i++) {
        singles[i] = (float)(next_unit() * 40);
        integers[i] = (i32)(next_random() >> 32);
        indices[i] = (u32)(next_random() >> 53);
    }
    v8 waves = {0};
    for (u32 i = 0; i < 2048; i += 8) {
        waves += sinf8(*(v8 *)&singles[i]);
    }
    u64 hash = mix(SEED, &waves, sizeof waves);

    // Half precision and back, gathers, blends and permutations.
    for (u32 i = 0; i < 2048; i += 8) {
        _mm_store_si128((__m128i *)&halves[i], _mm256_cvtps_ph(_mm256_load_ps(&singles[i]), _MM_FROUND_TO_NEAREST_INT));
    }
    __m256 gathered = _mm256_setzero_ps();
    for (u32 i = 0; i < 2048; i += 8) {
        __m256 other = _mm256_i32gather_ps(singles, _mm256_load_si256((const __m256i *)&indices[i]), 4);
        __m256 half = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)&halves[i]));
        __m256 mask = _mm256_cmp_ps(other, half, _CMP_LT_OS);
        gathered = _mm256_add_ps(gathered, _mm256_blendv_ps(_mm256_permute2f128_ps(other, half, 0x21), _mm256_shuffle_ps(half, other, 0x9c), mask));
    }
    hash = mix(mix(hash, halves, sizeof halves), &gathered, sizeof gathered);

    // Integers: sums of products, saturation, comparisons, what the vectoriser makes of plain loops.
    i64 total = 0;
    i32 lowest = integers[0], highest = integers[0];
    u32 bits = 0;
    for (u32 i = 0; i < 2048; i++) {
        total += (i64)integers[i] * (i32)indices[i];
        lowest = integers[i] < lowest ? integers[i] : lowest;
        highest = integers[i] > highest ? integers[i] : highest;
        bits += (u32)__builtin_popcount((u32)integers[i]);
    }
    __m256i packed = _mm256_setzero_si256();
    for (u32 i = 0; i < 2048; i += 16) {
        __m256i a = _mm256_load_si256((const __m256i *)&integers[i]), b = _mm256_load_si256((const __m256i *)&integers[i + 8]);
        __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(a, 14), _mm256_sllv_epi32(b, _mm256_and_si256(a, _mm256_set1_epi32(31))));
        words = _mm256_madd_epi16(words, _mm256_shuffle_epi8(words, a));
        packed = _mm256_xor_si256(packed, _mm256_permutevar8x32_epi32(_mm256_add_epi64(words, _mm256_sad_epu8(a, b)), b));
    }
    hash = mix(hash, &packed, sizeof packed);
    line_hex("vectors", hash);
    line_hex("integers", (u64)total ^ (u64)(u32)lowest << 32 ^ (u32)highest ^ (u64)bits << 20);
}

static void sort(double *values, i64 low, i64 high)
{
    while (low < high) {
        double pivot = values[(low + high) / 2];
        i64 i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (values[j] > pivot) {
                j--;
            }
            if (i <= j) {
                double swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        sort(values, low, j);
        low = i;
    }
}

static u8 text[8192], copy[8192];

static void bytes(void)
{
    sort(samples, 0, 1023);
    line("least", samples[0]);
    line("greatest", samples[1023]);
    line_hex("sorted", mix(SEED, samples, sizeof samples));

    char *before = out;
    out = (char *)text;
    for (u32 i = 0; i < 250; i++) {
        put_number(samples[4 * i]);
        put(i % 8 == 7 ? '\n' : ' ');
    }
    u64 length = (u64)(out - (char *)text);
    out = before;
    __builtin_memset(copy, '*', sizeof copy);
    for (u64 at = 0, piece = 1; at < length; at += piece, piece = piece * 3 % 61 + 1) {
        u64 size = piece < length - at ? piece : length - at;
        void *to = copy + at;
        const void *from = text + at;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    }
    u64 crc = 0, blanks = 0, spread = 0;
    for (u64 i = 0; i + 32 <= length; i += 32) {
        __m256i piece = _mm256_loadu_si256((const __m256i *)(copy + i));
        u32 mask = (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(piece, _mm256_set1_epi8(' ')));
        blanks += (u64)__builtin_popcount(mask);
        spread ^= _pdep_u64(mask, 0x5555555555555555) + _pext_u64((u64)piece[0], (u64)piece[1]);
        crc = _mm_crc32_u64(crc, (u64)piece[2]);
    }
    line_hex("text", mix(SEED, copy, length));
    line_hex("blanks", blanks << 32 ^ crc);
    line_hex("spread", spread);

    // Division, carries, 128 bits.
    unsigned __int128 wide = 1;
    for (u32 i = 1; i < 60; i++) {
        wide = wide * (2 * i + 1) + (u64)(wide >> 64) / i + (u64)wide % (i + 7);
    }
    line_hex("wide", (u64)(wide >> 64));
    line_hex("wide", (u64)wide);
}

// An orbit, with a square root and divisions in each step; the same in 80 bits.
static void orbits(void)
{
    double x = 1, y = 0, vx = 0, vy = 0.9, step = 0.001;
    long double lx = 1, ly = 0, lvx = 0, lvy = 0.9L, lstep = 0.001L;
    for (u32 i = 0; i < 10000; i++) {
        double r2 = x * x + y * y, r3 = r2 * my_sqrt(r2);
        vx -= x / r3 * step;
        vy -= y / r3 * step;
        x += vx * step;
        y += vy * step;
        long double lr2 = lx * lx + ly * ly, lr = 1;
        for (u32 n = 0; n < 6; n++) {
            lr = (lr + lr2 / lr) / 2;
        }
        lvx -= lx / (lr2 * lr) * lstep;
        lvy -= ly / (lr2 * lr) * lstep;
        lx += lvx * lstep;
        ly += lvy * lstep;
    }
    line("x", x);
    line("y", y);
    line("long x", (double)lx);
    line("long y", (double)ly);
    line("difference", (double)(lx - x));
}

u64 program(char *buffer);

u64 program(char *buffer)
{
    out = buffer;
    functions();
    matrices();
    vectors();
    bytes();
    orbits();
    put_text("done\n");
    return (u64)(out - buffer);
}
