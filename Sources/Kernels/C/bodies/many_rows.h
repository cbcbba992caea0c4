// Products of many rows and a panel of packed weights, such as those of a prompt or of several sequences, where a CPU cannot multiply the
// stored numbers as they are: the weights of some inputs are unpacked once for all rows, instead of once for the few rows whose sums fit
// into registers. The sums of all rows lie in memory meanwhile. Their bits are those of few_rows.h.

#if defined(SLM_NEON)
#define UNPACKS_ONCE(precision) false
#elif defined(SLM_AMX)
#define UNPACKS_ONCE(precision) ((precision) != SLM_WEIGHTS_F32)
#elif defined(SLM_NATIVE_BF16) || defined(SLM_VNNI)
#define UNPACKS_ONCE(precision) (is_bf16(precision) && BF16_ROW_SIZE == 4)
#else
#define UNPACKS_ONCE(precision) (is_bf16(precision) || is_int(precision))
#endif

enum {
    UNPACKED_INPUTS = 128,                     // inputs whose bf16 weights are unpacked at once; of others, a group is
    BLOCK_ROWS = 96,                           // rows for which they are
    ROWS_AT_ONCE = W == 16 ? 12 : 6,           // rows whose sums are in registers
};

// The least rows that many_rows computes: from there on it is faster. With tiles, all rows of bf16, whose bits are not those of few_rows.h,
// and none of formats whose products are scaled so often, or corrected, that tiles do not help (Documentation/decisions/amx.md).
static inline size_t least_rows(int precision) {
#ifdef SLM_AMX
    if (is_bf16(precision)) return 1;
    if (group_of(precision) == GROUP) return 16;
    return group_of(precision) == SMALL_GROUP && !has_uppers(precision) ? TILED_ROWS : SIZE_MAX;
#else
    (void)precision;
    return 6;
#endif
}

#ifndef SLM_NEON
// Adds to the sums [R][P] the products of `count` inputs, every second one of the rows, with weights [count][P].
INLINE void add_alternate(int R, const char *rows, size_t step, size_t count, const float *weights, float *sums) {
    vf sum[R][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = load(sums + r * P), sum[r][1] = load(sums + r * P + W);
    for (size_t i = 0; i < count; i++, weights += P) {
        const vf a = load(weights), b = load(weights + W);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const vf x = splat(((const float *)(rows + (size_t)r * step))[2 * i]);
            sum[r][0] += x * a;
            sum[r][1] += x * b;
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(sums + r * P, sum[r][0]), store(sums + r * P + W, sum[r][1]);
}

// Multiplies bf16 weights of a panel. The sums of even inputs are [rows][P], those of odd ones follow after BLOCK_ROWS rows.
INLINE void many_bf16(const char *rows, size_t step, size_t row_count, size_t I, const unit *panel, float *sums) {
    float weights[2][UNPACKED_INPUTS / 2 * P] __attribute__((aligned(64)));
    for (size_t i = 0; i < I; i += UNPACKED_INPUTS) {
        const size_t pairs = (min_size(UNPACKED_INPUTS, I - i) + 1) / 2;
        for (size_t j = 0; j < pairs * P; j += W, panel += W) {
            if (j % P == 0) prefetch_ahead(panel, 4 * P);
            const vu pair = *(const vu_any *)panel;
            store(weights[0] + j, (vf)(pair << 16));
            store(weights[1] + j, (vf)(pair & 0xffff0000));
        }
        for (size_t m = 0, count; m < row_count; m += count) {
            count = row_count - m >= ROWS_AT_ONCE ? ROWS_AT_ONCE : row_count - m >= 4 ? 4 : 1;
            for (int odd = 0; odd < 2; odd++) {
                const char *from = rows + m * step + 4 * (i + (size_t)odd);
                float *to = sums + (odd * BLOCK_ROWS + m) * P;
                if (count == ROWS_AT_ONCE) add_alternate(ROWS_AT_ONCE, from, step, pairs, weights[odd], to);
                else if (count == 4) add_alternate(4, from, step, pairs, weights[odd], to);
                else add_alternate(1, from, step, pairs, weights[odd], to);
            }
        }
    }
    for (size_t j = 0; j < row_count * P; j += W) store(sums + j, load(sums + j) + load(sums + BLOCK_ROWS * P + j));
}

#if ROW_BYTE_SIZE == 2
// part[R][2] += the products of group g of the rows, of which `bytes` are the first one's, with its weights: [pairs or quads] of both
// vectors of the panel.
INLINE void add_group_products(int precision, int R, const char *bytes, size_t step, const vu *weights, vi (*part)[2]) {
#ifdef SLM_BYTE_PAIRS
    if (row_byte_size(precision) == 1) {
        // The sums of two products that fit into 16 bits together.
        const size_t together = code_bits(precision) <= 4 ? 8 : code_bits(precision) == 5 ? 4 : 2;
        for (size_t first = 0; first < group_of(precision) / 4; first += together) {
            vi sum[R][2];
#pragma clang loop unroll(full)
            for (size_t q = first; q < first + together && q < group_of(precision) / 4; q++) {
                const vu a = weights[2 * q], b = weights[2 * q + 1];
#pragma clang loop unroll(full)
                for (int r = 0; r < R; r++) {
                    KEEP_ORDER;
                    const vi x = (vi){0} + *(const int32_t *)(bytes + (size_t)r * step + 4 * q);
                    sum[r][0] = q == first ? multiply_bytes(a, x) : add_halves(sum[r][0], multiply_bytes(a, x));
                    sum[r][1] = q == first ? multiply_bytes(b, x) : add_halves(sum[r][1], multiply_bytes(b, x));
                }
            }
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) part[r][0] += sum_of_halves(sum[r][0]), part[r][1] += sum_of_halves(sum[r][1]);
        }
        return;
    }
#endif
    for (size_t pair = 0; pair < group_of(precision) / 2; pair++) {
        const vi a = (vi)weights[2 * pair], b = (vi)weights[2 * pair + 1];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const vi x = (vi){0} + *(const int32_t *)(bytes + (size_t)r * step + 4 * pair);
            part[r][0] += multiply_pairs(a, x);
            part[r][1] += multiply_pairs(b, x);
        }
    }
}

// Adds to the sums [R][P] the scaled products of group g of the rows with its weights.
INLINE void add_group(int precision, int R, const char *rows, size_t step, size_t I, size_t g, const vu *weights,
                      const group_scales *scales, float *sums) {
    const int8_row first = int8_row_at(precision, rows, I);
    const char *bytes = first.bytes + g * group_of(precision) * row_byte_size(precision);
    vi part[R][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        part[r][0] = part[r][1] = first_sum(precision, first, (size_t)r * step, g);
        const int32_t largest = quad_with_uppers(precision, first, (size_t)r * step, g);
        if (largest < 0) continue;
        const size_t q = (size_t)largest;
        const int32_t *upper = (const int32_t *)(const void *)(first.uppers + g * 4 * row_byte_size(precision) + (size_t)r * step);
        for (size_t v = 0; v < 2; v++) {
            const vi even = multiply_pairs((vi)weights[4 * q + v], (vi){0} + upper[0]);
            part[r][v] += (even + multiply_pairs((vi)weights[4 * q + 2 + v], (vi){0} + upper[1])) * UPPER;
        }
    }
    add_group_products(precision, R, bytes, step, weights, part);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
        for (size_t v = 0; v < 2; v++) {
            float *sum = sums + (size_t)r * P + v * W;
            store(sum, add_scaled(precision, load(sum), part[r][v], first, (size_t)r * step, g, scales, v));
        }
}

INLINE void many_int(int precision, const char *rows, size_t step, size_t row_count, size_t I, const char *panel, float *sums) {
    vu weights[GROUP] __attribute__((aligned(64)));
    const size_t quads = group_of(precision) / 4;
    for (size_t g = 0; g < groups_in(precision, I); g++) {
        const char *group = group_at(precision, panel, g);
        prefetch_ahead(group, group_bytes(precision));
        for (size_t q = 0; q < quads; q++)
            for (size_t v = 0; v < 2; v++) {
                const vu quad = quads_at(precision, group, q, v);
                if (row_byte_size(precision) == 1) {
                    weights[2 * q + v] = quad;
                    continue;
                }
                weights[4 * q + v] = quad & 0x00ff00ff;
                weights[4 * q + 2 + v] = (quad >> 8) & 0x00ff00ff;
            }
        const group_scales scales = load_group_scales(precision, panel, g);
        size_t m = 0;
        for (; m + ROWS_AT_ONCE <= row_count; m += ROWS_AT_ONCE)
            add_group(precision, ROWS_AT_ONCE, rows + m * step, step, I, g, weights, &scales, sums + m * P);
        for (; m + 4 <= row_count; m += 4) add_group(precision, 4, rows + m * step, step, I, g, weights, &scales, sums + m * P);
        for (; m < row_count; m++) add_group(precision, 1, rows + m * step, step, I, g, weights, &scales, sums + m * P);
    }
    for (size_t i = 0; is_affine(precision) && i < row_count * P; i += W)
        store(sums + i, load(sums + i) * output_scale(precision, panel, i / W % 2));
}
#endif

// Computes `row_count` ≤ BLOCK_ROWS rows of a panel into the beginning of `sums`, which has 2 · BLOCK_ROWS · P elements. With tiles, the
// rows are at most TILED_ROWS or a multiple of them.
INLINE void many_rows(int precision, const char *rows, size_t step, size_t row_count, size_t I, const char *panel, float *sums) {
#ifdef SLM_AMX
    tiled_rows(precision, rows, step, row_count, I, panel, sums);
#else
    memset(sums, 0, 4 * row_count * P);
    memset(sums + BLOCK_ROWS * P, 0, 4 * row_count * P);
    if (is_bf16(precision)) many_bf16(rows, step, row_count, I, (const unit *)panel, sums);
#if ROW_BYTE_SIZE == 2
    else many_int(precision, rows, step, row_count, I, panel, sums);
#endif
#endif
}
#endif
