// From the assembly entry to the program: take over what the loader left, find Xen, set up exceptions, run, power off.
#include "runtime.h"

#define EXIT_PORT 0xF4 // QEMU's isa-debug-exit: the process ends with status (value << 1) | 1

struct machine machine;

// hvm_start_info and what it points to lie in ordinary RAM: copied before anything can overwrite them.
static void take_start_info(const struct start_info *info)
{
    if (info->magic != START_INFO_MAGIC) {
        panic("no hvm_start_info at 0x%lx (magic 0x%x)", (u64)info, info->magic);
    }
    machine.start_info_version = info->version;
    if (info->command_line != 0) {
        const char *text = (const char *)info->command_line;
        for (u32 i = 0; i + 1 < sizeof machine.command_line && text[i] != '\0'; i++) {
            machine.command_line[i] = text[i];
        }
    }
    if (info->version == 0) {
        return;
    }
    const struct start_info_range *ranges = (const struct start_info_range *)info->memory_map;
    for (u32 i = 0; i < info->memory_map_entries && i < COUNT_OF(machine.ranges); i++) {
        machine.ranges[i] = (struct memory_range){ranges[i].start, ranges[i].size, ranges[i].type};
        machine.range_count++;
    }
}

const char *range_type_name(u32 type)
{
    static const char *const names[] = {"?", "RAM", "reserved", "ACPI", "NVS", "unusable", "disabled", "persistent"};
    return type < COUNT_OF(names) ? names[type] : "?";
}

struct memory_range free_memory(void)
{
    u64 start = (u64)image_end;
    for (u32 i = 0; i < machine.range_count; i++) {
        struct memory_range *range = &machine.ranges[i];
        if (range->type == RAM && range->start <= (u64)image_start && start - range->start < range->size) {
            u64 end = ROUND_DOWN(range->start + range->size, PAGE_SIZE);
            return (struct memory_range){start, end - start, RAM};
        }
    }
    panic("no RAM range holds this image");
}

void power_off(int exit_code)
{
    console_flush();
    if (machine.on_xen) {
        u32 reason = exit_code == 0 ? SHUTDOWN_poweroff : SHUTDOWN_crash;
        hypercall(HYPERVISOR_sched_op, SCHEDOP_shutdown, (u64)&reason, 0, 0);
    }
    out32(EXIT_PORT, (u32)exit_code);
    halt_forever();
}

void runtime_main(const struct start_info *info);

void runtime_main(const struct start_info *info)
{
    traps_init();
    xen_init();
    take_start_info(info);
    power_off(guest_main());
}
