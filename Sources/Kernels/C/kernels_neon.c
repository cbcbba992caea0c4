// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// NEON of every 64-bit ARM CPU: Cortex-A53 and later.
#if defined(__aarch64__)
#include <arm_neon.h>
#define SLM_FEATURES ""
#define SLM_TABLE slm_kernels_neon
#define SLM_NAME "neon"
#define W 4
#define MR 8
#define NV 3
#define FLOAT_ROWS 8
#define INT_ROWS 6      // products of bytes need registers of their own
#define SLM_NEON
#include "bodies/table.h"
#endif
