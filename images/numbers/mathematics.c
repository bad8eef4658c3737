#include "mathematics.h"

static inline double of_bits(u64 bits)
{
    double x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

static inline u64 bits_of(double x)
{
    u64 bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double fma_of(double a, double b, double c) { return __builtin_fma(a, b, c); }

static inline double nearest(double x)
{
    const double magic = 6755399441055744.0; // 1.5 * 2^52: adding it leaves no fraction
    return (x + magic) - magic;
}

#define LN2_HIGH 0x1.62e42fefa3800p-1
#define LN2_LOW 0x1.ef35793c76730p-45
#define INVERSE_LN2 1.4426950408889634

// 2^k, also where the result is denormal: two factors.
static double scale(double x, i64 k)
{
    i64 half = k / 2;
    return x * of_bits((u64)(half + 1023) << 52) * of_bits((u64)(k - half + 1023) << 52);
}

double my_exp(double x)
{
    if (x != x) {
        return x;
    }
    if (x > 709.8) {
        return __builtin_inf();
    }
    if (x < -745.2) {
        return 0.0;
    }
    double k = nearest(x * INVERSE_LN2);
    double r = fma_of(-k, LN2_LOW, fma_of(-k, LN2_HIGH, x));
    double p = 1.0 / 6227020800.0;
    static const double inverse_factorials[] = {
        1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0,
        1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0,
    };
    for (u32 i = 0; i < sizeof inverse_factorials / sizeof *inverse_factorials; i++) {
        p = fma_of(p, r, inverse_factorials[i]);
    }
    return scale(p, (i64)k);
}

double my_log(double x)
{
    if (x != x || x < 0) {
        return __builtin_nan("");
    }
    if (x == 0) {
        return -__builtin_inf();
    }
    if (x == __builtin_inf()) {
        return x;
    }
    i64 k = 0;
    if (bits_of(x) < 0x0010000000000000) {
        x *= 0x1p54;
        k = -54;
    }
    u64 bits = bits_of(x);
    k += (i64)(bits >> 52) - 1023;
    double m = of_bits((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        k++;
    }
    double s = (m - 1.0) / (m + 1.0), z = s * s, p = 1.0 / 23.0;
    for (i32 n = 21; n >= 3; n -= 2) {
        p = fma_of(p, z, 1.0 / n); // an exact series of the inverse hyperbolic tangent
    }
    double r = 2.0 * fma_of(s * z, p, s);
    return fma_of((double)k, LN2_HIGH, fma_of((double)k, LN2_LOW, r));
}

#define PI_HALF_1 1.5707963267341256
#define PI_HALF_2 6.0771005063039660e-11
#define PI_HALF_3 2.0222662487959506e-21

static double sin_poly(double r)
{
    double z = r * r;
    double p = fma_of(z, fma_of(z, fma_of(z, -7.6471637318198164e-13, 1.6059043836821613e-10), -2.5052108385441720e-08), 2.7557319223985893e-06);
    p = fma_of(z, fma_of(z, fma_of(z, p, -1.9841269841269841e-04), 8.3333333333333333e-03), -1.6666666666666666e-01);
    return fma_of(r * z, p, r);
}

static double cos_poly(double r)
{
    double z = r * r;
    double p = fma_of(z, fma_of(z, fma_of(z, 4.7794773323873853e-14, -1.1470745597729725e-11), 2.0876756987868099e-09), -2.7557319223985888e-07);
    p = fma_of(z, fma_of(z, fma_of(z, p, 2.4801587301587302e-05), -1.3888888888888889e-03), 4.1666666666666664e-02);
    return fma_of(z * z, p, fma_of(z, -0.5, 1.0));
}

static double sin_quadrant(double x, i64 shift)
{
    double k = nearest(x * 0.63661977236758138);
    double r = fma_of(-k, PI_HALF_3, fma_of(-k, PI_HALF_2, fma_of(-k, PI_HALF_1, x)));
    i64 quadrant = ((i64)k + shift) & 3;
    double value = (quadrant & 1) != 0 ? cos_poly(r) : sin_poly(r);
    return (quadrant & 2) != 0 ? -value : value;
}

double my_sin(double x) { return sin_quadrant(x, 0); }
double my_cos(double x) { return sin_quadrant(x, 1); }

double my_atan(double x)
{
    double a = __builtin_fabs(x), add = 0.0, sign = 1.0;
    if (a > 1.0) {
        a = 1.0 / a;
        add = 1.5707963267948966;
        sign = -1.0;
    }
    if (a > 0.41421356237309503) {
        a = (a - 1.0) / (a + 1.0);
        add += sign * 0.78539816339744828;
    }
    double z = a * a, p = 1.0 / 41.0;
    for (i32 n = 39; n >= 1; n -= 2) {
        p = fma_of(-p, z, 1.0 / n);
    }
    return __builtin_copysign(fma_of(sign * a, p, add), x);
}

double my_pow(double x, double y)
{
    if (y == 0.0) {
        return 1.0;
    }
    i64 n = (i64)y;
    if ((double)n == y && n > -1024 && n < 1024) { // whole powers by squaring
        double result = 1.0, base = n < 0 ? 1.0 / x : x;
        for (u64 left = (u64)(n < 0 ? -n : n); left != 0; left >>= 1) {
            result = (left & 1) != 0 ? result * base : result;
            base *= base;
        }
        return result;
    }
    return my_exp(y * my_log(x));
}

double my_tanh(double x)
{
    double e = my_exp(-2.0 * __builtin_fabs(x));
    return __builtin_copysign((1.0 - e) / (1.0 + e), x);
}

double my_sqrt(double x)
{
    __asm__("vsqrtsd %0, %0, %0" : "+x"(x));
    return x;
}

double my_cbrt(double x)
{
    double a = __builtin_fabs(x);
    if (a == 0.0 || a == __builtin_inf()) {
        return x;
    }
    double y = of_bits(bits_of(a) / 3 + 0x2a9f7893782da1ce);
    for (u32 i = 0; i < 5; i++) {
        y = fma_of(a / (y * y) - y, 1.0 / 3.0, y); // Newton
    }
    return __builtin_copysign(y, x);
}

// Lanczos, g = 7, nine terms.
double my_gamma(double x)
{
    static const double c[] = {
        0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
        12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
    };
    if (x < 0.5) {
        return 3.1415926535897932 / (my_sin(3.1415926535897932 * x) * my_gamma(1.0 - x));
    }
    x -= 1.0;
    double sum = c[0], t = x + 7.5;
    for (u32 i = 1; i < 9; i++) {
        sum += c[i] / (x + i);
    }
    return 2.5066282746310002 * my_exp((x + 0.5) * my_log(t) - t) * sum;
}

float my_expf(float x)
{
    float k = __builtin_rintf(x * 1.44269504f);
    float r = __builtin_fmaf(-k, 1.42860677e-06f, __builtin_fmaf(-k, 0.693145752f, x));
    float p = 1.0f / 5040.0f;
    p = __builtin_fmaf(p, r, 1.0f / 720.0f);
    p = __builtin_fmaf(p, r, 1.0f / 120.0f);
    p = __builtin_fmaf(p, r, 1.0f / 24.0f);
    p = __builtin_fmaf(p, r, 1.0f / 6.0f);
    p = __builtin_fmaf(p, r, 0.5f);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    u32 bits = (u32)((i32)k + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return p * power;
}

v4 exp4(v4 x)
{
    const v4 magic = {6755399441055744.0, 6755399441055744.0, 6755399441055744.0, 6755399441055744.0};
    v4 shifted = x * INVERSE_LN2 + magic, k = shifted - magic;
    v4 r = x - k * LN2_HIGH - k * LN2_LOW;
    v4 p = r / 362880.0 + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    l4 bits = ((l4)shifted << 52) + (1023L << 52); // the low bits of a shifted number are the integer
    return p * (v4)bits;
}

v8 sinf8(v8 x)
{
    v8 scaled = x * 0.318309886f;
    i8x k = __builtin_convertvector(scaled + ((v8){0} + 0.5f), i8x);
    v8 r = x - __builtin_convertvector(k, v8) * 3.14159274f;
    v8 z = r * r;
    v8 p = z * 2.6083159809786593e-06f - 1.981069071916863e-04f;
    p = p * z + 8.333078585565090e-03f;
    p = p * z - 1.666665971279144e-01f;
    v8 value = p * z * r + r;
    i8x sign = k << 31;
    return (v8)((i8x)value ^ sign);
}
