#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
// y = softmax(scale·q·kᵀ)·v for ROWS queries of a head, whose keys are visited in order with a running maximum and sum (as in
// FlashAttention). Stores log Σ exp(score).
const uint Q = 0, K = 1, V = 2, FIRST = 3, Y = 4, LOG_SUMS = 5;
shared float queries[ROWS * WIDTH], keys[COLUMNS * WIDTH], scores[ROWS * (COLUMNS + 1)], parts[INVOCATIONS];

void main() {
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = (T + ROWS - 1) / ROWS, block = workgroup() % blocks, item = workgroup() / blocks;
    if (is_beyond()) return;
    const uint b = item / H, h = item % H, t0 = block * ROWS, row = gl_LocalInvocationID.x / 4, lane = gl_LocalInvocationID.x % 4;
    const uint q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D, t = t0 + row;
    LOAD_ROWS(queries, Q, q0, t0, ROWS, stride)
    uint first = t < T && has(FIRST) ? get_int(FIRST, b * T + t) : 0, start = t0;
    if (has(FIRST)) for (uint i = t0; i < min(t0 + ROWS, T); i++) start = min(start, uint(get_int(FIRST, b * T + i)));
    else start = 0;
    float sums[SHARE], largest = -3e38, total = 0;
    [[unroll]] for (uint c = 0; c < SHARE; c++) sums[c] = 0;
    for (uint s0 = start; s0 < min(t0 + ROWS, T); s0 += COLUMNS) {
        barrier();
        LOAD_ROWS(keys, K, k0, s0, COLUMNS, stride)
        barrier();
        float own[EACH], top = -3e38;
        for (uint j = 0; j < EACH; j++) {
            const uint s = s0 + lane + 4 * j;
            float score = 0;
            for (uint c = 0; c < D; c++) score += queries[row * WIDTH + c] * keys[(lane + 4 * j) * WIDTH + c];
            own[j] = s <= t && s >= first && s < T ? capped(score * x[0]) : -3e38;
            top = max(top, own[j]);
        }
        parts[gl_LocalInvocationID.x] = top;
        barrier();
        top = max(max(parts[4 * row], parts[4 * row + 1]), max(parts[4 * row + 2], parts[4 * row + 3]));
        const float new = max(largest, top), factor = exp(largest - new);
        float sum = 0;
        for (uint j = 0; j < EACH; j++) {
            const float e = own[j] > -1e38 ? exp(own[j] - new) : 0;
            scores[row * (COLUMNS + 1) + lane + 4 * j] = e;
            sum += e;
        }
        barrier();
        parts[gl_LocalInvocationID.x] = sum;
        LOAD_ROWS(keys, V, k0, s0, COLUMNS, stride)
        barrier();
        total = total * factor + parts[4 * row] + parts[4 * row + 1] + parts[4 * row + 2] + parts[4 * row + 3];
        largest = new;
        [[unroll]] for (uint c = 0; c < SHARE; c++) sums[c] *= factor;
        for (uint j = 0; j < COLUMNS; j++) {
            const float p = scores[row * (COLUMNS + 1) + j];
            [[unroll]] for (uint c = 0; c < SHARE; c++) sums[c] += p * keys[j * WIDTH + lane + 4 * c];
        }
    }
    if (t >= T) return;
    [[unroll]] for (uint c = 0; c < SHARE; c++) put(Y, (b * T + t) * y_stride + h * D + lane + 4 * c, sums[c] / total);
    if (lane == 0 && has(LOG_SUMS)) put(LOG_SUMS, item * T + t, largest + log(total));
}
