// Chooses the split function by the features that CPUID reports.
#include "split.h"
#include <string.h>

size_t slm_split_plain(int, const uint8_t *, size_t, bool, uint32_t *, size_t);

#if defined(__x86_64__)
size_t slm_split_avx2(int, const uint8_t *, size_t, bool, uint32_t *, size_t);
size_t slm_split_avx512(int, const uint8_t *, size_t, bool, uint32_t *, size_t);

static bool supports_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

static bool supports_avx512(void) {
    return supports_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}
#endif

slm_split_function slm_split_function_named(const char *instruction_set) {
#if defined(__x86_64__)
    if (strcmp(instruction_set, "avx512") == 0) return supports_avx512() ? slm_split_avx512 : NULL;
    if (strcmp(instruction_set, "avx2") == 0) return supports_avx2() ? slm_split_avx2 : NULL;
#endif
    return strcmp(instruction_set, "plain") == 0 ? slm_split_plain : NULL;
}

slm_split_function slm_split_function_best(void) {
#if defined(__x86_64__)
    if (supports_avx512()) return slm_split_avx512;
    if (supports_avx2()) return slm_split_avx2;
#endif
    return slm_split_plain;
}

size_t slm_split_at_spaces(const uint8_t *text, size_t length, bool is_last, bool every_space, const bool joins[256], uint32_t *word_ends,
                           size_t capacity) {
    size_t count = 0, at = 0;
    while (at < length && count < capacity) {
        size_t end = at + 1;
        for (;; end++) {
            const uint8_t *space = end < length ? memchr(text + end, ' ', length - end) : NULL;
            if (space == NULL) {
                if (!is_last) return count;
                end = length;
                break;
            }
            end = (size_t)(space - text);
            if (every_space || (text[end - 1] != ' ' && !joins[text[end - 1]])) break;
        }
        word_ends[count++] = (uint32_t)end;
        at = end;
    }
    return count;
}
