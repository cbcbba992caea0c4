// Attention over the KV cache of a sequence (kv_cache.h), for one head and for neighboring positions.
//
// Several queries are multiplied with each key and value that is read. The result of a position depends only on the positions that it
// attends to, and is summed in the same order however many positions are computed together.

enum {
    QUERIES = 6,                               // queries that are computed together, where there are as many
    VECTORS = W == 8 ? 2 : 4,                  // vectors of sums of each of them; registers hold all sums
};

#include "bodies/cached_scores.h"

// Replaces the scores by 2^(score − largest score), the unnormalized probabilities, and pads the last vector with 0. Returns their sum, to
// which a sink adds its probability.
static inline float exp_of_scores(float *scores, size_t count, const float *sink) {
    vi lane;
    memcpy(&lane, lane_indices, sizeof lane);
    vf max = splat(sink ? *sink * log2_e : -INFINITY);
    const size_t whole = count / W * W, padded = round_up(count, W);
    for (size_t t = 0; t < whole; t += W) max = vmax(load(scores + t), max);
    if (whole < count) {
        const vf last = vselect(lane < (vi){0} + (int32_t)(count - whole), load(scores + whole), splat(-INFINITY));
        store(scores + whole, last);
        max = vmax(last, max);
    }
    const vf shift = splat(max_lanes(max));
    vf sum = {0};
    for (size_t t = 0; t < padded; t += W) {
        const vf e = vexp2_bounded(load(scores + t) - shift);
        const vf prob = t < whole ? e : vselect(lane < (vi){0} + (int32_t)(count - t), e, splat(0));
        store(scores + t, prob);
        sum += prob;
    }
    return sum_lanes(sum) + (sink ? exp2f(*sink * log2_e - shift[0]) : 0);
}

#if ROW_BYTE_SIZE == 1
// sum + quads of signed value bytes · the quad of unsigned row bytes at `probs`
static inline vi add_value_quads(vi sum, vu quads, const char *probs) {
    int32_t four;
    memcpy(&four, probs, 4);
#ifdef SLM_SIGNED_BYTES
    return dot_quads(sum, (vi)quads, (vi){0} + four);
#else
    return multiply_quads(sum, (vu){0} + (uint32_t)four, (vi)quads);
#endif
}
#endif

// Unnormalized probabilities in steps of 1/PROB_STEPS of the largest: where bytes are multiplied, two rows of bytes, steps / 256 and
// steps % 256, which is between −128 and 127 where bytes are signed; otherwise one row of 16 bits, each quad in the order 0 2 1 3.
#if ROW_BYTE_SIZE == 2
#define PROB_STEPS 32767
#elif defined(SLM_SIGNED_BYTES)
#define PROB_STEPS (127 * 256 + 127)
#else
#define PROB_STEPS 65535
#endif
typedef struct { float step; char *high, *low; } quantized_probs;
static inline quantized_probs quantize_probs(const float *probs, size_t count, char *scratch) {
    const size_t padded = round_up(count, W);
    vf max = {0}, broken = {0};
    for (size_t t = 0; t < padded; t += W) max = vmax(load(probs + t), max), broken += unless_finite(load(probs + t));
    const float largest = max_lanes(max);
    const quantized_probs result = {largest / PROB_STEPS + sum_lanes(broken), scratch, scratch + padded};
    const vf inverse = splat(largest > 0 ? PROB_STEPS / largest : 0);
    for (size_t t = 0; t < padded; t += W) {
        const vi steps = round_to_int(load(probs + t) * inverse);
#if ROW_BYTE_SIZE == 2
        put_row_bytes(ROW_BYTE_SIZE, result.high, t, steps);
#else
#ifdef SLM_SIGNED_BYTES
        const vi low = steps << 24 >> 24, high = (steps - low) >> 8;
#else
        const vi low = steps & 255, high = steps >> 8;
#endif
        put_row_bytes(ROW_BYTE_SIZE, result.high, t, high);
        put_row_bytes(ROW_BYTE_SIZE, result.low, t, low);
#endif
    }
    return result;
}

// y[r][c ..< c + vectors·W] = factor[r]·Σ prob·value for Q queries, or only the first `width` elements of a single vector.
INLINE void weighted_sum_int8(int Q, int vectors, size_t width, size_t D, size_t count, const quantized_probs *probs, const void *values,
                              size_t c, const float *factors, float *y, size_t y_stride) {
    vf sum[QUERIES][4];
    for (int r = 0; r < Q; r++)
        for (int v = 0; v < vectors; v++) sum[r][v] = (vf){0};
    const size_t part = ROW_BYTE_SIZE == 2 ? 128 : 4096;                    // the sums of so many quads fit into 32 bits
    for (size_t first = 0; first < quads_of(count); first += part) {
        vi high[QUERIES][4], low[QUERIES][4];
        for (int r = 0; r < Q; r++)
            for (int v = 0; v < vectors; v++) high[r][v] = low[r][v] = (vi){0};
        for (size_t t = first; t < min_size(first + part, quads_of(count)); t++) {
            vu quads[4];
            for (int v = 0; v < vectors; v++) quads[v] = (vu)load_first((const float *)values + t * D + c + v * W, width);
#if ROW_BYTE_SIZE == 2
            typedef int16_t vs __attribute__((ext_vector_type(2 * W)));
#pragma clang loop unroll(full)
            for (size_t half = 0; half < 2; half++) {
                vi pairs[4];
                for (int v = 0; v < vectors; v++) pairs[v] = (vi)(half == 0 ? (vs)quads[v] << 8 >> 8 : (vs)quads[v] >> 8);
#pragma clang loop unroll(full)
                for (int r = 0; r < Q; r++) {
                    const vi x = (vi){0} + ((const int32_t *)probs[r].high)[2 * t + half];
                    for (int v = 0; v < vectors; v++) high[r][v] += multiply_pairs(pairs[v], x);
                }
            }
#else
#pragma clang loop unroll(full)
            for (int r = 0; r < Q; r++)
                for (int v = 0; v < vectors; v++) {
                    high[r][v] = add_value_quads(high[r][v], quads[v], probs[r].high + 4 * t);
                    low[r][v] = add_value_quads(low[r][v], quads[v], probs[r].low + 4 * t);
                }
#endif
        }
        for (int r = 0; r < Q; r++)
            for (int v = 0; v < vectors; v++) {
                if (ROW_BYTE_SIZE == 2) sum[r][v] += __builtin_convertvector(high[r][v], vf);
                else sum[r][v] += __builtin_convertvector(high[r][v], vf) * splat(256) + __builtin_convertvector(low[r][v], vf);
            }
    }
    for (int r = 0; r < Q; r++)
        for (int v = 0; v < vectors; v++)
            store_first(y + (size_t)r * y_stride + c + v * W, sum[r][v] * splat(factors[r] * probs[r].step), width);
}

// The same for f32 and bf16, whose probabilities are `step` bytes apart, in the layout of queries.
INLINE void weighted_sum_float(int precision, int Q, int vectors, size_t width, size_t D, size_t count, const char *probs, size_t step,
                               const void *values, size_t c, const float *factors, float *y, size_t y_stride) {
    vf sum[QUERIES][4];
    for (int r = 0; r < Q; r++)
        for (int v = 0; v < vectors; v++) sum[r][v] = (vf){0};
    const size_t steps = precision == SLM_WEIGHTS_BF16 ? pairs_of(count) : count;
    for (size_t t = 0; t < steps; t++) {
        vu value[4];
        for (int v = 0; v < vectors; v++) value[v] = (vu)load_first((const float *)values + t * D + c + v * W, width);
        add_products(precision, Q, vectors, probs, step, t, value, sum);
    }
    for (int r = 0; r < Q; r++)
        for (int v = 0; v < vectors; v++) store_first(y + (size_t)r * y_stride + c + v * W, sum[r][v] * splat(factors[r]), width);
}

static inline size_t score_step(size_t count) {
    const size_t step = round_up(count, 2 * W);
    return step % 1024 == 0 ? step + 2 * W : step;         // not a multiple of 4 KB: caches hold few lines at such distances
}
static inline size_t query_step(size_t D) { return 2 * round_up(D, 4); }
// Floats of scratch for `count` positions.
static size_t cached_attention_scratch(size_t D, size_t count) { return QUERIES * (query_step(D) + 2 * score_step(count + 2 * W)); }

// The first position that position `at` attends to.
static inline size_t first_position(const slm_cached_attention *p, size_t at) {
    return p->window > 0 && at + 1 > p->window ? at + 1 - p->window : 0;
}
// Where its keys begin to be read: at the beginning of a block, whose positions before the first get a probability of 0.
static inline size_t block_start(const slm_cached_attention *p, size_t at) { return first_position(p, at) / (2 * W) * (2 * W); }

// Attention of Q positions, from row `row` on, whose keys begin to be read at the same position.
INLINE void attention_from_row(
    int precision, int Q, const slm_cached_attention *p, size_t row, bool prefetches, float *scratch
) {
    const size_t at = p->count - 1 + row, start = block_start(p, at), count = at + (size_t)Q - start;   // of the last query
    const size_t D = p->D, units = key_units(precision, D), blocks = (count + W - 1) / W, step = score_step(count);
    const void *values = (const char *)p->values + start * value_bytes(precision, D);
    float *scores = scratch + QUERIES * query_step(D), *probs = scores + QUERIES * step;
    quantized_queries q;
    q.rows = (const char *)scratch;
    q.step = 4 * query_step(D);
    q.low = round_up(D, W);
    for (int r = 0; r < Q; r++) quantize_query(precision, D, p->q + (row + (size_t)r) * p->q_stride, p->scale * log2_e, &q, r);

    const unit *keys = (const unit *)p->keys + start * units;
    const char *next_keys = prefetches ? (const char *)p->next_keys + 4 * start * units : NULL;
    const float *scales = precision == SLM_WEIGHTS_INT8 ? key_scales(D, p->capacity, p->keys) + start : NULL;
    const bool needs_two = precision == SLM_WEIGHTS_INT8 && ROW_BYTE_SIZE == 1;               // registers for a sum
    const size_t together = Q == 1 ? 4 : needs_two ? VECTORS / 2 : VECTORS;                   // blocks whose sums are independent
    size_t b = 0;
    for (; b + together <= blocks; b += together) {
        if (next_keys) prefetch_bytes(next_keys + b * W * 4 * units, together * W * 4 * units);
        score_blocks(precision, Q, (int)together, D, &q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W, step);
    }
    if (next_keys) prefetch_bytes(next_keys + b * W * 4 * units, (blocks - b) * W * 4 * units);
    for (; b < blocks; b++)
        score_blocks(precision, Q, 1, D, &q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W, step);

    float factors[QUERIES];
    quantized_probs bytes[QUERIES];
    for (int r = 0; r < Q; r++) {
        float *own = scores + (size_t)r * step, *rounded = probs + (size_t)r * step;
        const size_t own_count = at + (size_t)r + 1 - start, masked = first_position(p, at + (size_t)r) - start;
        for (size_t i = 0; p->cap > 0 && i < blocks * W; i += W)
            store(own + i, soft_capped(load(own + i), p->cap * log2_e, 1 / (p->cap * log2_e)));
        for (size_t t = 0; t < masked; t++) own[t] = -INFINITY;
        factors[r] = 1 / exp_of_scores(own, own_count, p->sink);
        for (size_t t = 0; t < masked; t++) own[t] = 0;
        for (size_t t = round_up(own_count, W); t < round_up(count, 2 * W); t += W) store(own + t, (vf){0});
        if (precision == SLM_WEIGHTS_BF16) {
            for (size_t t = 0; t < count; t += 2 * W) {
#ifdef SLM_NATIVE_BF16
                *(vu_any *)((unit *)rounded + t / 2) = pair_along(load(own + t), load(own + t + W));
#else
                for (size_t i = t; i < t + 2 * W; i += W) store(rounded + i, (vf)(round_to_bf16(load(own + i)) & 0xffff0000));
#endif
            }
        } else if (precision == SLM_WEIGHTS_INT8) {
            const float *value_steps = value_scales(D, p->capacity, p->values) + start;
            for (size_t t = 0; t < blocks * W; t += W)
                store(own + t, vselect(load(own + t) > splat(0), load(own + t) * load(value_steps + t), splat(0)));
            bytes[r] = quantize_probs(own, count, (char *)rounded);
        }
    }
    const size_t position = value_bytes(precision, D);
    if (prefetches) prefetch_bytes((const char *)p->next_values + start * position, blocks * W * position);
    const char *rows = (const char *)(precision == SLM_WEIGHTS_F32 ? scores : probs);
    float *y = p->y + row * p->y_stride;
#define WEIGHTED_SUM(vectors, width)                                                                                               \
    if (precision == SLM_WEIGHTS_INT8) weighted_sum_int8(Q, vectors, width, D, count, bytes, values, c, factors, y, p->y_stride);    \
    else weighted_sum_float(precision, Q, vectors, width, D, count, rows, 4 * step, values, c, factors, y, p->y_stride)
    const int wide = Q == 1 ? 4 : needs_two ? VECTORS / 2 : VECTORS;
    size_t c = 0;
    for (; c + (size_t)wide * W <= D; c += (size_t)wide * W) { WEIGHTED_SUM(wide, W); }
    for (; c + W <= D; c += W) { WEIGHTED_SUM(1, W); }
    if (c < D) { WEIGHTED_SUM(1, D - c); }
#undef WEIGHTED_SUM
    for (int r = 0; precision == SLM_WEIGHTS_INT8 && r < Q; r++, y += p->y_stride) rotate_channels(y, D, y);
}

INLINE void cached_attention_as(int precision, const slm_cached_attention *p, float *scratch) {
    for (size_t row = 0; row < p->rows;) {
        const size_t at = p->count - 1 + row;
        if (p->rows - row >= QUERIES && block_start(p, at) == block_start(p, at + QUERIES - 1)) {
            attention_from_row(precision, QUERIES, p, row, false, scratch);
            row += QUERIES;
        } else {
            attention_from_row(precision, 1, p, row, p->next_keys && row + 1 == p->rows, scratch);
            row++;
        }
    }
}

static void cached_attention(const slm_cached_attention *p, float *scratch) {
    switch (p->precision) {
    case SLM_WEIGHTS_F32: cached_attention_as(SLM_WEIGHTS_F32, p, scratch); break;
    case SLM_WEIGHTS_BF16: cached_attention_as(SLM_WEIGHTS_BF16, p, scratch); break;
    default: cached_attention_as(SLM_WEIGHTS_INT8, p, scratch);
    }
}
