// NEON with bf16 instructions: Neoverse V1 and N2, Cortex-A510 and A710, Apple M2 and later.
#if defined(__aarch64__)
#define SLM_NAME neonbf16
#define SLM_FEATURES "bf16,dotprod"
#define SLM_NEON
#define SLM_DOTPROD
#define SLM_NATIVE_BF16
#include "bodies/table.h"
#endif
