// Chooses the kernels for this CPU.
#include "kernels.h"
#include <string.h>

extern const slm_kernels slm_kernels_plain;
#if defined(__x86_64__)
extern const slm_kernels slm_kernels_avx512bf16, slm_kernels_avx512, slm_kernels_avx2;

static bool is_supported(const slm_kernels *k) {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    if (k == &slm_kernels_avx512bf16) return avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
    if (k == &slm_kernels_avx512) return avx512;
    if (k == &slm_kernels_avx2) return avx2;
    return true;
}
static const slm_kernels *const best_first[] = {&slm_kernels_avx512bf16, &slm_kernels_avx512, &slm_kernels_avx2, &slm_kernels_plain};
#else
static bool is_supported(const slm_kernels *k) { return k != NULL; }
static const slm_kernels *const best_first[] = {&slm_kernels_plain};
#endif

enum { TABLES = sizeof best_first / sizeof *best_first };

const slm_kernels *slm_kernels_named(const char *name) {
    for (int i = 0; i < TABLES; i++)
        if (strcmp(best_first[i]->name, name) == 0) return is_supported(best_first[i]) ? best_first[i] : NULL;
    return NULL;
}

const slm_kernels *slm_kernels_best(void) {
    for (int i = 0; i < TABLES; i++)
        if (is_supported(best_first[i])) return best_first[i];
    return &slm_kernels_plain;
}
