// Attention of single positions over keys and values that are kept: what a sequence remembers of itself while it is answered.
//
// One head of one sequence. T is what the sequence has room for, a multiple of W. A lane of a vector of keys is a position, one of values a channel.
//   f32     keys [T/W][D][W] floats                                         values [T][D] floats
//   bf16    keys [T/W][D/2][W] pairs of neighbouring channels               values [T/2][D] pairs of neighbouring positions
//   int8    keys [T/W][D/4][W] quads of neighbouring channels, each a byte: its value + 128; behind them a scale for each position
//           values [T/4][D] quads of neighbouring positions, behind them a scale for each position
//
// A position's result depends on what it sees alone, and is summed in the same order however many positions are asked about together.

static inline size_t pairs_of(size_t n) { return (n + 1) / 2; }
static inline size_t quads_of(size_t n) { return (n + 3) / 4; }
static inline size_t key_units(int form, size_t D) {                 // of 32 bits, for each position
    return form == SLM_WEIGHTS_F32 ? D : form == SLM_WEIGHTS_BF16 ? pairs_of(D) : quads_of(D);
}
static inline size_t value_width(int form, size_t D) {                // in bytes, for each position
    return form == SLM_WEIGHTS_F32 ? 4 * D : form == SLM_WEIGHTS_BF16 ? 2 * D : D;
}
static inline size_t round_up_room(size_t room) { return round_up(room, 2 * W); }

static size_t recall_key_bytes(int form, size_t D, size_t room) {
    return round_up_room(room) * (4 * key_units(form, D) + (form == SLM_WEIGHTS_INT8 ? 4 : 0));
}
static size_t recall_value_bytes(int form, size_t D, size_t room) {
    return round_up(round_up_room(room) * (value_width(form, D) + (form == SLM_WEIGHTS_INT8 ? 4 : 0)), 64);
}
static inline float *key_scales(size_t D, size_t room, const void *keys) { return (float *)((unit *)keys + round_up_room(room) * quads_of(D)); }
static inline float *value_scales(size_t D, size_t room, const void *values) { return (float *)((char *)values + round_up_room(room) * D); }

// The scale of a vector in ±127 steps, and what to multiply by to count them.
static inline float steps_of(const float *x, size_t D, float *inverse) {
    vf largest = {0};
    for (size_t d = 0; d < D; d += W) largest = vmax(vabs(load_first(x + d, least(W, D - d))), largest);
    const float most = max_of(largest);
    *inverse = most > 0 ? 127 / most : 0;
    return most / 127;
}
static inline vb in_steps(const float *x, size_t count, float inverse) {
    return __builtin_convertvector(round_to_int(load_first(x, count) * all(inverse)), vb);
}

// Remembers the key and the value of position t.
static void remember(int form, size_t D, size_t room, size_t t, const float *key, const float *value, void *keys, void *values) {
    if (form == SLM_WEIGHTS_INT8) {
        uint8_t *k = (uint8_t *)keys + 4 * (t / W * quads_of(D) * W + t % W);
        int8_t *v = (int8_t *)values + 4 * (t / 4 * D) + t % 4;
        float inverse;
        key_scales(D, room, keys)[t] = steps_of(key, D, &inverse);
        for (size_t d = 0; d < D; d += W) {
            const vb steps = in_steps(key + d, least(W, D - d), inverse) ^ (int8_t)-128;      // + 128, in eight bits
            for (size_t i = 0; i < quads_of(least(W, D - d)); i++) memcpy(k + (d / 4 + i) * 4 * W, (const char *)&steps + 4 * i, 4);
        }
        value_scales(D, room, values)[t] = steps_of(value, D, &inverse);
        for (size_t d = 0; d < D; d += W) {
            const vb steps = in_steps(value + d, least(W, D - d), inverse);
            for (size_t i = 0; i < least(W, D - d); i++) v[4 * (d + i)] = steps[i];
        }
    } else if (form == SLM_WEIGHTS_F32) {
        float *k = (float *)keys + t / W * D * W + t % W;
        for (size_t d = 0; d < D; d++) k[d * W] = key[d];
        memcpy((float *)values + t * D, value, 4 * D);
    } else {
        bf16 *k = (bf16 *)keys + 2 * (t / W * pairs_of(D) * W + t % W), *v = (bf16 *)values + 2 * (t / 2 * D) + t % 2;
        for (size_t d = 0; d < 2 * pairs_of(D); d++) k[d / 2 * 2 * W + d % 2] = d < D ? narrow1(key[d]) : 0;
        for (size_t d = 0; d < D; d++) v[2 * d] = narrow1(value[d]);
        if (t % 2 == 0) for (size_t d = 0; d < D; d++) v[2 * d + 1] = 0;     // is multiplied, by 0, before it is there
    }
}

// Takes the first positions of another's keys and values, and perhaps a few more.
static void recall_copy(int form, size_t D, size_t room, size_t count, const void *from_keys, const void *from_values, void *keys, void *values) {
    const size_t T = round_up(count, 2 * W);
    memcpy(keys, from_keys, T * 4 * key_units(form, D));
    memcpy(values, from_values, T * value_width(form, D));
    if (form != SLM_WEIGHTS_INT8) return;
    memcpy(key_scales(D, room, keys), key_scales(D, room, from_keys), T * sizeof(float));
    memcpy(value_scales(D, room, values), value_scales(D, room, from_values), T * sizeof(float));
}

// A question as the products with keys read it: floats, pairs of bf16, or quads of bytes with what 128 too much of each makes of their sum.
typedef struct { float scale; int32_t offset; unit *units; } question;
static inline question round_question(int form, size_t D, const float *q, float scale, unit *to) {
    question result = {1, 0, to};
    if (form == SLM_WEIGHTS_F32) {
        for (size_t d = 0; d < D; d++) ((float *)to)[d] = q[d] * scale;
    } else if (form == SLM_WEIGHTS_BF16) {
        for (size_t d = 0; d < 2 * pairs_of(D); d++) ((bf16 *)to)[d] = d < D ? narrow1(q[d] * scale) : 0;
    } else {
        float inverse;
        result.scale = steps_of(q, D, &inverse) * scale;
        for (size_t d = 0; d < D; d += W) {
            const vb steps = in_steps(q + d, least(W, D - d), inverse);
            for (size_t i = 0; i < 4 * quads_of(least(W, D - d)); i++) {
                result.offset -= 128 * steps[i];
                put_row_byte((char *)to, d + i, steps[i]);
            }
        }
    }
    return result;
}

static inline vf add_pairs(vf sum, vu a, vu b) {                     // sum + a.low·b.low + a.high·b.high
#ifdef SLM_NATIVE_BF16
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    sum += (vf)(a << 16) * (vf)(b << 16);
    return sum + (vf)(a & 0xffff0000) * (vf)(b & 0xffff0000);
#endif
}
static inline vu all_units(unit u) { return (vu){0} + u; }

// What is remembered comes from far away, in pieces too short for the machine to guess what follows: while a head is asked, what the next will need is asked for.
// It comes as far as the second-level cache: the first has no room for it, and more requests can be under way.
static inline void fetch_bytes(const char *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
}

// Scores of `blocks` ≤ 4 times W positions, all at once so that one sum need not wait for the other.
INLINE void score(int form, int blocks, size_t D, question q, const unit *keys, const float *scales, float *scores) {
    const size_t units = key_units(form, D);
    vf sum[4] = {{0}};
    vi part[4];
    for (int b = 0; b < 4; b++) part[b] = (vi){0} + q.offset;
    for (size_t d = 0; d < units; d++)
        for (int b = 0; b < blocks; b++) {
            const vu k = *(const vu_any *)(keys + ((size_t)b * units + d) * W);
            if (form == SLM_WEIGHTS_F32) sum[b] += (vf)all_units(q.units[d]) * (vf)k;
            else if (form == SLM_WEIGHTS_BF16) sum[b] = add_pairs(sum[b], all_units(q.units[d]), k);
            else part[b] = add_quads(part[b], k, (const char *)q.units + 4 * d * ROW_BYTE_SIZE);
        }
    for (int b = 0; b < blocks; b++) {
        if (form == SLM_WEIGHTS_INT8) sum[b] = __builtin_convertvector(part[b], vf) * all(q.scale) * load(scales + b * W);
        store(scores + b * W, sum[b]);
    }
}

static const int32_t lanes_in_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// 2^(score − the largest), 0 behind the last; returns their sum.
static inline float shares_of(float *scores, size_t count) {
    vi lane;
    memcpy(&lane, lanes_in_order, sizeof lane);
    vf most = all(-INFINITY);
    const size_t whole = count / W * W, all_of_them = round_up(count, W);
    for (size_t t = 0; t < whole; t += W) most = vmax(load(scores + t), most);
    if (whole < count) {
        const vf last = pick(lane < (vi){0} + (int32_t)(count - whole), load(scores + whole), all(-INFINITY));
        store(scores + whole, last);
        most = vmax(last, most);
    }
    const vf shift = all(max_of(most));
    vf sum = {0};
    for (size_t t = 0; t < all_of_them; t += W) {
        const vf e = vexp2_bounded(load(scores + t) - shift);
        const vf share = t < whole ? e : pick(lane < (vi){0} + (int32_t)(count - t), e, all(0));
        store(scores + t, share);
        sum += share;
    }
    return sum_of(sum);
}

// sum + the quads of signed bytes · four unsigned ones, which `shares` has as the products with bytes read them
static inline vi add_shared_quads(vi sum, vu quads, const char *shares) {
#ifdef SLM_VNNI
    int32_t four;
    memcpy(&four, shares, 4);
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(four), (__m512i)quads);
#else
    typedef int16_t vs __attribute__((ext_vector_type(2 * W)));
    int32_t row[2];
    memcpy(row, shares, 8);
    return sum + multiply_pairs((vi)((vs)quads << 8 >> 8), (vi){0} + row[0]) + multiply_pairs((vi)((vs)quads >> 8), (vi){0} + row[1]);
#endif
}

// Shares in steps of 1/65,535 of the largest, as two rows of bytes: so many 256ths, and the rest. What is behind the last counts nothing.
typedef struct { float step; char *high, *low; } split_shares;
static inline split_shares split(const float *shares, size_t count, char *room) {
    const size_t whole = round_up(count, W);
    vf most = {0};
    for (size_t t = 0; t < whole; t += W) most = vmax(load(shares + t), most);
    const float largest = max_of(most);
    const split_shares result = {largest / 65535, room, room + whole * ROW_BYTE_SIZE};
    const vf inverse = all(largest > 0 ? 65535 / largest : 0);
    for (size_t t = 0; t < whole; t += W) {
        const vi steps = round_to_int(load(shares + t) * inverse), high = steps >> 8, low = steps & 255;
#ifdef SLM_VNNI
        *(vb_any *)(result.high + t) = __builtin_convertvector(high, vb);
        *(vb_any *)(result.low + t) = __builtin_convertvector(low, vb);
#else
        for (size_t i = 0; i < W; i++) put_row_byte(result.high, t + i, high[i]), put_row_byte(result.low, t + i, low[i]);
#endif
    }
    return result;
}

// y[c ..< c + vectors·W] = Σ share·value, or only the first `width` of a single vector.
INLINE void mix_bytes(int vectors, size_t width, size_t D, size_t count, split_shares shares, const void *values, size_t c, float factor, float *y) {
    vf sum[4] = {{0}};
    // The sums of so many positions fit into 32 bits.
    for (size_t first = 0; first < quads_of(count); first += 4096) {
        vi high[4] = {{0}}, low[4] = {{0}};
        for (size_t t = first; t < least(first + 4096, quads_of(count)); t++)
            for (int v = 0; v < vectors; v++) {
                const vu quads = (vu)load_first((const float *)values + t * D + c + v * W, width);
                high[v] = add_shared_quads(high[v], quads, shares.high + 4 * t * ROW_BYTE_SIZE);
                low[v] = add_shared_quads(low[v], quads, shares.low + 4 * t * ROW_BYTE_SIZE);
            }
        for (int v = 0; v < vectors; v++) sum[v] += __builtin_convertvector(high[v], vf) * all(256) + __builtin_convertvector(low[v], vf);
    }
    for (int v = 0; v < vectors; v++) store_first(y + c + v * W, sum[v] * all(factor * shares.step), width);
}

// The same for floats, and for bf16, where the shares are pairs.
INLINE void mix_floats(int form, int vectors, size_t width, size_t D, size_t count, const void *shares, const void *values, size_t c, float factor, float *y) {
    vf sum[4] = {{0}};
    const size_t steps = form == SLM_WEIGHTS_BF16 ? pairs_of(count) : count;
    for (size_t t = 0; t < steps; t++)
        for (int v = 0; v < vectors; v++) {
            const vf value = load_first((const float *)values + t * D + c + v * W, width);
            if (form == SLM_WEIGHTS_F32) sum[v] += all(((const float *)shares)[t]) * value;
            else sum[v] = add_pairs(sum[v], all_units(((const unit *)shares)[t]), (vu)value);
        }
    for (int v = 0; v < vectors; v++) store_first(y + c + v * W, sum[v] * all(factor), width);
}

INLINE void mix(int form, int vectors, size_t width, size_t D, size_t count, const void *shares, split_shares bytes, const void *values, size_t c, float factor,
                float *y) {
    if (form == SLM_WEIGHTS_INT8) mix_bytes(vectors, width, D, count, bytes, values, c, factor, y);
    else mix_floats(form, vectors, width, D, count, shares, values, c, factor, y);
}

INLINE void recall_as(int form, const slm_recall *p, float *scratch) {
    const size_t D = p->D, units = key_units(form, D), blocks = (p->count + W - 1) / W;
    float *scores = scratch, *shares = scores + blocks * W;
    const question q = round_question(form, D, p->q, p->scale * 1.44269504f, (unit *)(shares + blocks * W));     // powers of 2 instead of e
    const unit *keys = p->keys;
    const float *scales = form == SLM_WEIGHTS_INT8 ? key_scales(D, p->room, keys) : NULL;
    size_t b = 0;
    for (; b + 4 <= blocks; b += 4) {
        if (p->next_keys) fetch_bytes((const char *)p->next_keys + b * W * 4 * units, 4 * W * 4 * units);
        score(form, 4, D, q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W);
    }
    if (p->next_keys) fetch_bytes((const char *)p->next_keys + b * W * 4 * units, (blocks - b) * W * 4 * units);
    for (; b < blocks; b++) score(form, 1, D, q, keys + b * units * W, scales ? scales + b * W : NULL, scores + b * W);
    const float sum = shares_of(scores, p->count);
    if (form == SLM_WEIGHTS_F32) shares = scores;
    for (size_t t = 0; form == SLM_WEIGHTS_BF16 && t < blocks * W; t += 2 * W) {
        const vf second = t + W < blocks * W ? load(scores + t + W) : (vf){0};
        *(vu_any *)((unit *)shares + t / 2) = pair_along(load(scores + t), second);
    }
    split_shares bytes = {0};
    if (form == SLM_WEIGHTS_INT8) {
        const float *steps = value_scales(D, p->room, p->values);
        for (size_t t = 0; t < blocks * W; t += W) store(scores + t, pick(load(scores + t) > all(0), load(scores + t) * load(steps + t), all(0)));
        bytes = split(scores, p->count, (char *)shares);
    }
    if (p->next_values) fetch_bytes(p->next_values, blocks * W * value_width(form, D));
    size_t c = 0;
    for (; c + 4 * W <= D; c += 4 * W) mix(form, 4, W, D, p->count, shares, bytes, p->values, c, 1 / sum, p->y);
    for (; c + W <= D; c += W) mix(form, 1, W, D, p->count, shares, bytes, p->values, c, 1 / sum, p->y);
    if (c < D) mix(form, 1, D - c, D, p->count, shares, bytes, p->values, c, 1 / sum, p->y);
}

// Floats of scratch for `count` positions.
static size_t recall_scratch(size_t D, size_t count) { return 2 * round_up(D, 4) + 2 * round_up(count, W) + 2 * W; }
static void recall(const slm_recall *p, float *scratch) {
    switch (p->form) {
    case SLM_WEIGHTS_F32: recall_as(SLM_WEIGHTS_F32, p, scratch); break;
    case SLM_WEIGHTS_BF16: recall_as(SLM_WEIGHTS_BF16, p, scratch); break;
    default: recall_as(SLM_WEIGHTS_INT8, p, scratch);
    }
}
