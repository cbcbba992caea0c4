// AVX-512: Skylake-X and later.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,fma,f16c,bmi2"))), apply_to = function)
#define SLM_SPLIT slm_split_avx512
#include "split_body.h"
#pragma clang attribute pop
#endif
