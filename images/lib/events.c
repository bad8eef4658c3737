// Event channels with an upcall by interrupt vector, and the one event that the guests here wait for: their timer.
// Compiled with -mgeneral-regs-only: handle_upcall runs inside an interrupt.
#include "traps.h"

#include "runtime.h"

static volatile struct shared_info *shared;
static u32 timer_port;
static volatile u64 upcalls, timer_fired;

// A guest frame with nothing behind it, for shared_info to be put there: the first page after the RAM that we run in.
static u64 hole_frame(void)
{
    struct memory_range memory = free_memory();
    return (memory.start + memory.size) >> PAGE_SHIFT;
}

static bool refused(const char *what, i64 result)
{
    if (result >= 0) {
        return false;
    }
    print("events: %s refused (%s)\n", what, errno_name(result));
    return true;
}

bool events_init(void)
{
    struct xen_add_to_physmap add = {.domain = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gfn = hole_frame()};
    if (refused("shared_info", hypercall(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (u64)&add, 0, 0))) {
        return false;
    }
    shared = (struct shared_info *)(add.gfn << PAGE_SHIFT);

    struct xen_hvm_param callback = {
        .domain = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = HVM_CALLBACK_VECTOR(UPCALL_VECTOR)};
    if (refused("upcall vector", hypercall(HYPERVISOR_hvm_op, HVMOP_set_param, (u64)&callback, 0, 0))) {
        return false;
    }

    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = 0};
    if (refused("timer event", hypercall(HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (u64)&bind, 0, 0))) {
        return false;
    }
    timer_port = bind.port;
    shared->mask[timer_port / 64] &= ~(1UL << timer_port % 64);
    __asm__ volatile("sti");
    return true;
}

// Two levels of bits tell which ports are pending: a selector bit per word of 64 ports (event_channel.h).
void handle_upcall(void)
{
    upcalls++;
    volatile struct vcpu_info *vcpu = &shared->vcpu[0];
    vcpu->upcall_pending = 0;
    u64 words = __atomic_exchange_n(&vcpu->pending_selector, 0, __ATOMIC_SEQ_CST);
    for (u32 word = 0; word < 64; word++) {
        if ((words >> word & 1) == 0) {
            continue;
        }
        u64 ports = shared->pending[word] & ~shared->mask[word];
        __atomic_and_fetch(&shared->pending[word], ~ports, __ATOMIC_SEQ_CST);
        if (word == timer_port / 64 && (ports >> timer_port % 64 & 1) != 0) {
            timer_fired++;
        }
    }
}

// Xen publishes (time, TSC) pairs under a version that is odd while it writes (arch-x86/xen.h vcpu_time_info).
u64 system_time(void)
{
    volatile struct vcpu_time_info *time = &shared->vcpu[0].time;
    for (;;) {
        u32 version = time->version;
        u64 delta = read_tsc() - time->tsc_timestamp;
        delta = time->tsc_shift < 0 ? delta >> -time->tsc_shift : delta << time->tsc_shift;
        // (delta * mul) >> 32 by halves: the product may need more than 64 bits.
        u64 mul = time->tsc_to_system_mul;
        u64 scaled = (delta >> 32) * mul + ((delta & 0xffffffff) * mul >> 32);
        u64 now = time->system_time + scaled;
        if (version == time->version && (version & 1) == 0) {
            return now;
        }
    }
}

u64 events_seen(void)
{
    return upcalls;
}

void sleep_nanoseconds(u64 nanoseconds)
{
    if (timer_port == 0) {
        xen_yield();
        return;
    }
    u64 seen = timer_fired;
    struct vcpu_set_singleshot_timer timer = {.timeout = system_time() + nanoseconds};
    if (hypercall(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, (u64)&timer, 0) < 0) {
        xen_yield();
        return;
    }
    while (timer_fired == seen) {
        hypercall(HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0); // returns at once when the event is already there
    }
}
