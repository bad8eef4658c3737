// tenant: somebody who lives in a memory and minds it.
//
// It fills its free memory with a pattern grown from its seed, plants its secret, and then, round after round, walks the
// whole memory through three views of it: one made of 4-KiB pages, one of 2-MiB pages, one of 1-GiB pages. In each round
// one view writes the round's new pattern and all views must read it back. Between rounds it gives the processor away, so
// that other domains run in the middle of its work. If one byte is not as it left it, it says which, and fails.
//
// Command line: seed=N secret=TEXT rounds=N name=TEXT memory=SIZE (how much of its memory to use)
#include <emmintrin.h>

#include "runtime.h"

#define VIEW_BASE(level) ((u64)(level) << 39) // one 512-GiB slot of the address space for each view
#define MARKER "XENOLITH-SECRET:"
#define MAX_REPORTS 5

static char name[32];
static u64 seed, arena_start, arena_size, secret_page;
static u32 failures;

static const struct {
    enum page_level level;
    const char *name;
} views[] = {{PAGES_4K, "4K"}, {PAGES_2M, "2M"}, {PAGES_1G, "1G"}};
static u32 view_count;

// ---- the pattern ------------------------------------------------------------------------------------------------------
// A page's pattern is a sequence of 16-byte vectors: it starts from the seed, the round and the page's own address, and
// each vector follows from the one before by an add and a shifted xor. A page that was swapped, moved, or kept from an
// earlier round does not match.

static __m128i pattern_start(u64 gpa, u64 round)
{
    u64 low = mix64(seed ^ mix64(gpa + round)), high = mix64(low ^ gpa);
    return _mm_set_epi64x((i64)high, (i64)low);
}

static __m128i pattern_next(__m128i v)
{
    v = _mm_add_epi64(v, _mm_set1_epi64x(0x5851f42d4c957f2d));
    return _mm_xor_si128(v, _mm_slli_epi64(v, 13));
}

static void fill_page(u64 view, u64 gpa, u64 round)
{
    __m128i *at = (__m128i *)(view + gpa), v = pattern_start(gpa, round);
    for (u32 i = 0; i < PAGE_SIZE / sizeof v; i++) {
        _mm_store_si128(&at[i], v);
        v = pattern_next(v);
    }
}

// The 64-bit sum over the page as it is; *good tells whether every byte is as expected.
static u64 check_page(u64 view, u64 gpa, u64 round, bool *good)
{
    const __m128i *at = (const __m128i *)(view + gpa);
    __m128i v = pattern_start(gpa, round), sum = _mm_setzero_si128(), same = _mm_set1_epi32(-1);
    for (u32 i = 0; i < PAGE_SIZE / sizeof v; i++) {
        __m128i found = _mm_load_si128(&at[i]);
        same = _mm_and_si128(same, _mm_cmpeq_epi32(found, v));
        sum = _mm_add_epi64(sum, found);
        v = pattern_next(v);
    }
    *good = _mm_movemask_epi8(same) == 0xffff;
    u64 halves[2];
    _mm_storeu_si128((__m128i *)halves, sum);
    return halves[0] ^ mix64(halves[1]);
}

// ---- the secret -------------------------------------------------------------------------------------------------------

static void plant_secret(void)
{
    char secret[64];
    argument_text("secret", "none", secret, sizeof secret);
    u8 *page = (u8 *)(VIEW_BASE(PAGES_4K) + secret_page);
    memset(page, 0, PAGE_SIZE);
    memcpy(page, MARKER, strlen(MARKER));
    memcpy(page + strlen(MARKER), secret, strlen(secret));
    print("tenant %s: secret planted in page 0x%lx\n", name, secret_page);
}

static u64 secret_digest(u64 view)
{
    const u64 *page = (const u64 *)(view + secret_page);
    u64 digest = 0;
    for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i++) {
        digest = mix64(digest ^ page[i]);
    }
    return digest;
}

// ---- walks ------------------------------------------------------------------------------------------------------------

// The i-th page of a walk: forwards through small pages, backwards through large ones, in strides of a prime through huge
// ones, so that the views meet the TLB in different orders.
static u64 page_in_order(u32 view, u64 i)
{
    u64 pages = arena_size / PAGE_SIZE;
    switch (views[view].level) {
    case PAGES_4K:
        return i;
    case PAGES_2M:
        return pages - 1 - i;
    default:
        return pages % 7919 == 0 ? i : i * 7919 % pages;
    }
}

static u64 walk(u32 view, u64 round)
{
    u64 checksum = 0, wrong = 0;
    for (u64 i = 0; i < arena_size / PAGE_SIZE; i++) {
        u64 gpa = arena_start + page_in_order(view, i) * PAGE_SIZE;
        if (gpa == secret_page) {
            continue;
        }
        bool good;
        checksum += mix64(check_page(VIEW_BASE(views[view].level), gpa, round, &good) ^ gpa); // the order does not matter
        if (!good && wrong++ < MAX_REPORTS) {
            print("tenant %s: page 0x%lx is not as I left it (view %s, round %lu)\n", name, gpa, views[view].name, round);
        }
    }
    failures += wrong != 0;
    return checksum;
}

static void write_all(u32 view, u64 round)
{
    for (u64 i = 0; i < arena_size / PAGE_SIZE; i++) {
        u64 gpa = arena_start + page_in_order(view, i) * PAGE_SIZE;
        if (gpa != secret_page) {
            fill_page(VIEW_BASE(views[view].level), gpa, round);
        }
    }
}

// ---- the life ---------------------------------------------------------------------------------------------------------

static void lay_out(void)
{
    struct memory_range memory = free_memory();
    u64 tables = memory.size / (2 * MIB) * PAGE_SIZE + 16 * PAGE_SIZE; // one table for 2 MiB of small pages, and the rest
    u64 limit = argument_number("memory", memory.size);
    if (memory.size <= tables) {
        panic("only %lu KiB of memory: too small", memory.size / KIB);
    }
    arena_start = memory.start;
    arena_size = ROUND_DOWN(memory.size - tables < limit ? memory.size - tables : limit, PAGE_SIZE);
    paging_set_pool(memory.start + memory.size - tables, tables);
    secret_page = arena_start + ROUND_DOWN(arena_size / 2, PAGE_SIZE);

    for (u32 i = 0; i < COUNT_OF(views) && paging_has_level(views[i].level); i++) {
        u64 page = PAGE_SIZE << 9 * (views[i].level - PAGES_4K);
        u64 start = ROUND_DOWN(arena_start, page);
        map_pages(VIEW_BASE(views[i].level) + start, start, ROUND_UP(arena_start + arena_size, page) - start,
            views[i].level);
        view_count++;
    }
}

// Every second rest is a sleep until the timer's event comes, the others just let somebody else run.
static void rest(u64 round, bool have_timer)
{
    if (have_timer && round % 2 != 0) {
        sleep_nanoseconds(20000);
        return;
    }
    for (u32 i = 0; i < 4; i++) {
        xen_yield();
    }
}

int guest_main(void)
{
    argument_text("name", "?", name, sizeof name);
    seed = argument_number("seed", 1);
    u64 rounds = argument_number("rounds", 4);
    lay_out();
    print("tenant %s: seed %lu, %lu KiB at 0x%lx, %u views\n", name, seed, arena_size / KIB, arena_start, view_count);
    plant_secret();
    u64 secret = secret_digest(VIEW_BASE(PAGES_4K));
    bool have_timer = machine.on_xen && argument_number("timer", 1) != 0 && events_init();

    u64 digest = seed;
    for (u64 round = 0; round < rounds; round++) {
        write_all((u32)(round % view_count), round);
        rest(round, have_timer);
        u64 checksum = 0;
        for (u32 view = 0; view < view_count; view++) {
            u64 sum = walk(view, round);
            if (view != 0 && sum != checksum) {
                print("tenant %s: view %s sums to %016lx, not %016lx\n", name, views[view].name, sum, checksum);
                failures++;
            }
            checksum = sum;
            if (secret_digest(VIEW_BASE(views[view].level)) != secret) {
                print("tenant %s: my secret page was changed (view %s, round %lu)\n", name, views[view].name, round);
                failures++;
            }
        }
        digest = mix64(digest ^ checksum);
        print("tenant %s: round %lu checksum %016lx\n", name, round, checksum);
    }
    if (have_timer) {
        print("tenant %s: %s\n", name, events_seen() != 0 ? "the timer's events came" : "NO EVENT CAME");
    }
    print("tenant %s: %lu rounds, digest %016lx, %s\n", name, rounds, digest,
        failures == 0 ? "memory intact" : "MEMORY WAS TOUCHED");
    return failures == 0 ? 0 : 1;
}
