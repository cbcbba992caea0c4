#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// dq = ds·k with ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DQ = 7;
shared float slopes[4][16 * COLUMNS];
shared bfloat16_t ds[4][16 * STRIDE];

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = T / 64, own = gl_SubgroupID, lane = gl_SubgroupInvocationID;
    const uint block = blocks - 1 - workgroup() % blocks, item = workgroup() / blocks, b = item / H, h = item % H;
    const uint t0 = block * 64 + own * 16, q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D;
    const uint row = lane / 2, part = lane % 2 * (COLUMNS / 2), t = t0 + row;
    const uint first = has(FIRST) ? get_int(FIRST, b * T + t) : 0;
    const uint start = has(FIRST) ? uint(get_int(FIRST, b * T + t0)) / COLUMNS * COLUMNS : 0;
    const float log_sum = get(LOG_SUMS, item * T + t), product = get(PRODUCTS, item * T + t);

    LEFT queries[FRAGMENTS], dy[FRAGMENTS];
    SUMS dq[FRAGMENTS];
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
        LOAD_LEFT(queries[d], Q, q0 + t0 * stride + 16 * d, stride);
        LOAD_LEFT(dy[d], DY, (b * T + t0) * y_stride + h * D + 16 * d, y_stride);
        dq[d] = SUMS(0.0);
    }
    for (uint s0 = start; s0 < t0 + 16; s0 += COLUMNS) {
        [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
            SUMS s = SUMS(0.0), dp = SUMS(0.0);
            [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                RIGHT key, value;
                LOAD_TRANSPOSED(key, K, k0 + (s0 + 16 * j) * stride + 16 * d, stride);
                LOAD_TRANSPOSED(value, V, k0 + (s0 + 16 * j) * stride + 16 * d, stride);
                s = coopMatMulAdd(queries[d], key, s);
                dp = coopMatMulAdd(dy[d], value, dp);
            }
            coopMatStore(s, scores[own], 16 * j, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
            coopMatStore(dp, slopes[own], 16 * j, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
        }
        subgroupBarrier();
        [[unroll]] for (uint j = 0; j < COLUMNS / 2; j++) {
            const uint s = s0 + part + j, at = row * COLUMNS + part + j;
            const float score = capped(scores[own][at] * x[0]);
            const float d = s <= t && s >= first ? exp(score - log_sum) * (slopes[own][at] - product) * capped_slope(score) * x[0] : 0;
            ds[own][row * STRIDE + part + j] = bfloat16_t(d);
        }
        subgroupBarrier();
        [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
            LEFT d_scores;
            coopMatLoad(d_scores, ds[own], 16 * j, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                RIGHT key;
                LOAD_RIGHT(key, K, k0 + (s0 + 16 * j) * stride + 16 * d, stride);
                dq[d] = coopMatMulAdd(d_scores, key, dq[d]);
            }
        }
        subgroupBarrier();
    }
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
        coopMatStore(dq[d], scores[own], 0, 16, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        [[unroll]] for (uint i = lane; i < 256; i += 32) put(DQ, q0 + (t0 + i / 16) * stride + 16 * d + i % 16, scores[own][i]);
        subgroupBarrier();
    }
}
