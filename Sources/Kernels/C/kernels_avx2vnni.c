// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// AVX2 with FMA and the byte dot products of AVX-VNNI, for int8 and int4: Alder Lake, Zen 5 and later. Other kernels equal those of avx2.
#if defined(__x86_64__)
#include <immintrin.h>
#define SLM_FEATURES "avxvnni,avx2,fma,f16c,bmi2"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_avx2vnni
#define SLM_NAME "avx2vnni"
#define W 8
#define MR 4
#define NV 3
#define FLOAT_ROWS 6
#define INT_ROWS 3
#define SLM_AVX2
#define SLM_VNNI
#include "bodies/table.h"
#pragma clang attribute pop
#endif
