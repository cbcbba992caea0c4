#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// dk = dsᵀ·q and dv = pᵀ·dy, summed over the query heads that share the keys. The rows of scores are keys here, the columns queries.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DK = 7, DV = 8;
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Numbers { float v[]; };

float weight(const in uint row, const in uint column, const in float product_of_key, const in float log_sum) {
    return exp(capped(product_of_key * x[0]) - log_sum);
}
float mask(const in uint row, const in uint column, const in float weight, const in uint s0, const in uint t0, const in uint b) {
    return attends(t0 + column, s0 + row, b) ? weight : 0;
}
float slope(
    const in uint row, const in uint column, const in float weight, const in float product_of_key, const in float dp, const in float product
) {
    return weight > 0 ? weight * (dp - product) * capped_slope(capped(product_of_key * x[0])) * x[0] : 0;
}

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4], blocks = (T + ROWS - 1) / ROWS, heads = H / group;
    const uint block = workgroup() % blocks, item = workgroup() / blocks, b = item / heads, s0 = block * ROWS;
    const uint k0 = b * T * stride + item % heads * D;
    const LAYOUT rows = layout_of(T, stride), y_rows = layout_of(T, y_stride);
    // Numbers of the queries, the same for each row.
    LAYOUT of_queries = createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
    of_queries = setTensorLayoutDimensionNV(of_queries, ROWS, T);
    of_queries = setTensorLayoutStrideNV(of_queries, 0, 1);

    LEFT k, v;
    LOAD(k, K, k0, rows, s0, ROWS);
    LOAD(v, V, k0, rows, s0, ROWS);
    SUMS dk = SUMS(0.0), dv = SUMS(0.0);
    [[dont_unroll]] for (uint i = 0; i < group; i++) {
        const uint h = item % heads * group + i, q0 = b * T * stride + h * D, dy0 = b * T * y_stride + h * D, of_head = (b * H + h) * T;
        [[dont_unroll]] for (uint t0 = s0 / COLUMNS * COLUMNS; t0 < T; t0 += COLUMNS) {
            // Queries of later documents do not see these keys. The first positions never decrease.
            if (has(FIRST) && uint(get_int(FIRST, b * T + t0)) >= s0 + ROWS) break;
            TRANSPOSED q, dy;
            LOAD_TRANSPOSED(q, Q, q0, rows, t0, COLUMNS);
            const SCORES s = coopMatMulAdd(k, q, SCORES(0.0));
            SCORES p, ds, log_sum, product;
            coopMatLoadTensorNV(log_sum, Numbers(buffers[LOG_SUMS]).v, of_head, sliceTensorLayoutNV(of_queries, 0, ROWS, t0, COLUMNS));
            coopMatLoadTensorNV(product, Numbers(buffers[PRODUCTS]).v, of_head, sliceTensorLayoutNV(of_queries, 0, ROWS, t0, COLUMNS));
            coopMatPerElementNV(p, s, weight, log_sum);
            if (has(FIRST) || t0 < s0 + ROWS || t0 + COLUMNS > T) coopMatPerElementNV(p, p, mask, s0, t0, b);
            RIGHT dy_queries, queries;
            LOAD(dy_queries, DY, dy0, y_rows, t0, COLUMNS);
            dv = coopMatMulAdd(WEIGHTS(p), dy_queries, dv);
            LOAD_TRANSPOSED(dy, DY, dy0, y_rows, t0, COLUMNS);
            const SCORES dp = coopMatMulAdd(v, dy, SCORES(0.0));
            coopMatPerElementNV(ds, p, slope, s, dp, product);
            LOAD(queries, Q, q0, rows, t0, COLUMNS);
            dk = coopMatMulAdd(WEIGHTS(ds), queries, dk);
        }
    }
    STORE(RESULTS(dk), DK, k0, rows, s0, ROWS);
    STORE(RESULTS(dv), DV, k0, rows, s0, ROWS);
}
