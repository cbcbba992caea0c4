// Attention of single positions over keys and values that are kept: what a sequence remembers of itself while it is answered.
//
// One head of one sequence. T is what the sequence has room for, rounded up to whole blocks of W.
//   keys     [T/W][D/2][W] pairs of neighbouring channels in bf16, or [T/W][D][W] floats: a lane is a position
//   values   [T/2][D] pairs of neighbouring positions in bf16, or [T][D] floats: a lane is a channel
//
// A position's result depends on what it sees alone, and is summed in the same order however many positions are asked about together.

static inline size_t pairs_of(size_t n) { return (n + 1) / 2; }

// Remembers the key and the value of position t.
static void remember(int type, size_t D, size_t t, const float *key, const float *value, void *keys, void *values) {
    if (type == SLM_F32) {
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

// q as the products with keys read it: [D] floats, or pairs of bf16.
static inline void round_question(int type, size_t D, const float *q, float scale, unit *to) {
    if (type == SLM_F32) {
        for (size_t d = 0; d < D; d++) ((float *)to)[d] = q[d] * scale;
        return;
    }
    for (size_t d = 0; d < 2 * pairs_of(D); d++) ((bf16 *)to)[d] = d < D ? narrow1(q[d] * scale) : 0;
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

// Scores of `blocks` ≤ 4 times W positions, all at once so that one sum need not wait for the other.
INLINE void score(int type, int blocks, size_t D, const unit *q, const unit *keys, float *scores) {
    const size_t units = type == SLM_F32 ? D : pairs_of(D);
    vf sum[4] = {{0}};
    for (size_t d = 0; d < units; d++)
        for (int b = 0; b < blocks; b++) {
            const vu k = *(const vu_any *)(keys + ((size_t)b * units + d) * W);
            if (type == SLM_F32) sum[b] += (vf)all_units(q[d]) * (vf)k; else sum[b] = add_pairs(sum[b], all_units(q[d]), k);
        }
    for (int b = 0; b < blocks; b++) store(scores + b * W, sum[b]);
}

static const int32_t lanes_in_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// exp(score − the largest), 0 behind the last; returns their sum.
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

// y[c ..< c + vectors·W] = Σ share·value
INLINE void mix(int type, int vectors, size_t D, size_t count, const float *shares, const unit *pairs, const void *values, size_t c, float factor, float *y) {
    vf sum[4] = {{0}};
    if (type == SLM_F32) {
        for (size_t t = 0; t < count; t++)
            for (int v = 0; v < vectors; v++) sum[v] += all(shares[t]) * load_first((const float *)values + t * D + c + v * W, least(W, D - c - v * W));
    } else {
        for (size_t t = 0; t < pairs_of(count); t++)
            for (int v = 0; v < vectors; v++)
                sum[v] = add_pairs(sum[v], all_units(pairs[t]),
                                   (vu)load_first((const float *)((const unit *)values + t * D + c + v * W), least(W, D - c - v * W)));
    }
    for (int v = 0; v < vectors; v++) store_first(y + c + v * W, sum[v] * all(factor), least(W, D - c - v * W));
}

INLINE void recall_as(int type, const slm_recall *p, float *scratch) {
    const size_t D = p->D, units = type == SLM_F32 ? D : pairs_of(D), blocks = (p->count + W - 1) / W;
    unit *q = (unit *)scratch;
    float *scores = scratch + round_up(units, W);
    round_question(type, D, p->q, p->scale * 1.44269504f, q);        // powers of 2 instead of e
    const unit *keys = p->keys;
    size_t b = 0;
    for (; b + 4 <= blocks; b += 4) score(type, 4, D, q, keys + b * units * W, scores + b * W);
    for (; b < blocks; b++) score(type, 1, D, q, keys + b * units * W, scores + b * W);
    const float sum = shares_of(scores, p->count);
    unit *pairs = (unit *)(scores + blocks * W);
    if (type == SLM_BF16) {
        for (size_t t = 0; t < blocks * W; t += 2 * W) {
            const vf second = t + W < blocks * W ? load(scores + t + W) : (vf){0};
            *(vu_any *)(pairs + t / 2) = pair_along(load(scores + t), second);
        }
    }
    size_t c = 0;
    for (; c + 4 * W <= D; c += 4 * W) mix(type, 4, D, p->count, scores, pairs, p->values, c, 1 / sum, p->y);
    for (; c < D; c += W) mix(type, 1, D, p->count, scores, pairs, p->values, c, 1 / sum, p->y);
}

// Floats of scratch for `count` positions.
static size_t recall_scratch(size_t D, size_t count) { return round_up(D, W) + 2 * round_up(count, W) + 2 * W; }
static void recall(const slm_recall *p, float *scratch) {
    if (p->type == SLM_F32) recall_as(SLM_F32, p, scratch); else recall_as(SLM_BF16, p, scratch);
}
