// What every guest program gets from images/lib. A program defines guest_main; its return value is the exit code
// (0 = all is well): the domain powers off, or crashes on anything else.
#pragma once

#include "cpu.h"
#include "layout.h"
#include "types.h"
#include "xen_abi.h"

int guest_main(void);

// ---- the machine ------------------------------------------------------------------------------------------------------
enum { RAM = 1 }; // type of a memory range, as in the ACPI address map

struct memory_range {
    u64 start, size;
    u32 type;
};

struct machine {
    bool on_xen;
    u32 start_info_version;
    u32 xen_cpuid_base; // 0x40000000 + n * 0x100
    char command_line[1024];
    struct memory_range ranges[64];
    u32 range_count;
};

extern struct machine machine;
extern char image_start[], image_end[];

const char *range_type_name(u32 type);

// The RAM range that holds this image, from the end of the image to the end of the range, in whole pages.
struct memory_range free_memory(void);

_Noreturn void power_off(int exit_code);
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- console.c --------------------------------------------------------------------------------------------------------
// %d %u %x %c %s %% with l, zero padding and width. Lines reach the console when they end.
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_flush(void);

// ---- commandline.c: words of the form name=value ----------------------------------------------------------------------
u64 argument_number(const char *name, u64 otherwise); // decimal or 0x..., with an optional K, M or G
void argument_text(const char *name, const char *otherwise, char *buffer, size_t capacity);

// ---- string.c ---------------------------------------------------------------------------------------------------------
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

// ---- digest.h-like helpers --------------------------------------------------------------------------------------------
// A 64-bit mixing step (xor, multiply, shift): every input bit reaches every output bit. Used for patterns and digests.
static inline u64 mix64(u64 x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdUL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53UL;
    return x ^ (x >> 33);
}

// ---- paging.c ---------------------------------------------------------------------------------------------------------
enum page_level { PAGES_4K = 1, PAGES_2M = 2, PAGES_1G = 3 };

// Page tables come from a pool of pages that the program sets aside before its first map_pages.
void paging_set_pool(u64 start, u64 size);
bool paging_has_level(enum page_level level);
// Maps [gva, gva + size) to [gpa, ...), read-write; both aligned to the page size. Panics when the pool is empty.
void map_pages(u64 gva, u64 gpa, u64 size, enum page_level level);

// ---- traps.c ----------------------------------------------------------------------------------------------------------
void traps_init(void);
bool probe_read64(const volatile u64 *address, u64 *value); // false when the read faults

// ---- xen.c ------------------------------------------------------------------------------------------------------------
void xen_init(void);
i64 hypercall(u32 number, u64 a0, u64 a1, u64 a2, u64 a3);
const char *errno_name(i64 result);
void xen_yield(void);
i64 xen_get_param(domid_t domain, u32 index, u64 *value);

// ---- events.c: a timer and the way to sleep until it fires ------------------------------------------------------------
bool events_init(void);            // false (with a line on the console) when Xen refuses
void sleep_nanoseconds(u64 nanoseconds);
u64 system_time(void);             // nanoseconds since boot, by shared_info and TSC
u64 events_seen(void);             // upcalls delivered so far
