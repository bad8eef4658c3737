// Exceptions: nothing here expects one, so each is told in full and ends the guest; except reads by probe_read64.
// Compiled with -mgeneral-regs-only, because the stubs do not save SSE registers.
#include "traps.h"

#include "runtime.h"

struct idt_entry {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_middle;
    u32 offset_high, reserved;
};

// The 64-bit TSS holds no task, only stacks: IST1 is for double faults, whose cause may be the stack itself.
struct tss {
    u32 reserved0;
    u64 rsp[3], reserved1, ist[7], reserved2;
    u16 reserved3, io_map;
} __attribute__((packed));

struct table_pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));

extern u8 trap_stubs[TRAP_COUNT][16];
extern u8 upcall_stub[], probe_read64_access[], probe_read64_fault[];
extern u64 gdt[];

static struct idt_entry idt[256];
static struct tss tss;
static u8 double_fault_stack[4096] __attribute__((aligned(16)));

static const char *const names[TRAP_COUNT] = {
    [0] = "#DE divide error",       [1] = "#DB debug",           [2] = "NMI",
    [3] = "#BP breakpoint",         [4] = "#OF overflow",        [5] = "#BR bound",
    [6] = "#UD invalid opcode",     [7] = "#NM no FPU",          [8] = "#DF double fault",
    [10] = "#TS invalid TSS",       [11] = "#NP not present",    [12] = "#SS stack fault",
    [13] = "#GP general protection", [14] = "#PF page fault",    [16] = "#MF x87 error",
    [17] = "#AC alignment",         [18] = "#MC machine check",  [19] = "#XM SIMD error",
    [21] = "#CP control protection",
};

static void set_gate(u32 vector, const void *stub, u8 ist)
{
    u64 address = (u64)stub;
    idt[vector] = (struct idt_entry){
        .offset_low = (u16)address,
        .selector = SELECTOR_CODE,
        .ist = ist,
        .type = 0x8E, // present, DPL 0, 64-bit interrupt gate
        .offset_middle = (u16)(address >> 16),
        .offset_high = (u32)(address >> 32),
    };
}

void traps_init(void)
{
    for (u32 vector = 0; vector < TRAP_COUNT; vector++) {
        set_gate(vector, trap_stubs[vector], vector == 8 ? 1 : 0);
    }
    set_gate(UPCALL_VECTOR, upcall_stub, 0);

    tss.ist[0] = (u64)(double_fault_stack + sizeof double_fault_stack);
    tss.io_map = sizeof tss;
    u64 base = (u64)&tss;
    gdt[SELECTOR_TSS / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));

    struct table_pointer pointer = {sizeof idt - 1, (u64)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void handle_trap(struct trap_frame *frame)
{
    if (frame->vector == UPCALL_VECTOR) {
        handle_upcall();
        return;
    }
    if (frame->rip == (u64)probe_read64_access && (frame->vector == 13 || frame->vector == 14)) {
        frame->rip = (u64)probe_read64_fault;
        return;
    }

    const char *name = frame->vector < TRAP_COUNT && names[frame->vector] != NULL ? names[frame->vector] : "exception";
    console_flush();
    print("trap: %s (vector %lu), error code 0x%lx, rip 0x%lx", name, frame->vector, frame->error_code, frame->rip);
    if (frame->vector == 14) {
        print(", cr2 0x%lx", read_cr2());
    }
    print("\ntrap: rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx, frame->rcx, frame->rdx);
    print("trap: rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", frame->rsi, frame->rdi, frame->rbp, frame->rsp);
    print("trap: r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", frame->r8, frame->r9, frame->r10, frame->r11);
    print("trap: r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", frame->r12, frame->r13, frame->r14, frame->r15);
    print("trap: cs %lx ss %lx rflags %lx cr3 %lx\n", frame->cs, frame->ss, frame->rflags, read_cr3());
    power_off(2);
}
