// A Multiboot 1 kernel that goes to 64-bit mode at once, and brings the other processors there too.
//
// The first processor enters at start32 (Multiboot specification, "I386 machine state"); the others begin in real mode at the page that
// the startup message names, where a copy of ap_start lies.

#include "layout.h"

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 3               // modules on pages, memory information
#define AP_PAGE 0x8000
#define STACK_SIZE 8192
#define STACKS 8
#define SELECTOR_CODE32 0x18

    .section .text.start, "ax"
    .balign 4
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .code32
    .globl start32
start32:
    cld
    cli
    movl %eax, boot_magic
    movl %ebx, boot_information
    // The identity map of the first 4 GiB, in 2-MiB pages.
    movl $pdpt + (PTE_PRESENT | PTE_WRITE), pml4
    movl $directories + (PTE_PRESENT | PTE_WRITE), %eax
    movl $pdpt, %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b

    movl $(PTE_PRESENT | PTE_WRITE | PTE_LARGE), %eax
    movl $directories, %edi
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 2b

enter_long_mode:                            // the others come here too
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE), %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $SELECTOR_CODE, $start64

    .code64
start64:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $1, %edi                           // this processor's number: first come, first served
    lock xaddl %edi, processors_started
    leal 1(%rdi), %eax
    imull $STACK_SIZE, %eax
    leaq stacks(%rax), %rsp
    xorl %ebp, %ebp
    testl %edi, %edi
    jnz 3f
    call first_processor
3:  call other_processor
4:  cli
    hlt
    jmp 4b

// Copied to AP_PAGE: real mode, CS:IP = 0800:0000.
    .code16
    .globl ap_start, ap_end
ap_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AP_PAGE + (ap_gdt_pointer - ap_start)
    movl $(CR0_ET | CR0_PE), %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE32, $ap_32
ap_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
ap_end:

    .code32
ap_32:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    jmp enter_long_mode

    .section .data
    .balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff                // SELECTOR_CODE: 64-bit code
    .quad 0x00cf93000000ffff                // SELECTOR_DATA: flat data
    .quad 0x00cf9b000000ffff                // SELECTOR_CODE32: 32-bit code
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
    .globl boot_magic, boot_information, processors_started
boot_magic:
    .long 0
boot_information:
    .long 0
processors_started:
    .long 0

    .section .bss.paging, "aw", @nobits
    .balign 4096
pml4:
    .skip 4096
pdpt:
    .skip 4096
directories:
    .skip 4 * 4096
stacks:
    .skip STACKS * STACK_SIZE

    .section .note.GNU-stack, "", @progbits
