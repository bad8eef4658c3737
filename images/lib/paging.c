// Page tables of the guest's own making: the second, third and fourth view of the same memory.
// The identity map of the first 4 GiB (start.S) stays; programs add windows elsewhere in the address space.
#include "runtime.h"

#define ENTRY_ADDRESS 0x000ffffffffff000UL
#define TABLE_FLAGS (PTE_PRESENT | PTE_WRITE | PTE_USER)

extern u64 boot_pml4[512];

static u64 pool_next, pool_end;

void paging_set_pool(u64 start, u64 size)
{
    pool_next = ROUND_UP(start, PAGE_SIZE);
    pool_end = ROUND_DOWN(start + size, PAGE_SIZE);
}

bool paging_has_level(enum page_level level)
{
    if (level != PAGES_1G) {
        return true; // 4-KiB and 2-MiB pages come with long mode
    }
    return cpuid(0x80000000, 0).eax >= 0x80000001 && (cpuid(0x80000001, 0).edx & (1u << 26)) != 0;
}

static u64 *new_table(void)
{
    if (pool_next >= pool_end) {
        panic("no page left for page tables");
    }
    u64 *table = (u64 *)pool_next;
    pool_next += PAGE_SIZE;
    memset(table, 0, PAGE_SIZE);
    return table;
}

// Bits of the address that index the table of a level: 12 for the page table, 21 for the directory, ...
static u32 level_shift(int level)
{
    return PAGE_SHIFT + 9 * (u32)(level - 1);
}

void map_pages(u64 gva, u64 gpa, u64 size, enum page_level level)
{
    u64 page = 1UL << level_shift(level);
    u64 leaf_flags = PTE_PRESENT | PTE_WRITE | (level == PAGES_4K ? 0 : PTE_LARGE);
    for (u64 done = 0; done < size; done += page) {
        u64 *table = boot_pml4;
        for (int at = 4; at > (int)level; at--) {
            u64 *entry = &table[((gva + done) >> level_shift(at)) & 511];
            if ((*entry & PTE_PRESENT) == 0) {
                *entry = (u64)new_table() | TABLE_FLAGS;
            }
            table = (u64 *)(*entry & ENTRY_ADDRESS);
        }
        table[((gva + done) >> level_shift(level)) & 511] = (gpa + done) | leaf_flags;
    }
    flush_translations();
}
