// The instructions that C has no word for.
#pragma once

#include "types.h"

struct cpuid_result {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u64 read_msr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return ((u64)high << 32) | low;
}

static inline void write_msr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline u64 read_tsc(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((u64)high << 32) | low;
}

static inline void out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out32(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u64 read_cr2(void)
{
    u64 value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

static inline u64 read_cr3(void)
{
    u64 value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

// Loading CR3 with its own value forgets every translation that is not global.
static inline void flush_translations(void)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

static inline void relax(void)
{
    __asm__ volatile("pause");
}

static inline _Noreturn void halt_forever(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
