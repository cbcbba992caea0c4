// AVX2: Haswell, Zen and later.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#define SLM_SPLIT slm_split_avx2
#include "split_body.h"
#pragma clang attribute pop
#endif
