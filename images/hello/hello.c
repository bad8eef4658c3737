// hello: the smallest guest that says who and where it is, and checks what it was told.
#include "runtime.h"

static u64 digest;
static u32 failures;

static void check(bool good, const char *what)
{
    if (!good) {
        failures++;
        print("hello: check failed: %s\n", what);
    }
}

static void tell_version(void)
{
    if (!machine.on_xen) {
        print("hello from a PVH guest; no Xen here\n");
        return;
    }
    i64 version = hypercall(HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    char extra[17] = {0};
    hypercall(HYPERVISOR_xen_version, XENVER_extraversion, (u64)extra, 0, 0);
    print("hello from a PVH guest on Xen %lu.%lu%s\n", (u64)version >> 16, (u64)version & 0xffff, extra);

    struct cpuid_result leaf = cpuid(machine.xen_cpuid_base + 1, 0);
    check(leaf.eax == (u32)version, "CPUID and the hypercall tell different versions");
    struct xen_feature_info features = {0};
    check(hypercall(HYPERVISOR_xen_version, XENVER_get_features, (u64)&features, 0, 0) == 0, "XENVER_get_features");
    print("xen: CPUID leaves at 0x%x, features 0x%x\n", machine.xen_cpuid_base, features.submap);
}

static void tell_processor(void)
{
    struct cpuid_result vendor = cpuid(0, 0), model = cpuid(1, 0);
    u32 name[4] = {vendor.ebx, vendor.edx, vendor.ecx, 0};
    u32 family = (model.eax >> 8 & 15) + (model.eax >> 20 & 255);
    u32 number = (model.eax >> 4 & 15) | (model.eax >> 12 & 0xf0);
    print("cpu: %s family %u model %u stepping %u, 1-GiB pages: %s\n", (char *)name, family, number, model.eax & 15,
        paging_has_level(PAGES_1G) ? "yes" : "no");
    check((model.edx >> 26 & 1) != 0, "SSE2 is promised");
}

static void tell_memory(void)
{
    print("memory map (start_info version %u, %u ranges):\n", machine.start_info_version, machine.range_count);
    u64 ram = 0, last_end = 0;
    for (u32 i = 0; i < machine.range_count; i++) {
        struct memory_range *range = &machine.ranges[i];
        u64 end = range->start + range->size;
        print("  0x%016lx-0x%016lx %s\n", range->start, end - 1, range_type_name(range->type));
        check(range->start >= last_end && end > range->start, "memory ranges are sorted and do not overlap");
        last_end = end;
        if (range->type == RAM) {
            ram += range->size;
        }
    }
    print("  RAM in all: %lu KiB; free after this image: %lu KiB\n", ram / KIB, free_memory().size / KIB);
}

// The map by hypercall must be the one that the builder left in hvm_start_info.
static void compare_maps(void)
{
    struct e820_entry entries[64];
    struct xen_memory_map map = {.entries = COUNT_OF(entries), .buffer = entries};
    i64 result = hypercall(HYPERVISOR_memory_op, XENMEM_memory_map, (u64)&map, 0, 0);
    check(result == 0, "XENMEM_memory_map");
    check(map.entries == machine.range_count, "both memory maps have the same length");
    for (u32 i = 0; result == 0 && i < map.entries && i < machine.range_count; i++) {
        struct memory_range *range = &machine.ranges[i];
        check(entries[i].start == range->start && entries[i].size == range->size && entries[i].type == range->type,
            "both memory maps have the same ranges");
    }
}

// Writes a word into every free page and reads all of them back: the memory is really there, each page its own.
static void touch_memory(void)
{
    struct memory_range memory = free_memory();
    for (u64 at = 0; at < memory.size; at += PAGE_SIZE) {
        *(volatile u64 *)(memory.start + at) = mix64(memory.start + at);
    }
    u64 wrong = 0;
    for (u64 at = 0; at < memory.size; at += PAGE_SIZE) {
        u64 value = *(volatile u64 *)(memory.start + at);
        wrong += value != mix64(memory.start + at);
        digest = mix64(digest ^ value);
    }
    print("touched %lu pages, %lu wrong\n", memory.size / PAGE_SIZE, wrong);
    check(wrong == 0, "every page keeps its word");
}

int guest_main(void)
{
    tell_version();
    tell_processor();
    print("command line: \"%s\"\n", machine.command_line);
    tell_memory();
    if (machine.on_xen) {
        compare_maps();
    }
    touch_memory();
    print("digest %016lx\n", digest);
    print("hello: %s\n", failures == 0 ? "all checks passed, powering off" : "CHECKS FAILED");
    return failures == 0 ? 0 : 1;
}
