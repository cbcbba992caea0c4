// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// AVX-512 with bf16 instructions, and AMX with tiles of bf16: Sapphire Rapids and later Xeons.
#if defined(__x86_64__)
#include <immintrin.h>
#define SLM_FEATURES "amx-tile,amx-int8,amx-bf16,avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi2"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_avx512amx
#define SLM_NAME "avx512amx"
#define W 16
#define MR 12
#define NV 2
#define FLOAT_ROWS 12
#define INT_ROWS 6
#define SLM_VNNI
#define SLM_AVX512
#define SLM_NATIVE_BF16
#define SLM_AMX
#include "bodies/table.h"
#pragma clang attribute pop
#endif
