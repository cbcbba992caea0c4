// What the shaders of causal attention share. A workgroup works on ROWS rows of one head, with four invocations for each row, and on
// COLUMNS rows of the other side at a time.
#include "functions.glsl"
layout(local_size_x_id = 3) in;
layout(constant_id = 0) const uint D = 64;
layout(constant_id = 1) const uint ROWS = 32;
layout(constant_id = 2) const uint COLUMNS = 32;
layout(constant_id = 3) const uint INVOCATIONS = 128;
const uint WIDTH = D + 1, SHARE = D / 4, EACH = COLUMNS / 4;

float capped(float score) { return x[1] > 0 ? x[1] * exact_tanh(score / x[1]) : score; }
// The derivative of capped(), from its result.
float capped_slope(float y) { return x[1] > 0 ? 1 - y * y / (x[1] * x[1]) : 1; }

// Loads COUNT rows of D numbers into shared memory, from row FIRST on; zeros beyond row T.
#define LOAD_ROWS(TARGET, BUFFER, BASE, FIRST, COUNT, STRIDE)                                        \
    for (uint i_ = gl_LocalInvocationID.x; i_ < (COUNT) * D; i_ += INVOCATIONS) {                    \
        const uint row_ = i_ / D, column_ = i_ % D;                                                  \
        TARGET[row_ * WIDTH + column_] = (FIRST) + row_ < T ? get(BUFFER, (BASE) + ((FIRST) + row_) * (STRIDE) + column_) : 0; \
    }
