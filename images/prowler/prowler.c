// prowler: reads everything that an address can name, and asks Xen for what is not its own.
//
// It looks for the marker that tenants put in front of their secrets. Each region is announced before it is touched: when
// the machine ends the domain in the middle of a scan, the last line on the console says where it was.
//
// Command line: passes=N (scans of the memory and of the window), window=SIZE (at 1 GiB), beyond=SIZE (after the RAM),
// step=SIZE (distance of the pages looked at in the holes up to 4 GiB), domains=N (how many domain numbers to try),
// frame=N (the frame number to ask other domains for), calls=0 (leave the hypercalls out)
#include "runtime.h"

#define WINDOW_START GIB // where the demo's rogue hypervisor puts a tenant's frames
#define NOTHING (~0UL)   // what reads give where no memory answers
#define ECHO_LENGTH 48

static u32 secrets_found, faults;
static u64 pages_read, pages_empty;

// ---- scanning ---------------------------------------------------------------------------------------------------------

// "XENOLITH" and "-SECRET:" as little-endian words, kept inverted: the prowler must not find its own needle.
static const u64 needle[2] = {~0x4854494c4f4e4558UL, ~0x3a5445524345532dUL};

static void report_secret(u64 gpa, const u64 *at)
{
    char text[ECHO_LENGTH + 1];
    const char *from = (const char *)(at + COUNT_OF(needle));
    u32 length = 0;
    while (length < ECHO_LENGTH && from[length] > ' ' && from[length] <= '~') {
        text[length] = from[length];
        length++;
    }
    text[length] = '\0';
    secrets_found++;
    print("prowler: FOUND a secret at 0x%lx: \"%s\"\n", gpa, text);
}

// A page without memory reads as all ones: three words decide. Only identity-mapped pages (below 4 GiB) come here.
static void scan_page(u64 gpa)
{
    const u64 *page = (const u64 *)gpa;
    u64 first;
    if (!probe_read64(page, &first)) {
        faults++;
        return;
    }
    pages_read++;
    if (first == NOTHING && page[255] == NOTHING && page[511] == NOTHING) {
        pages_empty++;
        return;
    }
    for (u32 i = 0; i + COUNT_OF(needle) < PAGE_SIZE / sizeof(u64); i++) {
        if (page[i] == ~needle[0] && page[i + 1] == ~needle[1]) {
            report_secret(gpa + i * sizeof(u64), &page[i]);
        }
    }
}

static void scan(const char *what, u64 start, u64 size, u64 step)
{
    if (size == 0) {
        return;
    }
    print("prowler: reading %s, 0x%lx-0x%lx%s\n", what, start, start + size - 1, step == PAGE_SIZE ? "" : ", in steps");
    u32 found = secrets_found, faulted = faults;
    pages_read = pages_empty = 0;
    for (u64 at = 0; at < size; at += step) {
        scan_page(start + at);
    }
    print("prowler:   %lu pages read, %lu empty, %u faults, %u secrets\n", pages_read, pages_empty, faults - faulted,
        secrets_found - found);
}

static bool is_ram(u64 gpa)
{
    for (u32 i = 0; i < machine.range_count; i++) {
        if (machine.ranges[i].type == RAM && gpa - machine.ranges[i].start < machine.ranges[i].size) {
            return true;
        }
    }
    return false;
}

static u64 end_of_low_ram(void)
{
    struct memory_range memory = free_memory();
    return memory.start + memory.size;
}

static void scan_own_memory(void)
{
    for (u32 i = 0; i < machine.range_count; i++) {
        struct memory_range *range = &machine.ranges[i];
        u64 end = range->start + range->size;
        if (range->type == RAM && end <= 4 * GIB) {
            u64 start = ROUND_UP(range->start, PAGE_SIZE);
            scan("my own memory", start, ROUND_DOWN(end, PAGE_SIZE) - start, PAGE_SIZE);
        }
    }
}

// Everything below 4 GiB that the memory map does not call RAM, a page every step bytes.
static void scan_holes(u64 step)
{
    u64 start = 0;
    while (start < 4 * GIB) {
        if (is_ram(start)) {
            start += step;
            continue;
        }
        u64 end = start;
        while (end < 4 * GIB && !is_ram(end)) {
            end += step;
        }
        scan("a hole", start, end - start, step);
        start = end;
    }
}

// Addresses above the identity map, one page each: around 4 GiB, and at the end of what the processor can address.
static void probe_high_addresses(void)
{
    struct memory_range memory = free_memory();
    paging_set_pool(memory.start, memory.size);
    u32 bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    const u64 addresses[] = {4 * GIB, 5 * GIB, 64 * GIB, 1UL << (bits - 1), (1UL << bits) - PAGE_SIZE};
    for (u32 i = 0; i < COUNT_OF(addresses); i++) {
        u64 window = (1UL << 39) + i * PAGE_SIZE, value = 0;
        print("prowler: reading address 0x%lx\n", addresses[i]);
        map_pages(window, addresses[i], PAGE_SIZE, PAGES_4K);
        bool read = probe_read64((const u64 *)window, &value);
        print("prowler:   %s, first word %016lx\n", read ? "read" : "fault", value);
    }
}

// ---- hypercalls that are not for guests -------------------------------------------------------------------------------

// Told by name; a success is as bad as a secret.
static void tell(const char *what, u32 domain, i64 result)
{
    print("prowler:   %s, domain %u: %ld (%s)%s\n", what, domain, result, errno_name(result),
        result >= 0 ? " ALLOWED" : "");
}

static void try_foreign_map(domid_t domain)
{
    u64 foreign_frame = argument_number("frame", 0x100), here = (end_of_low_ram() >> PAGE_SHIFT) + 0x100;
    int error = 0;
    struct xen_add_to_physmap_batch batch = {
        .domain = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 1, .foreign_domain = domain,
        .indices = &foreign_frame, .gfns = &here, .errors = &error};
    i64 result = hypercall(HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, (u64)&batch, 0, 0);
    tell("map its frame into my space", domain, result == 0 ? error : result);
    if (result == 0 && error == 0) {
        scan("the foreign frame", here << PAGE_SHIFT, PAGE_SIZE, PAGE_SIZE);
    }

    struct xen_add_to_physmap add = {.domain = domain, .space = XENMAPSPACE_shared_info, .gfn = here};
    tell("change its memory map", domain, hypercall(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (u64)&add, 0, 0));

    // This call tells how many frames it took; a domain that may not be asked about has none.
    struct xen_memory_reservation reservation = {.extents = &foreign_frame, .extent_count = 1, .domain = domain};
    result = hypercall(HYPERVISOR_memory_op, XENMEM_decrease_reservation, (u64)&reservation, 0, 0);
    print("prowler:   take its frame away, domain %u: %ld taken%s\n", domain, result, result > 0 ? " ALLOWED" : "");
}

static void try_grants(domid_t domain)
{
    u64 here = end_of_low_ram() + 0x200 * PAGE_SIZE;
    for (u32 reference = 0; reference < 4; reference++) {
        struct gnttab_map_grant_ref map = {
            .host_address = here, .flags = GNTMAP_host_map | GNTMAP_readonly, .reference = reference, .domain = domain};
        i64 result = hypercall(HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (u64)&map, 1, 0);
        print("prowler:   map grant %u of domain %u: %ld, status %d%s\n", reference, domain, result, map.status,
            result >= 0 && map.status == 0 ? " ALLOWED" : "");
        if (result >= 0 && map.status == 0) {
            scan("the granted frame", here, PAGE_SIZE, PAGE_SIZE);
        }
    }
    static u8 buffer[PAGE_SIZE] __attribute__((aligned(4096)));
    struct gnttab_copy copy = {
        .source = {.reference_or_gfn = argument_number("frame", 0x100), .domain = domain},
        .destination = {.reference_or_gfn = (u64)buffer >> PAGE_SHIFT, .domain = DOMID_SELF},
        .length = PAGE_SIZE};
    i64 result = hypercall(HYPERVISOR_grant_table_op, GNTTABOP_copy, (u64)&copy, 1, 0);
    print("prowler:   copy a frame of domain %u: %ld, status %d%s\n", domain, result, copy.status,
        result >= 0 && copy.status == 0 ? " ALLOWED" : "");
    scan("what the copy brought", (u64)buffer, PAGE_SIZE, PAGE_SIZE);
}

static void try_control(domid_t domain)
{
    struct xen_domctl control = {
        .command = DOMCTL_getdomaininfo, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = domain};
    tell("domctl getdomaininfo", domain, hypercall(HYPERVISOR_domctl, (u64)&control, 0, 0, 0));
    control.command = DOMCTL_pausedomain;
    tell("domctl pausedomain", domain, hypercall(HYPERVISOR_domctl, (u64)&control, 0, 0, 0));
    struct sched_remote_shutdown shutdown = {.domain = domain, .reason = SHUTDOWN_crash};
    tell("shut it down", domain, hypercall(HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, (u64)&shutdown, 0, 0));
    u64 value;
    tell("read its HVM parameters", domain, xen_get_param(domain, HVM_PARAM_CONSOLE_PFN, &value));
    struct evtchn_bind_interdomain bind = {.remote_domain = domain, .remote_port = 1};
    tell("bind its event port 1", domain,
        hypercall(HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, (u64)&bind, 0, 0));
}

// Pointers into nothing and into other people's halves of the address space, for Xen to copy from and to.
static void try_bad_pointers(void)
{
    const u64 pointers[] = {0, 1UL << 46, 0x8000000000000000UL, ~0UL, 0xffff830000000000UL};
    for (u32 i = 0; i < COUNT_OF(pointers); i++) {
        print("prowler:   argument at 0x%lx: %s\n", pointers[i],
            errno_name(hypercall(HYPERVISOR_memory_op, XENMEM_memory_map, pointers[i], 0, 0)));
    }
    struct xen_sysctl system = {.command = 1, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    print("prowler:   sysctl: %s\n", errno_name(hypercall(HYPERVISOR_sysctl, (u64)&system, 0, 0, 0)));
    print("prowler:   platform_op: %s\n", errno_name(hypercall(HYPERVISOR_platform_op, (u64)&system, 0, 0, 0)));
    print("prowler:   mmu_update: %s\n", errno_name(hypercall(HYPERVISOR_mmu_update, (u64)&system, 1, 0, DOMID_SELF)));
    print("prowler:   hypercall 60: %s\n", errno_name(hypercall(60, 0, 0, 0, 0)));
}

// Xen tells a guest its own number in CPUID leaf base + 4 (arch-x86/cpuid.h XEN_HVM_CPUID_DOMID_PRESENT).
static u32 own_domain(void)
{
    struct cpuid_result leaf = cpuid(machine.xen_cpuid_base + 4, 0);
    return (leaf.eax & (1u << 4)) != 0 ? leaf.ecx : DOMID_SELF;
}

static void try_hypercalls(void)
{
    u32 domains = (u32)argument_number("domains", 4), self = own_domain();
    print("prowler: I am domain %u; asking Xen for what is not mine\n", self);
    for (u32 domain = 0; domain < domains; domain++) {
        if (domain == self) {
            continue;
        }
        try_foreign_map((domid_t)domain);
        try_grants((domid_t)domain);
        try_control((domid_t)domain);
    }
    try_bad_pointers();
}

int guest_main(void)
{
    u64 passes = argument_number("passes", 2), window = argument_number("window", 16 * MIB);
    print("prowler: my RAM ends at 0x%lx\n", end_of_low_ram());
    if (machine.on_xen && argument_number("calls", 1) != 0) {
        try_hypercalls();
    }
    for (u64 pass = 0; pass < passes; pass++) {
        scan_own_memory();
        scan("beyond my memory", end_of_low_ram(), argument_number("beyond", 4 * MIB), PAGE_SIZE);
        scan("the window at 1 GiB", WINDOW_START, window, PAGE_SIZE);
        for (u32 i = 0; i < 16; i++) {
            xen_yield(); // let the others put something there
        }
    }
    scan_holes(argument_number("step", 1 * MIB));
    probe_high_addresses();
    print("prowler: done, %u secrets found\n", secrets_found);
    return 0;
}
