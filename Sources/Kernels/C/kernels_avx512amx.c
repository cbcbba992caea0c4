// AVX-512 with bf16 instructions, and AMX with tiles of bf16: Sapphire Rapids and later Xeons.
#if defined(__x86_64__)
#define SLM_NAME avx512amx
#define SLM_FEATURES "amx-tile,amx-int8,amx-bf16,avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi2"
#define SLM_VNNI
#define SLM_AVX512
#define SLM_NATIVE_BF16
#define SLM_AMX
#include "bodies/table.h"
#endif
