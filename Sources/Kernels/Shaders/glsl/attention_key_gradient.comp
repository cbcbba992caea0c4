#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
// dk = dsᵀ·q and dv = pᵀ·dy, for ROWS keys of a head, summed over the query heads that share them.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DK = 7, DV = 8;
shared float keys[ROWS * WIDTH], values[ROWS * WIDTH], queries[COLUMNS * WIDTH], slopes[COLUMNS * WIDTH];
shared float p[ROWS * (COLUMNS + 1)], ds[ROWS * (COLUMNS + 1)];

void main() {
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4];
    const uint blocks = (T + ROWS - 1) / ROWS, block = workgroup() % blocks, item = workgroup() / blocks, heads = H / group;
    if (is_beyond()) return;
    const uint b = item / heads, s0 = block * ROWS, row = gl_LocalInvocationID.x / 4, lane = gl_LocalInvocationID.x % 4, s = s0 + row;
    const uint k0 = b * T * stride + item % heads * D;
    LOAD_ROWS(keys, K, k0, s0, ROWS, stride)
    LOAD_ROWS(values, V, k0, s0, ROWS, stride)
    float key_sums[SHARE], value_sums[SHARE];
    [[unroll]] for (uint c = 0; c < SHARE; c++) key_sums[c] = value_sums[c] = 0;
    for (uint i = 0; i < group; i++) {
        const uint h = item % heads * group + i, q0 = b * T * stride + h * D, of_head = (b * H + h) * T;
        for (uint t0 = s0; t0 < T; t0 += COLUMNS) {
            // Queries of later documents do not see these keys. The first positions never decrease.
            if (has(FIRST) && uint(get_int(FIRST, b * T + t0)) >= s0 + ROWS) break;
            barrier();
            LOAD_ROWS(queries, Q, q0, t0, COLUMNS, stride)
            LOAD_ROWS(slopes, DY, b * T * y_stride + h * D, t0, COLUMNS, y_stride)
            barrier();
            for (uint j = lane; j < COLUMNS; j += 4) {
                const uint t = t0 + j;
                float score = 0, dp = 0;
                for (uint c = 0; c < D; c++) {
                    score += queries[j * WIDTH + c] * keys[row * WIDTH + c];
                    dp += slopes[j * WIDTH + c] * values[row * WIDTH + c];
                }
                score = capped(score * x[0]);
                const bool seen = t < T && s <= t && (!has(FIRST) || s >= get_int(FIRST, b * T + t));
                const float probability = seen ? exp(score - get(LOG_SUMS, of_head + t)) : 0;
                p[row * (COLUMNS + 1) + j] = probability;
                ds[row * (COLUMNS + 1) + j] =
                    seen ? probability * (dp - get(PRODUCTS, of_head + t)) * capped_slope(score) * x[0] : 0;
            }
            barrier();
            for (uint j = 0; j < COLUMNS; j++) {
                const float probability = p[row * (COLUMNS + 1) + j], d = ds[row * (COLUMNS + 1) + j];
                [[unroll]] for (uint c = 0; c < SHARE; c++) {
                    value_sums[c] += probability * slopes[j * WIDTH + lane + 4 * c];
                    key_sums[c] += d * queries[j * WIDTH + lane + 4 * c];
                }
            }
        }
    }
    if (s >= T) return;
    [[unroll]] for (uint c = 0; c < SHARE; c++) {
        put(DK, k0 + s * stride + lane + 4 * c, key_sums[c]);
        put(DV, k0 + s * stride + lane + 4 * c, value_sums[c]);
    }
}
