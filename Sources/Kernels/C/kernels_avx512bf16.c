// AVX-512 with bf16 instructions: Zen 4 and later, Cooper Lake, Sapphire Rapids.
#if defined(__x86_64__)
#define SLM_NAME avx512bf16
#define SLM_FEATURES "avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi2"
#define SLM_VNNI
#define SLM_AVX512
#define SLM_NATIVE_BF16
#include "bodies/table.h"
#endif
