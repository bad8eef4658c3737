/*
 * Runs single instructions and short sequences natively, in user mode, and reports everything that they changed.
 *
 * The .NET runtime owns the signals that faults turn into; this process has them for itself. It reads fixed-size requests on
 * stdin and answers each with a fixed-size reply on stdout (layouts below; NativeCase.cs is the other side). A case is entered
 * by IRETQ, which loads RIP, CS, RFLAGS and RSP at once, so that every register and flag of user mode can be chosen, and 32-bit
 * code is a matter of the selector. It ends with the first fault: the code page is filled with INT3, which is the normal end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    CODE_PAGE = 0x10000000,      /* one page, read and execute, between unmapped ones */
    DATA_PAGES = 0x20001000,     /* two pages, read and write, between unmapped ones */
    DATA_SIZE = 0x2000,
    READ_ONLY_PAGE = 0x20004000, /* one page, read only, between unmapped ones */
    PAGE = 0x1000,
    WINDOW = 256,       /* unless a request says more */
    WINDOW_MAX = 1024,
    CODE_MAX = 64,
    ENDED_AT_STOP = 0x100,
    TIMED_OUT = 0x101,
};

struct machine_state {
    uint64_t gpr[16]; /* in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8-R15 */
    uint64_t rip;
    uint64_t rflags;
    uint8_t legacy[512];   /* FXSAVE64 image */
    uint8_t ymm_high[256]; /* high halves of YMM0-15 */
};

struct request {
    uint32_t bits; /* 64 or 32 */
    uint32_t code_length;
    uint64_t window_address; /* window bytes inside the data pages; everything else there is zero */
    uint64_t window_bytes;   /* 0: WINDOW */
    uint8_t code[CODE_MAX];
    uint8_t window[WINDOW_MAX];
    struct machine_state state; /* rip: where the code is put and entered */
};

struct reply {
    uint32_t vector; /* exception, or ENDED_AT_STOP, or TIMED_OUT */
    uint32_t error_code;
    uint64_t cr2;
    uint32_t wrote_outside; /* nonzero: data pages changed outside the window */
    uint32_t reserved;
    uint8_t window[WINDOW_MAX];
    struct machine_state state;
};

/* XSAVE area, standard format: legacy, header, then AVX state at 576 (CPUID.0DH.2:EBX on every processor so far). */
struct xsave_area {
    uint8_t legacy[512];
    uint64_t xstate_bv;
    uint64_t xcomp_bv;
    uint8_t header_rest[48];
    uint8_t ymm_high[256];
};

/* Not static: the assembly below names them. */
struct xsave_area load_area __attribute__((aligned(64)));
uint64_t load_gpr[16];
struct { uint64_t rip, cs, rflags, rsp, ss; } load_frame __attribute__((aligned(16)));
uint64_t host_rsp;

static struct request request;
static struct reply reply;
static volatile sig_atomic_t in_case;
static volatile uint64_t serial;
static uint8_t *code_alias;

void enter_case(void);
void leave_case(void);

__asm__(
    ".text\n"
    "enter_case:\n"
    "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, host_rsp(%rip)\n"
    "    mov $7, %eax\n"
    "    xor %edx, %edx\n"
    "    lea load_area(%rip), %rcx\n"
    "    xrstor64 (%rcx)\n"
    "    mov load_gpr+0x00(%rip), %rax\n"
    "    mov load_gpr+0x08(%rip), %rcx\n"
    "    mov load_gpr+0x10(%rip), %rdx\n"
    "    mov load_gpr+0x18(%rip), %rbx\n"
    "    mov load_gpr+0x28(%rip), %rbp\n"
    "    mov load_gpr+0x30(%rip), %rsi\n"
    "    mov load_gpr+0x38(%rip), %rdi\n"
    "    mov load_gpr+0x40(%rip), %r8\n"
    "    mov load_gpr+0x48(%rip), %r9\n"
    "    mov load_gpr+0x50(%rip), %r10\n"
    "    mov load_gpr+0x58(%rip), %r11\n"
    "    mov load_gpr+0x60(%rip), %r12\n"
    "    mov load_gpr+0x68(%rip), %r13\n"
    "    mov load_gpr+0x70(%rip), %r14\n"
    "    mov load_gpr+0x78(%rip), %r15\n"
    "    lea load_frame(%rip), %rsp\n"
    "    iretq\n"
    "leave_case:\n" /* comes from the signal handler; the kernel has put the FPU into its initial state */
    "    mov host_rsp(%rip), %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n"
    "    cld\n"
    "    ret\n");

static void capture(ucontext_t *context)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    greg_t *gregs = context->uc_mcontext.gregs;
    struct xsave_area *saved = (struct xsave_area *)context->uc_mcontext.fpregs;
    for (int i = 0; i < 16; i++) {
        reply.state.gpr[i] = (uint64_t)gregs[order[i]];
    }
    reply.state.rip = (uint64_t)gregs[REG_RIP];
    reply.state.rflags = (uint64_t)gregs[REG_EFL];
    memcpy(reply.state.legacy, saved->legacy, sizeof saved->legacy);
    memset(reply.state.legacy + 416, 0, 96); /* software bytes of the kernel */
    if (saved->xstate_bv & 4) {
        memcpy(reply.state.ymm_high, saved->ymm_high, sizeof saved->ymm_high);
    } else {
        memset(reply.state.ymm_high, 0, sizeof reply.state.ymm_high);
    }
    reply.vector = (uint32_t)gregs[REG_TRAPNO];
    reply.error_code = (uint32_t)gregs[REG_ERR];
    reply.cr2 = (uint64_t)gregs[REG_CR2];
    if (reply.vector == 3) {
        reply.vector = ENDED_AT_STOP;
        reply.state.rip--;
    }
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    static uint64_t last_serial;
    (void)info;
    /* RFLAGS.AC and NT are still as the case left them. */
    __asm__ volatile("pushfq\n andl $~0x44000, (%%rsp)\n popfq" ::: "memory", "cc");
    if (!in_case) {
        if (signal == SIGALRM) {
            return;
        }
        _exit(70);
    }
    if (signal == SIGALRM) {
        if (last_serial != serial) {
            last_serial = serial;
            return;
        }
        capture(context);
        reply.vector = TIMED_OUT;
    } else {
        capture(context);
    }
    in_case = 0;
    leave_case();
}

static void *map(uintptr_t address, size_t size, int protection, int flags, int file)
{
    void *result = mmap((void *)address, size, protection, flags, file, 0);
    if (result == MAP_FAILED) {
        perror("mmap");
        exit(71);
    }
    return result;
}

static void set_up(void)
{
    static uint8_t signal_stack[64 * 1024] __attribute__((aligned(64)));
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM};
    int file = memfd_create("code", 0);
    if (file < 0 || ftruncate(file, PAGE) != 0) {
        perror("memfd_create");
        exit(72);
    }
    code_alias = map(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file);
    memset(code_alias, 0xCC, PAGE);
    map(CODE_PAGE, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file);
    map(DATA_PAGES, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
    map(READ_ONLY_PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
    memset((void *)DATA_PAGES, 0, DATA_SIZE);
    memset((void *)READ_ONLY_PAGE, 0, PAGE); /* present before it is write-protected: a write then faults with P = 1 */
    mprotect((void *)READ_ONLY_PAGE, PAGE, PROT_READ);

    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &action, 0);
    }
    struct itimerval timer = {{0, 300000}, {0, 300000}};
    setitimer(ITIMER_REAL, &timer, 0);

    /* Compatibility-mode code cannot use the null selectors that a 64-bit process starts with. */
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" ::"r"(0x2B));
}

static void run(void)
{
    static const uint8_t zeros[DATA_SIZE];
    uint64_t code_offset = request.state.rip - CODE_PAGE;
    uint64_t window_offset = request.window_address - DATA_PAGES;
    uint64_t window_bytes = request.window_bytes ? request.window_bytes : WINDOW;
    if (window_bytes > WINDOW_MAX || code_offset >= PAGE || request.code_length > CODE_MAX || request.code_length > PAGE - code_offset
        || window_offset > DATA_SIZE - window_bytes) {
        exit(73);
    }
    memcpy(code_alias + code_offset, request.code, request.code_length);
    memcpy((void *)request.window_address, request.window, window_bytes);
    memcpy(load_gpr, request.state.gpr, sizeof load_gpr);
    memcpy(load_area.legacy, request.state.legacy, sizeof load_area.legacy);
    memcpy(load_area.ymm_high, request.state.ymm_high, sizeof load_area.ymm_high);
    load_area.xstate_bv = 7;
    load_frame.rip = request.state.rip;
    load_frame.cs = request.bits == 32 ? 0x23 : 0x33;
    load_frame.rflags = request.state.rflags;
    load_frame.rsp = request.state.gpr[4];
    load_frame.ss = 0x2B;

    serial++;
    in_case = 1;
    enter_case();

    memcpy(reply.window, (void *)request.window_address, window_bytes);
    memset(reply.window + window_bytes, 0, WINDOW_MAX - window_bytes); /* of an earlier case with a larger window */
    memset((void *)request.window_address, 0, window_bytes);
    reply.wrote_outside = memcmp((void *)DATA_PAGES, zeros, DATA_SIZE) != 0;
    if (reply.wrote_outside) {
        memset((void *)DATA_PAGES, 0, DATA_SIZE);
    }
    memset(code_alias + code_offset, 0xCC, request.code_length);
}

static int read_all(void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(0, (char *)buffer + done, size - done);
        if (n <= 0) {
            if (n < 0 && errno == EINTR) {
                continue;
            }
            return 0;
        }
        done += (size_t)n;
    }
    return 1;
}

static void write_all(const void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(1, (const char *)buffer + done, size - done);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            exit(74);
        }
        done += (size_t)n;
    }
}

int main(void)
{
    set_up();
    while (read_all(&request, sizeof request)) {
        run();
        write_all(&reply, sizeof reply);
    }
    return 0;
}
