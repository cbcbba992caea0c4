// NEON of every 64-bit ARM CPU: Cortex-A53 and later.
#if defined(__aarch64__)
#define SLM_NAME neon
#define SLM_NEON
#include "bodies/table.h"
#endif
