// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// AVX2 with FMA: Haswell, Zen and later.
#if defined(__x86_64__)
#include <immintrin.h>
#define SLM_FEATURES "avx2,fma,f16c,bmi2"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_avx2
#define SLM_NAME "avx2"
#define W 8
#define MR 4
#define NV 3
#define FLOAT_ROWS 6
#define INT_ROWS 3
#define SLM_AVX2
#include "bodies/table.h"
#pragma clang attribute pop
#endif
