// The first instructions of every guest here.
//
// A PVH loader (Xen's domain builder, or QEMU's -kernel) finds the 32-bit entry point in the ELF note
// XEN_ELFNOTE_PHYS32_ENTRY and jumps to it in flat 32-bit protected mode, paging off, interrupts off, with the physical
// address of hvm_start_info in EBX. From there to C in long mode it takes page tables, EFER.LME, CR0.PG and a far jump.

#include "layout.h"

// Xen's ELF notes (xen/include/public/elfnote.h). Only PHYS32_ENTRY is needed to boot; the others tell tools who we are.
.macro XEN_NOTE type, description:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4                     // size of the name with its NUL
    .long 9f - 8f               // size of the description
    .long \type
    .asciz "Xen"
8:  \description
9:  .balign 4
    .popsection
.endm

XEN_NOTE 18, .quad start32                  // XEN_ELFNOTE_PHYS32_ENTRY
XEN_NOTE 6, .asciz "Xenolith guest"         // XEN_ELFNOTE_GUEST_OS
XEN_NOTE 7, .asciz "1"                      // XEN_ELFNOTE_GUEST_VERSION
XEN_NOTE 5, .asciz "xen-3.0"                // XEN_ELFNOTE_XEN_VERSION
XEN_NOTE 8, .asciz "generic"                // XEN_ELFNOTE_LOADER

    .section .text.start, "ax"
    .code32
    .globl start32
start32:
    cld
    cli
    movl $boot_stack_top, %esp
    movl %ebx, %ebp                         // CPUID will overwrite EBX

    // The identity map of the first 4 GiB: one PML4, one PDPT, four page directories of 512 2-MiB pages each.
    // Entries are 8 bytes; the upper halves stay zero because .bss is zero and everything lies below 4 GiB.
    movl $boot_pdpt + (PTE_PRESENT | PTE_WRITE | PTE_USER), boot_pml4
    movl $boot_directories + (PTE_PRESENT | PTE_WRITE | PTE_USER), %eax
    movl $boot_pdpt, %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b

    movl $(PTE_PRESENT | PTE_WRITE | PTE_LARGE), %eax
    movl $boot_directories, %edi
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 2b

    // Long mode, in the order that SDM 3A "Initializing IA-32e Mode" asks for: PAE, CR3, EFER.LME, then CR0.PG.
    movl $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    movl %eax, %cr0                         // paging on, EM off (SSE allowed)

    lgdt gdt_pointer
    ljmp $SELECTOR_CODE, $start64           // loads CS with its L bit: 64-bit from here

    .code64
start64:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movq $boot_stack_top, %rsp
    movl %ebp, %edi                         // first argument: hvm_start_info
    xorl %ebp, %ebp                         // the end of every backtrace
    call runtime_main
3:  cli                                     // runtime_main does not return
    hlt
    jmp 3b

// ---- exceptions -------------------------------------------------------------------------------------------------------
// One stub per vector pushes what the processor did not (a zero error code) and its number, so that struct trap_frame
// (traps.h) has one shape. Vectors 8, 10-14, 17, 21, 29 and 30 bring an error code (SDM 3A "Error Code").
#define HAS_ERROR_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || (v) == 29 || (v) == 30)

    .globl trap_stubs
    .balign 16
trap_stubs:
.Lvector = 0
.rept TRAP_COUNT
    .balign 16
    .if !(HAS_ERROR_CODE(.Lvector))
    pushq $0
    .endif
    pushq $.Lvector
    jmp trap_common
.Lvector = .Lvector + 1
.endr

    .globl upcall_stub                      // the vector by which Xen tells of events: same frame, no error code
    .balign 16
upcall_stub:
    pushq $0
    pushq $UPCALL_VECTOR
    jmp trap_common

trap_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi                         // struct trap_frame *
    movq %rsp, %rbx                         // the stack is aligned for C and put back afterwards
    andq $-16, %rsp
    call handle_trap
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp                          // vector and error code
    iretq

// bool probe_read64(const volatile u64 *address, u64 *value): reads, or returns false when the read faults.
// handle_trap knows the two labels: a fault at the first continues at the second.
    .globl probe_read64, probe_read64_access, probe_read64_fault
probe_read64:
probe_read64_access:
    movq (%rdi), %rax
    movq %rax, (%rsi)
    movl $1, %eax
    ret
probe_read64_fault:
    xorl %eax, %eax
    ret

// ---- tables -----------------------------------------------------------------------------------------------------------
    .section .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff                // SELECTOR_CODE: 64-bit code, ring 0
    .quad 0x00cf93000000ffff                // SELECTOR_DATA: flat data, ring 0
    .quad 0, 0                              // SELECTOR_TSS: filled in by traps_init
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

    .section .bss.paging, "aw", @nobits
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_directories:
    .skip 4 * 4096
    .globl hypercall_page
hypercall_page:
    .skip 4096
    .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
