// The compiler's baseline, which every CPU supports: SSE2 on x86-64, NEON on 64-bit ARM.
#define SLM_NAME plain
#include "bodies/table.h"
