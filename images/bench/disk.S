// Two sectors that make a bootable disk of bench.elf, for machines without a loader of their own (Bochs). What follows on the disk
// is the image as it lies in memory from 1 MiB on, 255 KiB or less. bench/run puts the disk together, and writes the command
// line at offset 768.
//
// A BIOS starts the first sector in real mode at 0x7C00. It reads the rest piece by piece to 0x10000 and copies it to 1 MiB,
// then goes to protected mode and jumps to the first byte, with the address of an hvm_start_info in EBX, as PVH loaders do.
#define SECTOR 512
#define PIECE 32            // sectors read at a time
#define PIECES 16
#define BUFFER 0x10000
#define TARGET 0x100000
#define CLEARED 0x200000    // so many bytes from TARGET on are zero before anything is copied
#define MEMORY_MIB 128

    .code16
    .globl start
start:
    ljmp $0, $1f
1:  cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, drive
    inb $0x92, %al              // A20
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92

    movl $1, packet_sector      // the info sector, to where it is linked
    movw $1, packet_count
    movw $(start + SECTOR), packet_offset
    call read

    call enter_flat
    .code32
    movl $TARGET, %edi
    movl $(CLEARED / 4), %ecx
    xorl %eax, %eax
    rep stosl
    movl $TARGET, %edi
    movl %edi, target
    call leave_flat
    .code16

    movw $PIECE, packet_count
    movw $0, packet_offset
    movw $(BUFFER >> 4), packet_segment
    movl $2, packet_sector
    movw $PIECES, pieces
2:  call read
    call enter_flat
    .code32
    movl $BUFFER, %esi
    movl target, %edi
    movl $(PIECE * SECTOR / 4), %ecx
    rep movsl
    movl %edi, target
    call leave_flat
    .code16
    addl $PIECE, packet_sector
    decw pieces
    jnz 2b

    call enter_flat
    .code32
    movl $info, %ebx
    movl $TARGET, %eax
    jmp *%eax

    .code16
read:                           // what the packet says; what lies beyond the disk's end is not worth an error
    movb $0x42, %ah
    movb drive, %dl
    movw $packet, %si
    int $0x13
    cli
    ret

enter_flat:                     // to 32-bit protected mode with flat segments; the return address is 16 bits wide
    popw %ax
    movzwl %ax, %edx
    lgdtw gdt_pointer
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmp $8, $3f
    .code32
3:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movzwl %sp, %esp
    jmp *%edx

leave_flat:                     // back to real mode
    popl %edx
    ljmp $24, $4f
    .code16
4:  movw $32, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %cr0, %eax
    andl $~1, %eax
    movl %eax, %cr0
    ljmp $0, $5f
5:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    jmp *%dx

    .balign 4
packet:
    .byte 16, 0
packet_count:
    .word 0
packet_offset:
    .word 0
packet_segment:
    .word 0
packet_sector:
    .quad 0
target:
    .long 0
pieces:
    .word 0
drive:
    .byte 0
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    // 8: flat code, 32 bits
    .quad 0x00cf93000000ffff    // 16: flat data
    .quad 0x00009b000000ffff    // 24: code as in real mode
    .quad 0x000093000000ffff    // 32: data as in real mode
gdt_pointer:
    .word . - gdt - 1
    .long gdt
    .org SECTOR - 2
    .word 0xaa55

// The second sector: hvm_start_info, version 1 (xen/include/public/arch-x86/hvm/start_info.h).
info:
    .long 0x336ec578            // XEN_HVM_START_MAGIC_VALUE
    .long 1                     // version
    .long 0                     // flags
    .long 0                     // modules
    .quad 0
    .long command_line, 0
    .quad 0                     // RSDP
    .long memory_map, 0
    .long 2                     // entries
    .long 0
memory_map:
    .quad 0, 0x9fc00            // start, size
    .long 1, 0                  // RAM
    .quad TARGET, MEMORY_MIB * 0x100000 - TARGET
    .long 1, 0
    .org SECTOR + 256
command_line:
    .org 2 * SECTOR
