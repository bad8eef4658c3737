// Xen's public interface as far as the guests use it: numbers and layouts from xen/include/public (Xen 4.17).
#pragma once

#include "types.h"

// Hypercall numbers (xen.h): the index of the 32-byte entry in the hypercall page.
enum {
    HYPERVISOR_mmu_update = 1,
    HYPERVISOR_platform_op = 7,
    HYPERVISOR_memory_op = 12,
    HYPERVISOR_xen_version = 17,
    HYPERVISOR_console_io = 18,
    HYPERVISOR_grant_table_op = 20,
    HYPERVISOR_vcpu_op = 24,
    HYPERVISOR_sched_op = 29,
    HYPERVISOR_event_channel_op = 32,
    HYPERVISOR_hvm_op = 34,
    HYPERVISOR_sysctl = 35,
    HYPERVISOR_domctl = 36,
};

typedef u16 domid_t;
#define DOMID_SELF 0x7FF0

// arch-x86/hvm/start_info.h
#define START_INFO_MAGIC 0x336ec578
struct start_info {
    u32 magic, version, flags, modules;
    u64 module_list, command_line, rsdp;
    u64 memory_map; // from version 1 on
    u32 memory_map_entries, reserved;
};
struct start_info_range {
    u64 start, size;
    u32 type, reserved;
};

// memory.h
enum {
    XENMEM_decrease_reservation = 1,
    XENMEM_populate_physmap = 6,
    XENMEM_add_to_physmap = 7,
    XENMEM_memory_map = 9,
    XENMEM_add_to_physmap_batch = 23,
};
enum { XENMAPSPACE_shared_info = 0, XENMAPSPACE_grant_table = 1, XENMAPSPACE_gmfn_foreign = 4 };
struct xen_memory_map {
    u32 entries;
    void *buffer; // of struct e820_entry
};
struct e820_entry {
    u64 start, size;
    u32 type;
} __attribute__((packed));
struct xen_add_to_physmap {
    domid_t domain;
    u16 size;
    u32 space;
    u64 index, gfn;
};
struct xen_add_to_physmap_batch {
    domid_t domain;
    u16 space, size;
    domid_t foreign_domain;
    u64 *indices, *gfns;
    int *errors;
};
struct xen_memory_reservation {
    u64 *extents;
    u64 extent_count;
    u32 extent_order, flags;
    domid_t domain;
};

// version.h
enum { XENVER_version = 0, XENVER_extraversion = 1, XENVER_get_features = 6 };
struct xen_feature_info {
    u32 submap_index, submap;
};

// sched.h
enum { SCHEDOP_yield = 0, SCHEDOP_block = 1, SCHEDOP_shutdown = 2, SCHEDOP_remote_shutdown = 4 };
enum { SHUTDOWN_poweroff = 0, SHUTDOWN_reboot = 1, SHUTDOWN_crash = 3 };
struct sched_remote_shutdown {
    domid_t domain;
    u32 reason;
};

// event_channel.h
enum { EVTCHNOP_bind_interdomain = 0, EVTCHNOP_bind_virq = 1, EVTCHNOP_send = 4, EVTCHNOP_unmask = 9 };
enum { VIRQ_TIMER = 0 };
struct evtchn_bind_interdomain {
    domid_t remote_domain;
    u32 remote_port, local_port;
};
struct evtchn_bind_virq {
    u32 virq, vcpu, port;
};

// vcpu.h
enum { VCPUOP_stop_periodic_timer = 7, VCPUOP_set_singleshot_timer = 8 };
struct vcpu_set_singleshot_timer {
    u64 timeout; // absolute system time in nanoseconds
    u32 flags;
};

// hvm/hvm_op.h, hvm/params.h
enum { HVMOP_set_param = 0, HVMOP_get_param = 1 };
enum { HVM_PARAM_CALLBACK_IRQ = 0, HVM_PARAM_STORE_PFN = 1, HVM_PARAM_CONSOLE_PFN = 17, HVM_PARAM_CONSOLE_EVTCHN = 18 };
#define HVM_CALLBACK_VECTOR(v) ((2UL << 56) | (v))
struct xen_hvm_param {
    domid_t domain;
    u16 pad;
    u32 index;
    u64 value;
};

// grant_table.h
enum { GNTTABOP_map_grant_ref = 0, GNTTABOP_setup_table = 2, GNTTABOP_copy = 5 };
#define GNTMAP_host_map (1 << 1)
#define GNTMAP_readonly (1 << 2)
#define GNTCOPY_source_gref (1 << 0)
struct gnttab_map_grant_ref {
    u64 host_address;
    u32 flags, reference;
    domid_t domain;
    int16_t status;
    u32 handle;
    u64 bus_address;
};
struct gnttab_copy_pointer {
    u64 reference_or_gfn; // a union of u32 and u64: the high half is not read for references
    domid_t domain;
    u16 offset;
};
struct gnttab_copy {
    struct gnttab_copy_pointer source, destination;
    u16 length, flags;
    int16_t status;
};

// xen.h and arch-x86/xen.h, 64-bit layout
struct vcpu_time_info {
    u32 version, pad0;
    u64 tsc_timestamp, system_time;
    u32 tsc_to_system_mul;
    int8_t tsc_shift;
    u8 flags, pad1[2];
};
struct vcpu_info {
    u8 upcall_pending, upcall_mask, pad[6];
    u64 pending_selector;
    u64 cr2, pad1;
    struct vcpu_time_info time;
};
struct shared_info {
    struct vcpu_info vcpu[32];
    u64 pending[64];
    u64 mask[64];
    u32 wallclock_version, wallclock_seconds, wallclock_nanoseconds, wallclock_seconds_high;
};

// domctl.h, sysctl.h: only the heads, for calls that a guest may not make
#define XEN_DOMCTL_INTERFACE_VERSION 0x15
#define XEN_SYSCTL_INTERFACE_VERSION 0x15
enum { DOMCTL_destroydomain = 2, DOMCTL_pausedomain = 3, DOMCTL_getdomaininfo = 5 };
struct xen_domctl {
    u32 command, interface_version;
    domid_t domain;
    u16 pad[3];
    u8 body[128];
};
struct xen_sysctl {
    u32 command, interface_version;
    u8 body[128];
};
