// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// AVX-512: Skylake-X and later.
#if defined(__x86_64__)
#include <immintrin.h>
#define SLM_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi2"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_avx512
#define SLM_NAME "avx512"
#define W 16
#define MR 12
#define NV 2
#define FLOAT_ROWS 12
#define INT_ROWS 6
#define SLM_AVX512
#include "bodies/table.h"
#pragma clang attribute pop
#endif
