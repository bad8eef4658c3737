// Functions like those of a mathematical library, made for this program: written from the textbook methods (argument
// reduction, then a polynomial), and compiled for AVX2 and FMA. They are good to a few units in the last place, which nobody
// needs here: what counts is that each operation rounds as the processor rounds it.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int i32;
typedef long i64;

typedef double v4 __attribute__((vector_size(32)));
typedef float v8 __attribute__((vector_size(32)));
typedef i64 l4 __attribute__((vector_size(32)));
typedef i32 i8x __attribute__((vector_size(32)));

double my_exp(double x);
double my_log(double x);
double my_sin(double x);
double my_cos(double x);
double my_atan(double x);
double my_pow(double x, double y);
double my_tanh(double x);
double my_cbrt(double x);
double my_gamma(double x);
double my_sqrt(double x);
float my_expf(float x);

v4 exp4(v4 x);      // four at a time
v8 sinf8(v8 x);     // eight at a time
