// Where numbers.bin begins: the caller gives the buffer in RDI and a stack in RSP; RAX says how much text there is.
    .section .text.start, "ax"
    .globl _start
_start:
    andq $-32, %rsp
    call program
    hlt
    .section .note.GNU-stack, "", @progbits
