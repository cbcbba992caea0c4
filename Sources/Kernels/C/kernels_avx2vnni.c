// AVX2 with FMA and the byte dot products of AVX-VNNI, for int8 and int4: Alder Lake, Zen 5 and later. Other kernels equal those of avx2.
#if defined(__x86_64__)
#define SLM_NAME avx2vnni
#define SLM_FEATURES "avxvnni,avx2,fma,f16c,bmi2"
#define SLM_AVX2
#define SLM_VNNI
#include "bodies/table.h"
#endif
