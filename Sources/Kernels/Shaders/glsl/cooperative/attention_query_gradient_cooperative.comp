#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// dq = ds·k with ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale. Stores ⟨dy, y⟩ of each query and head, [B, H, T], for the gradient of the keys.
const uint Q = 0, K = 1, V = 2, FIRST = 3, DY = 4, LOG_SUMS = 5, PRODUCTS = 6, DQ = 7, Y = 8;

float put_product(const in uint row, const in uint column, const in float product, const in uint t0, const in uint item) {
    if (column == 0 && t0 + row < n[0]) put(PRODUCTS, item * n[0] + t0 + row, product);
    return product;
}
float log_sum_of(const in uint row, const in uint column, const in float unused, const in uint t0, const in uint item) {
    return t0 + row < n[0] ? get(LOG_SUMS, item * n[0] + t0 + row) : 0;
}
float slope(
    const in uint row, const in uint column, const in float product_of_key, const in float dp, const in float log_sum,
    const in float product
) {
    const float score = capped(product_of_key * x[0]);
    return exp(score - log_sum) * (dp - product) * capped_slope(score) * x[0];
}
float mask(const in uint row, const in uint column, const in float slope, const in uint t0, const in uint s0, const in uint b) {
    return attends(t0 + row, s0 + column, b) ? slope : 0;
}

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4], blocks = (T + ROWS - 1) / ROWS;
    const uint block = blocks - 1 - workgroup() % blocks, item = workgroup() / blocks, b = item / H, h = item % H, t0 = block * ROWS;
    const uint q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D, y0 = b * T * y_stride + h * D;
    const uint start = has(FIRST) ? uint(get_int(FIRST, b * T + t0)) / COLUMNS * COLUMNS : 0, end = min(t0 + ROWS, T);
    const LAYOUT rows = layout_of(T, stride), y_rows = layout_of(T, y_stride);

    LEFT q, dy;
    LOAD(q, Q, q0, rows, t0, ROWS);
    LOAD(dy, DY, y0, y_rows, t0, ROWS);
    SCORES log_sum, product;
    {
        RESULTS y, dy;
        LOAD(y, Y, y0, y_rows, t0, ROWS);
        LOAD(dy, DY, y0, y_rows, t0, ROWS);
        coopMatReduceNV(product, SUMS(y) * SUMS(dy), gl_CooperativeMatrixReduceRowNV, sum_of);
        coopMatPerElementNV(product, product, put_product, t0, item);
    }
    coopMatPerElementNV(log_sum, product, log_sum_of, t0, item);
    SUMS dq = SUMS(0.0);
    [[dont_unroll]] for (uint s0 = start; s0 < end; s0 += COLUMNS) {
        TRANSPOSED k, v;
        LOAD_TRANSPOSED(k, K, k0, rows, s0, COLUMNS);
        SCORES s = coopMatMulAdd(q, k, SCORES(0.0));
        LOAD_TRANSPOSED(v, V, k0, rows, s0, COLUMNS);
        const SCORES dp = coopMatMulAdd(dy, v, SCORES(0.0));
        coopMatPerElementNV(s, s, slope, dp, log_sum, product);
        if (has(FIRST) || s0 + COLUMNS > t0) coopMatPerElementNV(s, s, mask, t0, s0, b);
        RIGHT keys;
        LOAD(keys, K, k0, rows, s0, COLUMNS);
        dq = coopMatMulAdd(WEIGHTS(s), keys, dq);
    }
    STORE(RESULTS(dq), DQ, q0, rows, t0, ROWS);
}
