#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// y = softmax(scale·q·kᵀ)·v, in two passes over the keys: the first finds log Σ exp(score) of each row, the second adds up the
// values.
const uint Q = 0, K = 1, V = 2, FIRST = 3, Y = 4, LOG_SUMS = 5;
shared bfloat16_t weights[4][16 * STRIDE];

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = T / 64, own = gl_SubgroupID, lane = gl_SubgroupInvocationID;
    // The last blocks, which have the most keys, begin first.
    const uint block = blocks - 1 - workgroup() % blocks, item = workgroup() / blocks, b = item / H, h = item % H;
    const uint t0 = block * 64 + own * 16, q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D;
    // Two lanes share a row; each has half of its columns.
    const uint row = lane / 2, part = lane % 2 * (COLUMNS / 2), t = t0 + row;
    const uint first = has(FIRST) ? get_int(FIRST, b * T + t) : 0;
    const uint start = has(FIRST) ? uint(get_int(FIRST, b * T + t0)) / COLUMNS * COLUMNS : 0, end = t0 + 16;

    LEFT queries[FRAGMENTS];
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) LOAD_LEFT(queries[d], Q, q0 + t0 * stride + 16 * d, stride);
    SUMS y[FRAGMENTS];
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) y[d] = SUMS(0.0);
    float largest = -3e38, total = 0, log_sum = 0;
    [[unroll]] for (uint pass = 0; pass < 2; pass++) {
        for (uint s0 = start; s0 < end; s0 += COLUMNS) {
            [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
                SUMS s = SUMS(0.0);
                [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                    RIGHT key;
                    LOAD_TRANSPOSED(key, K, k0 + (s0 + 16 * j) * stride + 16 * d, stride);
                    s = coopMatMulAdd(queries[d], key, s);
                }
                coopMatStore(s, scores[own], 16 * j, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
            }
            subgroupBarrier();
            if (pass == 0) {
                float score[COLUMNS / 2], top = largest;
                [[unroll]] for (uint j = 0; j < COLUMNS / 2; j++) {
                    const uint s = s0 + part + j;
                    score[j] = s <= t && s >= first ? capped(scores[own][row * COLUMNS + part + j] * x[0]) : -3e38;
                    top = max(top, score[j]);
                }
                total *= exp(largest - top);
                [[unroll]] for (uint j = 0; j < COLUMNS / 2; j++) total += score[j] > -1e38 ? exp(score[j] - top) : 0;
                largest = top;
            } else {
                [[unroll]] for (uint j = 0; j < COLUMNS / 2; j++) {
                    const uint s = s0 + part + j;
                    const float p = s <= t && s >= first ? exp(capped(scores[own][row * COLUMNS + part + j] * x[0]) - log_sum) : 0;
                    weights[own][row * STRIDE + part + j] = bfloat16_t(p);
                }
                subgroupBarrier();
                [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
                    LEFT p;
                    coopMatLoad(p, weights[own], 16 * j, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                        RIGHT value;
                        LOAD_RIGHT(value, V, k0 + (s0 + 16 * j) * stride + 16 * d, stride);
                        y[d] = coopMatMulAdd(p, value, y[d]);
                    }
                }
            }
            subgroupBarrier();
        }
        if (pass == 0) {
            const float other = subgroupShuffleXor(largest, 1), top = max(largest, other);
            total *= exp(largest - top);
            total += subgroupShuffleXor(total, 1);
            log_sum = top + log(total);
            if (lane % 2 == 0 && has(LOG_SUMS)) put(LOG_SUMS, item * T + t, log_sum);
        }
    }
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
        coopMatStore(y[d], scores[own], 0, 16, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        [[unroll]] for (uint i = lane; i < 256; i += 32)
            put(Y, (b * T + t0 + i / 16) * y_stride + h * D + 16 * d + i % 16, scores[own][i]);
        subgroupBarrier();
    }
}
