// The machine's self-test: one line for each check, and an exit status. It needs a PC with 1 to 8 processors, COM1 and QEMU's test
// devices (isa-debug-exit, fw_cfg), and runs on QEMU too (images/README.md).
#include "machine.h"
#include "serial.h"

#define TIMER_VECTOR 0x40
#define PIT_VECTOR 0x41
#define CALL_VECTOR 0x42
#define REPLY_VECTOR 0x43
#define SPURIOUS_VECTOR 0xFF
#define VECTORS 256
#define MAX_PROCESSORS 8
#define LOCKED_ADDITIONS 20000
#define AP_PAGE 0x8000
#define PATIENCE (2 * TSC_HZ)

struct gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_middle;
    u32 offset_high, reserved;
};

struct frame;

extern u32 boot_magic, boot_information;
extern volatile u32 processors_started;
extern const u8 ap_start[], ap_end[];

static struct gate gates[VECTORS];
static volatile u32 timer_interrupts, pit_interrupts, replies, ready, calls;
static volatile u64 counter;
static volatile bool go;
static u32 failures;
static u8 seen_ids[MAX_PROCESSORS];

__attribute__((interrupt)) static void on_timer(struct frame *frame)
{
    (void)frame;
    timer_interrupts++;
    apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void on_pit(struct frame *frame)
{
    (void)frame;
    pit_interrupts++;
    apic_write(APIC_EOI, 0);
}

// An order from the first processor: add, then answer.
__attribute__((interrupt)) static void on_call(struct frame *frame)
{
    (void)frame;
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
    apic_write(APIC_COMMAND_HIGH, 0);
    apic_write(APIC_COMMAND_LOW, APIC_ASSERT | REPLY_VECTOR);
}

__attribute__((interrupt)) static void on_reply(struct frame *frame)
{
    (void)frame;
    replies++;
    apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void on_spurious(struct frame *frame)
{
    (void)frame;
}

static void set_gate(u32 vector, void (*handler)(struct frame *))
{
    u64 address = (u64)handler;
    gates[vector] = (struct gate){(u16)address, 0x08, 0, 0x8E, (u16)(address >> 16), (u32)(address >> 32), 0};
}

static void load_gates(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, (u64)gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void enable_apic(void)
{
    apic_write(APIC_SPURIOUS, APIC_ENABLED | SPURIOUS_VECTOR);
}

static void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

// Waits in HLT, which only an interrupt ends, until a count is reached. A timer of this processor must be running.
static bool wait_halted(volatile u32 *count, u32 wanted)
{
    u64 end = read_tsc() + PATIENCE;
    interrupts_off();
    while (*count < wanted && read_tsc() < end) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    interrupts_on();
    return *count >= wanted;
}

static bool wait_spinning(volatile u32 *count, u32 wanted)
{
    u64 end = read_tsc() + PATIENCE;
    while (*count < wanted && read_tsc() < end) {
        relax();
    }
    return *count >= wanted;
}

static void check(const char *what, bool good, u64 detail)
{
    say("%s %s (%x)\n", good ? "ok  " : "FAIL", what, detail);
    failures += good ? 0 : 1;
}

static u32 fw_cfg_read(u16 item, u32 bytes)
{
    u32 value = 0;
    out16(FW_CFG_SELECTOR, item);
    for (u32 i = 0; i < bytes; i++) {
        value |= (u32)in8(FW_CFG_DATA) << (8 * i);
    }
    return value;
}

// ---- ACPI ---------------------------------------------------------------------------------------------------------------

static bool sums_to_zero(const u8 *bytes, u32 size)
{
    u8 sum = 0;
    while (size-- != 0) {
        sum = (u8)(sum + *bytes++);
    }
    return sum == 0;
}

static u32 read32(const u8 *at)
{
    return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

static const u8 *find_rsdp(void)
{
    for (const u8 *at = (const u8 *)0xE0000; at < (const u8 *)0x100000; at += 16) {
        if (read32(at) == 0x20445352 && read32(at + 4) == 0x20525450 && sums_to_zero(at, 20)) { // "RSD PTR "
            return at;
        }
    }
    return 0;
}

static const u8 *find_table(const u8 *rsdt, u32 signature)
{
    for (u32 at = 36; at < read32(rsdt + 4); at += 4) {
        const u8 *table = (const u8 *)(u64)read32(rsdt + at);
        if (read32(table) == signature && sums_to_zero(table, read32(table + 4))) {
            return table;
        }
    }
    return 0;
}

static u32 count_processors(void)
{
    const u8 *rsdp = find_rsdp();
    check("ACPI root pointer", rsdp != 0, (u64)rsdp);
    if (rsdp == 0) {
        return 1;
    }
    const u8 *rsdt = (const u8 *)(u64)read32(rsdp + 16);
    check("ACPI root table", read32(rsdt) == 0x54445352 && sums_to_zero(rsdt, read32(rsdt + 4)), (u64)rsdt);
    const u8 *madt = find_table(rsdt, 0x43495041); // "APIC"
    check("ACPI table of APICs", madt != 0, (u64)madt);
    check("ACPI table of the hardware", find_table(rsdt, 0x50434146) != 0, 0); // "FACP"
    u32 count = 0;
    if (madt != 0) {
        for (u32 at = 44; at < read32(madt + 4); at += madt[at + 1]) {
            count += madt[at] == 0 && (madt[at + 4] & 1) != 0;
        }
    }
    return count;
}

// ---- timers -------------------------------------------------------------------------------------------------------------

// How long 10 ms of PIT counter 2 are in ticks of the TSC.
static u64 measure_pit(void)
{
    u16 count = PIT_HZ / 100;
    out8(SPEAKER_PORT, (u8)((in8(SPEAKER_PORT) & ~3) | 1)); // gate on, speaker off
    out8(PIT_CONTROL, 0xB0);                                // counter 2, both bytes, mode 0
    out8(PIT_COUNTER2, (u8)count);
    out8(PIT_COUNTER2, (u8)(count >> 8));
    u64 start = read_tsc();
    while ((in8(SPEAKER_PORT) & 0x20) == 0 && read_tsc() - start < PATIENCE) {
        relax();
    }
    return read_tsc() - start;
}

static void check_timers(void)
{
    u64 ticks = measure_pit();
    check("PIT: 10 ms are 10,000,000 ticks of the TSC, to 2 %", ticks > 9800000 && ticks < 10200000, ticks);

    apic_write(APIC_DIVIDE, 0xB); // by 1
    timer_interrupts = 0;
    apic_write(APIC_TIMER, TIMER_VECTOR);
    apic_write(APIC_INITIAL_COUNT, 1000000);
    bool good = wait_halted(&timer_interrupts, 1);
    wait_nanoseconds(3000000);
    check("local APIC timer, once", good && timer_interrupts == 1, timer_interrupts);

    timer_interrupts = 0;
    apic_write(APIC_TIMER, APIC_PERIODIC | TIMER_VECTOR);
    apic_write(APIC_INITIAL_COUNT, 500000);
    good = wait_halted(&timer_interrupts, 5);
    apic_write(APIC_TIMER, APIC_MASKED | TIMER_VECTOR);
    apic_write(APIC_INITIAL_COUNT, 0);
    check("local APIC timer, again and again", good, timer_interrupts);

    if ((cpuid(1, 0).ecx >> 24 & 1) != 0) {
        timer_interrupts = 0;
        apic_write(APIC_TIMER, APIC_TSC_DEADLINE | TIMER_VECTOR);
        __asm__ volatile("mfence" : : : "memory");
        u64 deadline = read_tsc() + 2000000;
        write_msr(MSR_TSC_DEADLINE, deadline);
        good = wait_halted(&timer_interrupts, 1);
        check("local APIC timer, at a TSC deadline", good && read_tsc() >= deadline && read_msr(MSR_TSC_DEADLINE) == 0, timer_interrupts);
    }
    apic_write(APIC_TIMER, APIC_MASKED | TIMER_VECTOR);
}

static void check_ioapic(void)
{
    u32 pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xFF) + 1;
    check("IO-APIC: pins", pins >= 24, pins);
    u16 count = PIT_HZ / 1000;
    pit_interrupts = 0;
    ioapic_write(IOAPIC_PIN(PIT_PIN) + 1, apic_read(APIC_ID) & 0xFF000000);
    ioapic_write(IOAPIC_PIN(PIT_PIN), PIT_VECTOR);
    out8(PIT_CONTROL, 0x34); // counter 0, both bytes, mode 2
    out8(PIT_COUNTER0, (u8)count);
    out8(PIT_COUNTER0, (u8)(count >> 8));
    bool good = wait_halted(&pit_interrupts, 5);
    ioapic_write(IOAPIC_PIN(PIT_PIN), IOAPIC_MASKED | PIT_VECTOR);
    u32 after = pit_interrupts;
    wait_nanoseconds(5000000);
    check("IO-APIC: the PIT interrupts through pin 2, and not when masked", good && pit_interrupts == after, pit_interrupts);
}

// ---- the other processors -----------------------------------------------------------------------------------------------

static void locked_additions(void)
{
    for (u32 i = 0; i < LOCKED_ADDITIONS; i++) {
        __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
    }
}

void other_processor(u32 number)
{
    load_gates();
    enable_apic();
    seen_ids[number] = (u8)(apic_read(APIC_ID) >> 24);
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    while (!go) {
        relax();
    }
    locked_additions();
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        __asm__ volatile("sti; hlt" : : : "memory");
    }
}

static void check_processors(u32 count)
{
    u8 *page = (u8 *)AP_PAGE;
    for (const u8 *from = ap_start; from < ap_end; from++) {
        *page++ = *from;
    }
    if (count > 1) {
        apic_write(APIC_COMMAND_LOW, APIC_ALL_OTHERS | APIC_ASSERT | APIC_INIT);
        wait_nanoseconds(10000000);
        apic_write(APIC_COMMAND_LOW, APIC_ALL_OTHERS | APIC_ASSERT | APIC_STARTUP | AP_PAGE >> 12);
        wait_nanoseconds(200000);
        apic_write(APIC_COMMAND_LOW, APIC_ALL_OTHERS | APIC_ASSERT | APIC_STARTUP | AP_PAGE >> 12); // ignored by those that run
    }
    bool good = wait_spinning(&ready, count - 1);
    wait_nanoseconds(1000000);
    check("startup messages: every processor runs, once", good && processors_started == count, processors_started);

    u32 ids = 1u << (apic_read(APIC_ID) >> 24);
    for (u32 i = 1; i < count; i++) {
        ids |= 1u << seen_ids[i];
    }
    check("every processor has its own APIC id", ids == (1u << count) - 1, ids);

    go = true;
    locked_additions();
    good = wait_spinning(&ready, 2 * (count - 1));
    check("locked additions by all processors at once", good && counter == (u64)count * LOCKED_ADDITIONS, counter);

    replies = 0;
    for (u32 i = 1; i < count; i++) {
        apic_write(APIC_COMMAND_HIGH, (u32)seen_ids[i] << 24);
        apic_write(APIC_COMMAND_LOW, APIC_ASSERT | CALL_VECTOR);
        good = good && wait_spinning(&replies, i);
    }
    check("an interrupt to each, and one back", good && replies == count - 1 && calls == count - 1, replies);
}

void first_processor(void)
{
    set_gate(TIMER_VECTOR, on_timer);
    set_gate(PIT_VECTOR, on_pit);
    set_gate(CALL_VECTOR, on_call);
    set_gate(REPLY_VECTOR, on_reply);
    set_gate(SPURIOUS_VECTOR, on_spurious);
    load_gates();
    out8(0x21, 0xFF); // the 8259s keep out of it
    out8(0xA1, 0xFF);
    enable_apic();
    interrupts_on();

    say("selftest: hello\n");
    check("Multiboot", boot_magic == 0x2BADB002, boot_information);
    check("fw_cfg", fw_cfg_read(FW_CFG_SIGNATURE, 4) == 0x554D4551, 0); // "QEMU"
    u32 count = count_processors();
    check("fw_cfg and ACPI count the same processors", count != 0 && count == fw_cfg_read(FW_CFG_PROCESSORS, 2), count);
    check_timers();
    check_ioapic();
    check_processors(count > MAX_PROCESSORS ? MAX_PROCESSORS : count);
    say("selftest: %u processors, %u failures\n", count, failures);
    out8(EXIT_PORT, failures == 0 ? 0 : 1);
}
