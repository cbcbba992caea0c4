// AVX-512: Skylake-X and later.
#if defined(__x86_64__)
#define SLM_NAME avx512
#define SLM_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi2"
#define SLM_AVX512
#include "bodies/table.h"
#endif
