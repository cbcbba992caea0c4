// Products of queries with cached keys, the first half of cached_attention.h.

// Queries in the layout that is multiplied with keys: floats, pairs of bf16, or steps of 16 bits, because those of 8 would lose more than
// the keys do. They are `step` bytes apart. Steps are quads in the order 0 2 1 3, or where bytes are multiplied, quads of upper bytes and,
// `low` bytes behind them, of lower ones, all signed. `offset` corrects the sums of products for the 128 that are added to a byte of a key.
typedef struct {
    float scale[QUERIES];
    int32_t offset[QUERIES], low_offset[QUERIES];
    const char *rows;
    size_t step, low;
} quantized_queries;

// Steps of the largest channel of a query: the sums of products with D keys and the offset fit into 32 bits.
static inline float query_steps(size_t D) {
#if ROW_BYTE_SIZE == 1
    (void)D;
    return 127 * 256 + 127;
#else
    return (float)min_size(32767, 0x7fffffff / 384 / D);
#endif
}

// bf16 without bf16 instructions: floats that are rounded to bf16.
static inline void quantize_query(int precision, size_t D, const float *q, float scale, quantized_queries *to, int r) {
    char *row = (char *)to->rows + (size_t)r * to->step;
    to->scale[r] = 1;
    to->offset[r] = 0;
    if (precision == SLM_WEIGHTS_F32) {
        for (size_t d = 0; d < D; d++) ((float *)row)[d] = q[d] * scale;
    } else if (precision == SLM_WEIGHTS_BF16) {
        for (size_t d = 0; d < 2 * pairs_of(D); d++) {
            const bf16 x = d < D ? narrow1(q[d] * scale) : 0;
#ifdef SLM_NATIVE_BF16
            ((bf16 *)row)[d] = x;
#else
            ((float *)row)[d] = widen1(x);
#endif
        }
    } else {
        float inverse, space[MOST_ROTATED];
        q = rotated_channels(q, D, space);
        to->scale[r] = scale_of_vector(q, D, query_steps(D), &inverse) * scale;
        to->low_offset[r] = 0;
        vi sum = {0}, low_sum = {0};
        for (size_t d = 0; d < D; d += W) {
            const vf x = load_first(q + d, min_size(W, D - d)) * splat(inverse);
            const vi steps = round_to_int(vselect(x == x, x, splat(0)));       // the scale makes all scores NaN
#if ROW_BYTE_SIZE == 2
            sum += steps;
            put_row_bytes(ROW_BYTE_SIZE, row, d, steps);
#else
            const vi low = steps << 24 >> 24, high = (steps - low) >> 8;
            sum += high, low_sum += low;
            put_row_bytes(ROW_BYTE_SIZE, row, d, high);
            put_row_bytes(ROW_BYTE_SIZE, row + to->low, d, low);
#endif
        }
        for (int i = 0; i < W; i++) to->offset[r] -= BYTE_OFFSET * sum[i], to->low_offset[r] -= BYTE_OFFSET * low_sum[i];
    }
}

// Adds to the sums [Q][vectors] the products of unit `i` of Q rows, `step` bytes apart, and vectors of floats or of pairs of bf16.
INLINE void add_products(int precision, int Q, int vectors, const char *rows, size_t step, size_t i, const vu *units, vf (*sums)[4]) {
    const int type = precision == SLM_WEIGHTS_F32 ? SLM_F32 : SLM_BF16;
    if (type == SLM_F32 || HAS_NATIVE_BF16) {
#pragma clang loop unroll(full)
        for (int r = 0; r < Q; r++) {
            const vf x = splat_unit(((const unit_any *)(rows + (size_t)r * step))[i]);
            for (int v = 0; v < vectors; v++) sums[r][v] = add_units(type, sums[r][v], x, units[v]);
        }
        return;
    }
    vf widened[4];
#pragma clang loop unroll(full)
    for (size_t half = 0; half < 2; half++) {
        for (int v = 0; v < vectors; v++) widened[v] = (vf)(half == 0 ? units[v] << 16 : units[v] & 0xffff0000);
#pragma clang loop unroll(full)
        for (int r = 0; r < Q; r++) {
            const vf x = splat(((const float *)(rows + (size_t)r * step))[2 * i + half]);
            for (int v = 0; v < vectors; v++) sums[r][v] += x * widened[v];
        }
    }
}

// Prefetches the cache of the next head while one is computed: it is in main memory, in pieces too short for the hardware prefetcher.
// Into the second-level cache, because the first-level cache is too small, and because more requests can be outstanding.
static inline void prefetch_bytes(const char *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
}

// Scores of Q queries, `score_step` floats apart, in W positions of each of `blocks` ≤ 4 blocks.
INLINE void score_blocks(int precision, int Q, int blocks, size_t D, const quantized_queries *q, const unit *keys, const float *scales,
                         float *scores, size_t score_step) {
    const size_t units = key_units(precision, D);
    vf sum[QUERIES][4];
    vi part[QUERIES][4], low[QUERIES][4];
    for (int r = 0; r < Q; r++)
        for (int b = 0; b < blocks; b++) {
            sum[r][b] = (vf){0};
            part[r][b] = (vi){0} + q->offset[r];
            low[r][b] = (vi){0} + q->low_offset[r];
        }
    for (size_t d = 0; d < units; d++) {
        vu key[4];
        for (int b = 0; b < blocks; b++) key[b] = *(const vu_any *)(keys + ((size_t)b * units + d) * W);
        if (precision != SLM_WEIGHTS_INT8) {
            add_products(precision, Q, blocks, q->rows, q->step, d, key, sum);
            continue;
        }
#if ROW_BYTE_SIZE == 2
#pragma clang loop unroll(full)
        for (size_t half = 0; half < 2; half++) {
            vi bytes[4];
            for (int b = 0; b < blocks; b++) bytes[b] = (vi)((half == 0 ? key[b] : key[b] >> 8) & 0x00ff00ff);
#pragma clang loop unroll(full)
            for (int r = 0; r < Q; r++) {
                const vi x = (vi){0} + ((const int32_t *)(q->rows + (size_t)r * q->step))[2 * d + half];
                for (int b = 0; b < blocks; b++) part[r][b] += multiply_pairs(bytes[b], x);
            }
        }
#else
#pragma clang loop unroll(full)
        for (int r = 0; r < Q; r++) {
            const char *row = q->rows + (size_t)r * q->step + 4 * d;
            for (int b = 0; b < blocks; b++) {
                part[r][b] = add_quads(SLM_WEIGHTS_INT8, part[r][b], key[b], row);
                low[r][b] = add_quads(SLM_WEIGHTS_INT8, low[r][b], key[b], row + q->low);
            }
        }
#endif
    }
    for (int r = 0; r < Q; r++)
        for (int b = 0; b < blocks; b++) {
            if (precision == SLM_WEIGHTS_INT8) {
                sum[r][b] = __builtin_convertvector(part[r][b], vf);
                if (ROW_BYTE_SIZE == 1) sum[r][b] = sum[r][b] * splat(256) + __builtin_convertvector(low[r][b], vf);
                sum[r][b] *= splat(q->scale[r]) * load(scales + b * W);
            }
            store(scores + (size_t)r * score_step + b * W, sum[r][b]);
        }
}
