// The parts of a PC that the self-test touches: ports, registers, and the tables that tell of them.
#pragma once

#include "cpu.h"
#include "types.h"

#define EXIT_PORT 0xF4
#define FW_CFG_SELECTOR 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_SIGNATURE 0x00
#define FW_CFG_PROCESSORS 0x05

#define PIT_COUNTER0 0x40
#define PIT_COUNTER2 0x42
#define PIT_CONTROL 0x43
#define PIT_HZ 1193182
#define SPEAKER_PORT 0x61

#define TSC_HZ 1000000000UL

#define APIC_BASE 0xFEE00000UL
#define APIC_ID 0x20
#define APIC_EOI 0xB0
#define APIC_SPURIOUS 0xF0
#define APIC_COMMAND_LOW 0x300
#define APIC_COMMAND_HIGH 0x310
#define APIC_TIMER 0x320
#define APIC_INITIAL_COUNT 0x380
#define APIC_CURRENT_COUNT 0x390
#define APIC_DIVIDE 0x3E0
#define APIC_ENABLED 0x100
#define APIC_MASKED 0x10000
#define APIC_PERIODIC 0x20000
#define APIC_TSC_DEADLINE 0x40000
#define APIC_INIT 0x500
#define APIC_STARTUP 0x600
#define APIC_ASSERT 0x4000
#define APIC_ALL_OTHERS 0xC0000
#define MSR_TSC_DEADLINE 0x6E0

#define IOAPIC_BASE 0xFEC00000UL
#define IOAPIC_VERSION 1
#define IOAPIC_PIN(pin) (0x10 + 2 * (pin))
#define IOAPIC_MASKED 0x10000
#define PIT_PIN 2

static inline u32 apic_read(u32 reg)
{
    return *(volatile u32 *)(APIC_BASE + reg);
}

static inline void apic_write(u32 reg, u32 value)
{
    *(volatile u32 *)(APIC_BASE + reg) = value;
}

static inline u32 ioapic_read(u32 reg)
{
    *(volatile u32 *)IOAPIC_BASE = reg;
    return *(volatile u32 *)(IOAPIC_BASE + 0x10);
}

static inline void ioapic_write(u32 reg, u32 value)
{
    *(volatile u32 *)IOAPIC_BASE = reg;
    *(volatile u32 *)(IOAPIC_BASE + 0x10) = value;
}

static inline void out16(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void wait_nanoseconds(u64 time)
{
    u64 end = read_tsc() + time * (TSC_HZ / 1000000000UL);
    while (read_tsc() < end) {
        relax();
    }
}
