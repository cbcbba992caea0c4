#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
// dq = ds·k with ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale, for ROWS queries of a head.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DQ = 7;
shared float queries[ROWS * WIDTH], slopes[ROWS * WIDTH], keys[COLUMNS * WIDTH], values[COLUMNS * WIDTH], ds[ROWS * (COLUMNS + 1)];

void main() {
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = (T + ROWS - 1) / ROWS, block = workgroup() % blocks, item = workgroup() / blocks;
    if (is_beyond()) return;
    const uint b = item / H, h = item % H, t0 = block * ROWS, row = gl_LocalInvocationID.x / 4, lane = gl_LocalInvocationID.x % 4;
    const uint q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D, t = t0 + row;
    LOAD_ROWS(queries, Q, q0, t0, ROWS, stride)
    LOAD_ROWS(slopes, DY, b * T * y_stride + h * D, t0, ROWS, y_stride)
    uint first = t < T && has(FIRST) ? get_int(FIRST, b * T + t) : 0, start = t0;
    if (has(FIRST)) for (uint i = t0; i < min(t0 + ROWS, T); i++) start = min(start, uint(get_int(FIRST, b * T + i)));
    else start = 0;
    const float log_sum = t < T ? get(LOG_SUMS, item * T + t) : 0, product = t < T ? get(PRODUCTS, item * T + t) : 0;
    float sums[SHARE];
    [[unroll]] for (uint c = 0; c < SHARE; c++) sums[c] = 0;
    for (uint s0 = start; s0 < min(t0 + ROWS, T); s0 += COLUMNS) {
        barrier();
        LOAD_ROWS(keys, K, k0, s0, COLUMNS, stride)
        LOAD_ROWS(values, V, k0, s0, COLUMNS, stride)
        barrier();
        for (uint j = lane; j < COLUMNS; j += 4) {
            const uint s = s0 + j;
            float score = 0, dp = 0;
            for (uint c = 0; c < D; c++) {
                score += queries[row * WIDTH + c] * keys[j * WIDTH + c];
                dp += slopes[row * WIDTH + c] * values[j * WIDTH + c];
            }
            score = capped(score * x[0]);
            const bool seen = t < T && s <= t && s >= first;
            ds[row * (COLUMNS + 1) + j] = seen ? exp(score - log_sum) * (dp - product) * capped_slope(score) * x[0] : 0;
        }
        barrier();
        for (uint j = 0; j < COLUMNS; j++) {
            const float d = ds[row * (COLUMNS + 1) + j];
            [[unroll]] for (uint c = 0; c < SHARE; c++) sums[c] += d * keys[j * WIDTH + lane + 4 * c];
        }
    }
    if (t >= T) return;
    [[unroll]] for (uint c = 0; c < SHARE; c++) put(DQ, q0 + t * stride + lane + 4 * c, sums[c]);
}
