// Fixed-width names used everywhere in the guests: u64 is what a 64-bit register or page-table entry holds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define KIB 1024UL
#define MIB (1024UL * KIB)
#define GIB (1024UL * MIB)

#define PAGE_SIZE 4096UL
#define PAGE_SHIFT 12

// Rounds to a power of two.
#define ROUND_DOWN(value, unit) ((value) & ~((u64)(unit)-1))
#define ROUND_UP(value, unit) ROUND_DOWN((value) + (unit)-1, unit)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
