// Attention of one position over the KV cache of its sequence (kv_cache.h), for one head.
//
// The result of a position depends only on the positions that it attends to, and is summed in the same order however many positions
// are computed together.

// A query in the layout that is multiplied with keys: floats, pairs of bf16, or quads of bytes. `offset` corrects the sum of products
// for the 128 that are added to each byte of a key.
typedef struct { float scale; int32_t offset; unit *units; } quantized_query;
static inline quantized_query quantize_query(int precision, size_t D, const float *q, float scale, unit *to) {
    quantized_query result = {1, 0, to};
    if (precision == SLM_WEIGHTS_F32) {
        for (size_t d = 0; d < D; d++) ((float *)to)[d] = q[d] * scale;
    } else if (precision == SLM_WEIGHTS_BF16) {
        for (size_t d = 0; d < 2 * pairs_of(D); d++) ((bf16 *)to)[d] = d < D ? narrow1(q[d] * scale) : 0;
    } else {
        float inverse;
        result.scale = scale_of_vector(q, D, &inverse) * scale;
        for (size_t d = 0; d < D; d += W) {
            const vb steps = quantize(q + d, min_size(W, D - d), inverse);
            for (size_t i = 0; i < 4 * quads_of(min_size(W, D - d)); i++) {
                result.offset -= BYTE_OFFSET * steps[i];
                put_row_byte((char *)to, d + i, steps[i]);
            }
        }
    }
    return result;
}

static inline vf add_pairs(vf sum, vu a, vu b) {                     // sum + a.low·b.low + a.high·b.high
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    return dot_pairs(sum, a, b);
#elif defined(SLM_NATIVE_BF16)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    sum += (vf)(a << 16) * (vf)(b << 16);
    return sum + (vf)(a & 0xffff0000) * (vf)(b & 0xffff0000);
#endif
}
static inline vu splat_unit(unit u) { return (vu){0} + u; }

// Prefetches the cache of the next head while one is computed: it is in main memory, in pieces too short for the hardware prefetcher.
// Into the second-level cache, because the first-level cache is too small, and because more requests can be outstanding.
static inline void prefetch_bytes(const char *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
}

// Scores of W positions in each of `blocks` ≤ 4 blocks. Several blocks together, so that their sums are independent.
INLINE void score_blocks(int precision, int blocks, size_t D, quantized_query q, const unit *keys, const float *scales, float *scores) {
    const size_t units = key_units(precision, D);
    vf sum[4] = {{0}};
    vi part[4];
    for (int b = 0; b < 4; b++) part[b] = (vi){0} + q.offset;
    for (size_t d = 0; d < units; d++)
        for (int b = 0; b < blocks; b++) {
            const vu k = *(const vu_any *)(keys + ((size_t)b * units + d) * W);
            if (precision == SLM_WEIGHTS_F32) sum[b] += (vf)splat_unit(q.units[d]) * (vf)k;
            else if (precision == SLM_WEIGHTS_BF16) sum[b] = add_pairs(sum[b], splat_unit(q.units[d]), k);
            else part[b] = add_quads(part[b], k, (const char *)q.units + 4 * d * ROW_BYTE_SIZE);
        }
    for (int b = 0; b < blocks; b++) {
        if (precision == SLM_WEIGHTS_INT8) sum[b] = __builtin_convertvector(part[b], vf) * splat(q.scale) * load(scales + b * W);
        store(scores + b * W, sum[b]);
    }
}

static const int32_t lane_indices[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Replaces the scores by 2^(score − largest score), the unnormalized probabilities, and pads the last vector with 0. Returns their sum.
static inline float exp_of_scores(float *scores, size_t count) {
    vi lane;
    memcpy(&lane, lane_indices, sizeof lane);
    vf max = splat(-INFINITY);
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
    return sum_lanes(sum);
}

// sum + quads of signed value bytes · the quad of unsigned row bytes at `probs`
static inline vi add_value_quads(vi sum, vu quads, const char *probs) {
#if defined(SLM_SIGNED_BYTES)
    int32_t four;
    memcpy(&four, probs, 4);
    return dot_quads(sum, (vi)quads, (vi){0} + four);
#elif defined(SLM_VNNI)
    int32_t four;
    memcpy(&four, probs, 4);
    return multiply_quads(sum, (vu){0} + (uint32_t)four, (vi)quads);
#else
    typedef int16_t vs __attribute__((ext_vector_type(2 * W)));
    int32_t row[2];
    memcpy(row, probs, 8);
    return sum + multiply_pairs((vi)((vs)quads << 8 >> 8), (vi){0} + row[0]) + multiply_pairs((vi)((vs)quads >> 8), (vi){0} + row[1]);
#endif
}

// Unnormalized probabilities in steps of 1/PROB_STEPS of the largest, as two rows of bytes: steps / 256 and steps % 256; where bytes are
// signed, steps % 256 is between −128 and 127.
#ifdef SLM_SIGNED_BYTES
#define PROB_STEPS (127 * 256 + 127)
#else
#define PROB_STEPS 65535
#endif
typedef struct { float step; char *high, *low; } quantized_probs;
static inline quantized_probs quantize_probs(const float *probs, size_t count, char *scratch) {
    const size_t padded = round_up(count, W);
    vf max = {0};
    for (size_t t = 0; t < padded; t += W) max = vmax(load(probs + t), max);
    const float largest = max_lanes(max);
    const quantized_probs result = {largest / PROB_STEPS, scratch, scratch + padded * ROW_BYTE_SIZE};
    const vf inverse = splat(largest > 0 ? PROB_STEPS / largest : 0);
    for (size_t t = 0; t < padded; t += W) {
#ifdef SLM_SIGNED_BYTES
        const vi steps = round_to_int(load(probs + t) * inverse), low = steps << 24 >> 24, high = (steps - low) >> 8;
#else
        const vi steps = round_to_int(load(probs + t) * inverse), high = steps >> 8, low = steps & 255;
#endif
#if ROW_BYTE_SIZE == 1
        *(vb_any *)(result.high + t) = __builtin_convertvector(high, vb);
        *(vb_any *)(result.low + t) = __builtin_convertvector(low, vb);
#else
        for (size_t i = 0; i < W; i++) put_row_byte(result.high, t + i, high[i]), put_row_byte(result.low, t + i, low[i]);
#endif
    }
    return result;
}

// y[c ..< c + vectors·W] = factor·Σ prob·value, or only the first `width` elements of a single vector.
INLINE void weighted_sum_int8(int vectors, size_t width, size_t D, size_t count, quantized_probs probs, const void *values, size_t c,
                              float factor, float *y) {
    vf sum[4] = {{0}};
    for (size_t first = 0; first < quads_of(count); first += 4096) {       // the sums of so many positions fit into 32 bits
        vi high[4] = {{0}}, low[4] = {{0}};
        for (size_t t = first; t < min_size(first + 4096, quads_of(count)); t++)
            for (int v = 0; v < vectors; v++) {
                const vu quads = (vu)load_first((const float *)values + t * D + c + v * W, width);
                high[v] = add_value_quads(high[v], quads, probs.high + 4 * t * ROW_BYTE_SIZE);
                low[v] = add_value_quads(low[v], quads, probs.low + 4 * t * ROW_BYTE_SIZE);
            }
        for (int v = 0; v < vectors; v++)
            sum[v] += __builtin_convertvector(high[v], vf) * splat(256) + __builtin_convertvector(low[v], vf);
    }
    for (int v = 0; v < vectors; v++) store_first(y + c + v * W, sum[v] * splat(factor * probs.step), width);
}

// The same for f32 and bf16. In bf16, probs are pairs.
INLINE void weighted_sum_float(int precision, int vectors, size_t width, size_t D, size_t count, const void *probs, const void *values,
                               size_t c, float factor, float *y) {
    vf sum[4] = {{0}};
    const size_t steps = precision == SLM_WEIGHTS_BF16 ? pairs_of(count) : count;
    for (size_t t = 0; t < steps; t++)
        for (int v = 0; v < vectors; v++) {
            const vf value = load_first((const float *)values + t * D + c + v * W, width);
            if (precision == SLM_WEIGHTS_F32) sum[v] += splat(((const float *)probs)[t]) * value;
            else sum[v] = add_pairs(sum[v], splat_unit(((const unit *)probs)[t]), (vu)value);
        }
    for (int v = 0; v < vectors; v++) store_first(y + c + v * W, sum[v] * splat(factor), width);
}

INLINE void weighted_sum(int precision, int vectors, size_t width, size_t D, size_t count, const void *probs, quantized_probs bytes,
                         const void *values, size_t c, float factor, float *y) {
    if (precision == SLM_WEIGHTS_INT8) weighted_sum_int8(vectors, width, D, count, bytes, values, c, factor, y);
    else weighted_sum_float(precision, vectors, width, D, count, probs, values, c, factor, y);
}

INLINE void cached_attention_as(int precision, const slm_cached_attention *p, float *scratch) {
    // Starts at the block of the first position; the positions before it in that block get a probability of 0.
    const size_t start = p->first / (2 * W) * (2 * W), masked = p->first - start, count = p->count - start;
    const size_t D = p->D, units = key_units(precision, D), blocks = (count + W - 1) / W;
    const void *values = (const char *)p->values + start * value_bytes(precision, D);
    float *scores = scratch, *probs = scores + blocks * W;
    const quantized_query q = quantize_query(precision, D, p->q, p->scale * log2_e, (unit *)(probs + blocks * W));
    const unit *keys = (const unit *)p->keys + start * units;
    const char *next_keys = p->next_keys ? (const char *)p->next_keys + 4 * start * units : NULL;
    const float *scales = precision == SLM_WEIGHTS_INT8 ? key_scales(D, p->capacity, p->keys) + start : NULL;
    size_t b = 0;
    for (; b + 4 <= blocks; b += 4) {
        if (next_keys) prefetch_bytes(next_keys + b * W * 4 * units, 4 * W * 4 * units);
        score_blocks(precision, 4, D, q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W);
    }
    if (next_keys) prefetch_bytes(next_keys + b * W * 4 * units, (blocks - b) * W * 4 * units);
    for (; b < blocks; b++) score_blocks(precision, 1, D, q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W);
    for (size_t i = 0; p->cap > 0 && i < blocks * W; i += W)
        store(scores + i, soft_capped(load(scores + i), p->cap * log2_e, 1 / (p->cap * log2_e)));
    for (size_t t = 0; t < masked; t++) scores[t] = -INFINITY;
    const float sum = exp_of_scores(scores, count);
    for (size_t t = 0; t < masked; t++) scores[t] = 0;
    if (precision == SLM_WEIGHTS_F32) probs = scores;
    for (size_t t = 0; precision == SLM_WEIGHTS_BF16 && t < blocks * W; t += 2 * W) {
        const vf second = t + W < blocks * W ? load(scores + t + W) : (vf){0};
        *(vu_any *)((unit *)probs + t / 2) = pair_along(load(scores + t), second);
    }
    quantized_probs bytes = {0};
    if (precision == SLM_WEIGHTS_INT8) {
        const float *steps = value_scales(D, p->capacity, p->values) + start;
        for (size_t t = 0; t < blocks * W; t += W)
            store(scores + t, vselect(load(scores + t) > splat(0), load(scores + t) * load(steps + t), splat(0)));
        bytes = quantize_probs(scores, count, (char *)probs);
    }
    const size_t position = value_bytes(precision, D);
    if (p->next_values) prefetch_bytes((const char *)p->next_values + start * position, blocks * W * position);
    size_t c = 0;
    for (; c + 4 * W <= D; c += 4 * W) weighted_sum(precision, 4, W, D, count, probs, bytes, values, c, 1 / sum, p->y);
    for (; c + W <= D; c += W) weighted_sum(precision, 1, W, D, count, probs, bytes, values, c, 1 / sum, p->y);
    if (c < D) weighted_sum(precision, 1, D - c, D, count, probs, bytes, values, c, 1 / sum, p->y);
}

// Floats of scratch for `count` positions.
static size_t cached_attention_scratch(size_t D, size_t count) { return 2 * round_up(D, 4) + 2 * round_up(count, W) + 2 * W; }
static void cached_attention(const slm_cached_attention *p, float *scratch) {
    switch (p->precision) {
    case SLM_WEIGHTS_F32: cached_attention_as(SLM_WEIGHTS_F32, p, scratch); break;
    case SLM_WEIGHTS_BF16: cached_attention_as(SLM_WEIGHTS_BF16, p, scratch); break;
    default: cached_attention_as(SLM_WEIGHTS_INT8, p, scratch);
    }
}
