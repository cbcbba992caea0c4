// The kernels are in bodies/*.h; this file compiles them for one instruction set.
//
// The compiler's baseline, which every CPU supports: SSE2 on x86-64, NEON on 64-bit ARM.
#define SLM_TABLE slm_kernels_plain
#define SLM_NAME "plain"
#define SLM_FEATURES ""
#define W 4
#define MR 4
#define FLOAT_ROWS 4
#define INT_ROWS 3
#if defined(__aarch64__)
#define NV 4
#else
#define NV 2
#endif
#include "bodies/table.h"
