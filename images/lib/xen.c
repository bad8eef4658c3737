// Finding Xen and calling it (xen/include/public/arch-x86/cpuid.h, xen.h).
#include "runtime.h"

extern u8 hypercall_page[PAGE_SIZE];

// Xen's CPUID leaves start at 0x40000000, or at a multiple of 0x100 above it when another interface comes first.
static u32 find_xen(void)
{
    for (u32 base = 0x40000000; base < 0x40010000; base += 0x100) {
        struct cpuid_result r = cpuid(base, 0);
        u32 signature[3] = {r.ebx, r.ecx, r.edx};
        if (memcmp(signature, "XenVMMXenVMM", 12) == 0 && r.eax - base >= 2) {
            return base;
        }
    }
    return 0;
}

void xen_init(void)
{
    u32 base = find_xen();
    if (base == 0) {
        return;
    }
    // Leaf base + 2 names the MSR; the page written to it is filled by Xen with one 32-byte stub per hypercall.
    write_msr(cpuid(base + 2, 0).ebx, (u64)hypercall_page);
    machine.xen_cpuid_base = base;
    machine.on_xen = true;
}

// 64-bit convention: arguments in RDI, RSI, RDX, R10, R8; the result in RAX; argument registers may be destroyed.
i64 hypercall(u32 number, u64 a0, u64 a1, u64 a2, u64 a3)
{
    i64 result;
    register u64 r10 __asm__("r10") = a3;
    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10)
                     : [entry] "r"(hypercall_page + number * 32)
                     : "memory", "r8", "r9", "r11", "cc");
    return result;
}

// Negative results are errnos by Xen's own numbering (errno.h).
const char *errno_name(i64 result)
{
    static const struct {
        i64 number;
        const char *name;
    } names[] = {
        {0, "ok"},       {1, "EPERM"},   {2, "ENOENT"},  {3, "ESRCH"},   {6, "ENXIO"},   {7, "E2BIG"},
        {11, "EAGAIN"},  {12, "ENOMEM"}, {13, "EACCES"}, {14, "EFAULT"}, {16, "EBUSY"},  {17, "EEXIST"},
        {19, "ENODEV"},  {22, "EINVAL"}, {28, "ENOSPC"}, {34, "ERANGE"}, {38, "ENOSYS"}, {95, "EOPNOTSUPP"},
    };
    if (result > 0) {
        return "a positive value";
    }
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        if (names[i].number == -result) {
            return names[i].name;
        }
    }
    return "another errno";
}

void xen_yield(void)
{
    if (machine.on_xen) {
        hypercall(HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
    } else {
        relax();
    }
}

i64 xen_get_param(domid_t domain, u32 index, u64 *value)
{
    struct xen_hvm_param param = {.domain = domain, .index = index};
    i64 result = hypercall(HYPERVISOR_hvm_op, HVMOP_get_param, (u64)&param, 0, 0);
    *value = param.value;
    return result;
}
