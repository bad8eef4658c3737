// triple: makes the processor give up. Without an IDT an exception cannot be delivered, nor the double fault that follows:
// a triple fault, which ends the domain (SDM 3A "Interrupt 8: Double Fault Exception").
#include "runtime.h"

int guest_main(void)
{
    print("triple: now without an IDT, the next exception is the last\n");
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) nothing = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    print("triple: STILL HERE\n");
    return 1;
}
