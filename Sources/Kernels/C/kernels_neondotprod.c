// NEON with dot products of bytes: Cortex-A76, Neoverse N1, Apple M1 and later.
#if defined(__aarch64__)
#define SLM_NAME neondotprod
#define SLM_FEATURES "dotprod"
#define SLM_NEON
#define SLM_DOTPROD
#include "bodies/table.h"
#endif
