// The sizes of the data caches, as CPUID reports them.
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

slm_caches slm_cpu_caches(void) {
    slm_caches caches = {0, 0};
    unsigned eax, ebx, ecx, edx;
    // AMD describes its caches in leaf 0x8000001D, in the format of Intel's leaf 4, which it does not have.
    const unsigned leaf = __get_cpuid_count(4, 0, &eax, &ebx, &ecx, &edx) && (eax & 31) != 0 ? 4 : 0x8000001d;
    for (unsigned i = 0; i < 8 && __get_cpuid_count(leaf, i, &eax, &ebx, &ecx, &edx); i++) {
        const unsigned type = eax & 31, level = eax >> 5 & 7;
        if (type == 0) break;
        if (type == 2) continue;                              // instructions
        const size_t ways = (ebx >> 22) + 1, partitions = (ebx >> 12 & 1023) + 1, line = (ebx & 4095) + 1, sets = (size_t)ecx + 1;
        const size_t bytes = ways * partitions * line * sets;
        if (level == 2) caches.second = bytes;
        if (level == 3) caches.third = bytes;
    }
    return caches;
}
#else
slm_caches slm_cpu_caches(void) { return (slm_caches){0, 0}; }
#endif
