// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// NEON with dot products of bytes: Cortex-A76, Neoverse N1, Apple M1 and later.
#if defined(__aarch64__)
#include <arm_neon.h>
#define SLM_FEATURES "dotprod"
#pragma clang attribute push(__attribute__((target(SLM_FEATURES))), apply_to = function)
#define SLM_TABLE slm_kernels_neondotprod
#define SLM_NAME "neondotprod"
#define W 4
#define MR 8
#define NV 3
#define FLOAT_ROWS 8
#define INT_ROWS 8
#define SLM_NEON
#define SLM_DOTPROD
#include "bodies/table.h"
#pragma clang attribute pop
#endif
