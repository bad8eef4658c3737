// The ten kernels of the benchmark: freestanding C, so that the same text also runs as a program of the host
// (images/bench/host.c says how), which is where the expected results come from.
#pragma once

#include "types.h"

#define ARENA_SIZE (96UL << 20) // memory that the kernels share, zeroed by nobody

struct kernel {
    const char *name;
    u64 (*run)(void);      // one iteration: always the same work and the same result
    void (*prepare)(void); // once, before the first iteration; may be null
    u64 expected;
};

#define KERNEL_COUNT 10

extern const struct kernel kernels[KERNEL_COUNT];
extern u8 *arena; // ARENA_SIZE bytes, aligned to a page
