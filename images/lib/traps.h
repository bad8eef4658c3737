// What a stub in start.S leaves on the stack: last pushed first.
#pragma once

#include "types.h"

struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error_code;
    u64 rip, cs, rflags, rsp, ss; // pushed by the processor
};

void handle_trap(struct trap_frame *frame);
void handle_upcall(void);
