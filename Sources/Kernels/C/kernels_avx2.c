// AVX2 with FMA: Haswell, Zen and later.
#if defined(__x86_64__)
#define SLM_NAME avx2
#define SLM_FEATURES "avx2,fma,f16c,bmi2"
#define SLM_AVX2
#include "bodies/table.h"
#endif
