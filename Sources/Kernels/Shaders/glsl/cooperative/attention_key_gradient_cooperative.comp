#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// dk = dsᵀ·q and dv = pᵀ·dy, summed over the query heads that share the keys. The rows of scores are keys here, the columns queries.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DK = 7, DV = 8;
shared float slopes[4][16 * COLUMNS];
shared bfloat16_t p[4][16 * STRIDE], ds[4][16 * STRIDE];

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = T / 64, own = gl_SubgroupID, lane = gl_SubgroupInvocationID, heads = H / group;
    const uint block = workgroup() % blocks, item = workgroup() / blocks, b = item / heads;
    const uint s0 = block * 64 + own * 16, k0 = b * T * stride + item % heads * D;
    // A lane has one query and the 16 keys.
    LEFT keys[FRAGMENTS], values[FRAGMENTS];
    SUMS dk[FRAGMENTS], dv[FRAGMENTS];
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
        LOAD_LEFT(keys[d], K, k0 + s0 * stride + 16 * d, stride);
        LOAD_LEFT(values[d], V, k0 + s0 * stride + 16 * d, stride);
        dk[d] = SUMS(0.0);
        dv[d] = SUMS(0.0);
    }
    for (uint i = 0; i < group; i++) {
        const uint h = item % heads * group + i, q0 = b * T * stride + h * D, dy0 = b * T * y_stride + h * D, of_head = (b * H + h) * T;
        for (uint t0 = s0 / COLUMNS * COLUMNS; t0 < T; t0 += COLUMNS) {
            // Queries of later documents do not see these keys. The first positions never decrease.
            if (has(FIRST) && uint(get_int(FIRST, b * T + t0)) >= s0 + 16) break;
            [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
                SUMS s = SUMS(0.0), dp = SUMS(0.0);
                [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                    RIGHT query, dy;
                    LOAD_TRANSPOSED(query, Q, q0 + (t0 + 16 * j) * stride + 16 * d, stride);
                    LOAD_TRANSPOSED(dy, DY, dy0 + (t0 + 16 * j) * y_stride + 16 * d, y_stride);
                    s = coopMatMulAdd(keys[d], query, s);
                    dp = coopMatMulAdd(values[d], dy, dp);
                }
                coopMatStore(s, scores[own], 16 * j, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
                coopMatStore(dp, slopes[own], 16 * j, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
            }
            subgroupBarrier();
            const uint t = t0 + lane, first = has(FIRST) ? get_int(FIRST, b * T + t) : 0;
            const float log_sum = get(LOG_SUMS, of_head + t), product = get(PRODUCTS, of_head + t);
            [[unroll]] for (uint row = 0; row < 16; row++) {
                const uint s = s0 + row, at = row * COLUMNS + lane;
                const float score = capped(scores[own][at] * x[0]);
                const float probability = s <= t && s >= first ? exp(score - log_sum) : 0;
                p[own][row * STRIDE + lane] = bfloat16_t(probability);
                ds[own][row * STRIDE + lane] = bfloat16_t(probability * (slopes[own][at] - product) * capped_slope(score) * x[0]);
            }
            subgroupBarrier();
            [[unroll]] for (uint j = 0; j < COLUMNS / 16; j++) {
                LEFT probabilities, d_scores;
                coopMatLoad(probabilities, p[own], 16 * j, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(d_scores, ds[own], 16 * j, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
                    RIGHT query, dy;
                    LOAD_RIGHT(query, Q, q0 + (t0 + 16 * j) * stride + 16 * d, stride);
                    LOAD_RIGHT(dy, DY, dy0 + (t0 + 16 * j) * y_stride + 16 * d, y_stride);
                    dv[d] = coopMatMulAdd(probabilities, dy, dv[d]);
                    dk[d] = coopMatMulAdd(d_scores, query, dk[d]);
                }
            }
            subgroupBarrier();
        }
    }
    [[unroll]] for (uint d = 0; d < FRAGMENTS; d++) {
        coopMatStore(dk[d], scores[own], 0, 16, gl_CooperativeMatrixLayoutRowMajor);
        coopMatStore(dv[d], slopes[own], 0, 16, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        [[unroll]] for (uint i = lane; i < 256; i += 32) {
            put(DK, k0 + (s0 + i / 16) * stride + 16 * d + i % 16, scores[own][i]);
            put(DV, k0 + (s0 + i / 16) * stride + 16 * d + i % 16, slopes[own][i]);
        }
        subgroupBarrier();
    }
}
