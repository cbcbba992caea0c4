#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention_cooperative.glsl"
// y = softmax(scale·q·kᵀ)·v in one pass over the keys: what was added up is scaled down when a larger score appears (Milakov & Gimelshein
// 2018). Numbers of a row, such as its largest score, are in all columns of a matrix.
const uint Q = 0, K = 1, V = 2, FIRST = 3, Y = 4, LOG_SUMS = 5;

float cap(const in uint row, const in uint column, const in float score) { return capped(score); }
float mask(const in uint row, const in uint column, const in float score, const in uint t0, const in uint s0, const in uint b) {
    return attends(t0 + row, s0 + column, b) ? score : -3e38;
}
float larger(const in uint row, const in uint column, const in float a, const in float b) { return max(a, b); }
float weight(const in uint row, const in uint column, const in float score, const in float top) {
    return score > -1e38 ? exp(score - top) : 0;
}
float decrease(const in uint row, const in uint column, const in float before, const in float top) { return exp(before - top); }
float mean(const in uint row, const in uint column, const in float sum, const in float total) { return total > 0 ? sum / total : 0; }
float put_log_sum(
    const in uint row, const in uint column, const in float total, const in float top, const in uint t0, const in uint item
) {
    if (column == 0 && t0 + row < n[0]) put(LOG_SUMS, item * n[0] + t0 + row, top + log(total));
    return total;
}

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], group = n[2], stride = n[3], y_stride = n[4], blocks = (T + ROWS - 1) / ROWS;
    // The last blocks, which have the most keys, begin first.
    const uint block = blocks - 1 - workgroup() % blocks, item = workgroup() / blocks, b = item / H, h = item % H, t0 = block * ROWS;
    const uint q0 = b * T * stride + h * D, k0 = b * T * stride + h / group * D;
    const uint start = has(FIRST) ? uint(get_int(FIRST, b * T + t0)) / COLUMNS * COLUMNS : 0, end = min(t0 + ROWS, T);
    const LAYOUT rows = layout_of(T, stride), y_rows = layout_of(T, y_stride);

    LEFT q;
    LOAD(q, Q, q0, rows, t0, ROWS);
    SUMS y = SUMS(0.0);
    SCORES top = SCORES(-1e38), total = SCORES(0.0);
    [[dont_unroll]] for (uint s0 = start; s0 < end; s0 += COLUMNS) {
        TRANSPOSED k;
        LOAD_TRANSPOSED(k, K, k0, rows, s0, COLUMNS);
        SCORES s = coopMatMulAdd(q, k, SCORES(0.0));
        s = s * x[0];
        if (x[1] > 0) coopMatPerElementNV(s, s, cap);
        if (has(FIRST) || s0 + COLUMNS > t0) coopMatPerElementNV(s, s, mask, t0, s0, b);
        SCORES largest, decreased, sum;
        coopMatReduceNV(largest, s, gl_CooperativeMatrixReduceRowNV, larger_of);
        coopMatPerElementNV(largest, largest, larger, top);
        coopMatPerElementNV(decreased, top, decrease, largest);
        top = largest;
        coopMatPerElementNV(s, s, weight, top);
        coopMatReduceNV(sum, s, gl_CooperativeMatrixReduceRowNV, sum_of);
        total = total * decreased + sum;
        SUMS y_decreased;
        coopMatReduceNV(y_decreased, decreased, gl_CooperativeMatrixReduceRowNV, larger_of);
        RIGHT v;
        LOAD(v, V, k0, rows, s0, COLUMNS);
        y = coopMatMulAdd(WEIGHTS(s), v, y * y_decreased);
    }
    SUMS y_total;
    coopMatReduceNV(y_total, total, gl_CooperativeMatrixReduceRowNV, larger_of);
    coopMatPerElementNV(y, y, mean, y_total);
    STORE(RESULTS(y), Y, b * T * y_stride + h * D, y_rows, t0, ROWS);
    if (has(LOG_SUMS)) coopMatPerElementNV(total, total, put_log_sum, top, t0, item);
}
