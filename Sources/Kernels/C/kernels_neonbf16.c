// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// NEON with bf16 instructions: Neoverse V1 and N2, Cortex-A510 and A710, Apple M2 and later.
#if defined(__aarch64__)
#include <arm_neon.h>
#define SLM_FEATURES "bf16,dotprod"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_neonbf16
#define SLM_NAME "neonbf16"
#define W 4
#define MR 8
#define NV 3
#define FLOAT_ROWS 8
#define INT_ROWS 8
#define SLM_NEON
#define SLM_DOTPROD
#define SLM_NATIVE_BF16
#include "bodies/table.h"
#pragma clang attribute pop
#endif
