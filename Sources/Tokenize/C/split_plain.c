// What every CPU of the compiler's baseline supports: SSE2 on x86-64, NEON on 64-bit ARM.
#define SLM_SPLIT slm_split_plain
#include "split_body.h"
