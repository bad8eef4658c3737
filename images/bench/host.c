// The kernels as a program of the host, to find the expected results (it is no part of the image):
//   gcc -O2 -msse2 -mno-avx -ffp-contract=off -Iimages/lib -Iimages/bench images/bench/host.c images/bench/kernels.c -o bench-host
// Exit status 0 when the results are those that the table in kernels.c expects.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels.h"

int main(void)
{
    int failures = 0;
    arena = aligned_alloc(4096, ARENA_SIZE);
    for (int i = 0; i < KERNEL_COUNT; i++) {
        if (kernels[i].prepare != NULL) {
            kernels[i].prepare();
        }
        kernels[i].run();
        clock_t start = clock();
        u64 result = kernels[i].run();
        double milliseconds = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;
        failures += result != kernels[i].expected;
        printf("%-8s 0x%016lx %8.2f ms%s\n", kernels[i].name, result, milliseconds, result == kernels[i].expected ? "" : "  DIFFERS");
    }
    return failures != 0;
}
