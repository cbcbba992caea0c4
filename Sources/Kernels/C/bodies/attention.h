// Causal attention for one head, a strip of queries at a time.
//
//   s = scale·q·kᵀ      p = exp(s − l),  l = log Σ exp(s)      y = p·v
//   dv = pᵀ·dy          ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale         dq = ds·k,  dk = dsᵀ·q
//
// A strip is STRIP queries by all their keys: memory grows with T, never with T². It is made in tiles of MR keys by
// NR queries; tiles above the diagonal are neither computed nor read. A vector is one key and W queries, so nothing
// is ever summed across a vector, and what a tile becomes is stored once, as a left side that needs no packing:
//
//   across    [key units][STRIP]     pairs of keys:     rows are queries, K are keys      p in p·v, ds in ds·k
//   along     [keys][STRIP units]    pairs of queries:  rows are keys, K are queries      p in pᵀ·dy, ds in dsᵀ·q
//
// In f32 the two are one.

#define STRIP 96   // a multiple of every path's MR and NR
_Static_assert(STRIP % MR == 0 && STRIP % NR == 0 && MR % 2 == 0, "tiles, panels and strips begin together");

typedef struct {
    unit *keys, *values;            // as left sides along D: [T / MR][D units][MR]
    unit *across;                   // v, or k on the way back, as the right side along T: [D / NR][T units][NR]
    unit *q, *dy;                   // a strip as right sides along D: [STRIP / NR][D units][NR]
    unit *q_across, *dy_across;     // … along the strip: [D / NR][STRIP units][NR]
    float *scores;                  // [T][NR]
    unit *shares, *slopes;          // p across, or along on the way back; ds along
    unit *slopes_across;
    float *dk, *dv;                 // [T rounded up to MR][columns]
    size_t columns;                 // D, rounded up to NR
} attention_room;

static size_t lay_out(const slm_attention *p, attention_room *r, void *scratch) {
    const size_t tall = round_up(p->T, MR), columns = round_up(p->D, NR);
    size_t used = 0;
    char *base = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
#define ROOM(field, elements) do { if (r) r->field = (void *)(base + used); used += round_up((elements) * 4, 64); } while (0)
    ROOM(keys, tall * p->D);
    ROOM(values, tall * p->D);
    ROOM(across, columns * p->T);
    ROOM(q, STRIP * p->D);
    ROOM(dy, STRIP * p->D);
    ROOM(q_across, columns * STRIP);
    ROOM(dy_across, columns * STRIP);
    ROOM(scores, tall * NR);
    ROOM(shares, tall * STRIP);
    ROOM(slopes, tall * STRIP);
    if (p->product == SLM_F32) { if (r) r->slopes_across = r->slopes; } else ROOM(slopes_across, tall * STRIP / 2);
    ROOM(dk, tall * columns);
    ROOM(dv, tall * columns);
#undef ROOM
    if (r) r->columns = columns;
    return used + 64;
}
static size_t attention_scratch(const slm_attention *p) { return lay_out(p, NULL, NULL); }

static slm_operand rows_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, stride, 1}; }
static slm_operand columns_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, 1, stride}; }

// The rows of a strip as part of the right side along T.
static void pack_along_T(const slm_attention *p, unit *to, const slm_operand *s, size_t q0, size_t q1) {
    const size_t all_units = units_of(p->T, p->product);
    for (size_t n = 0; n < p->D; n += NR)
        pack(to + n * all_units + q0 / per_unit(p->product) * NR, s, p->product, NR, n, least(n + NR, p->D), q0, q1);
}

// Asks for a strip's rows before they are needed: they are too far apart for the machine to see what comes.
static void fetch_strip(const slm_attention *p, const void *x, size_t stride, size_t q0) {
    const size_t size = p->type == SLM_F32 ? 4 : 2;
    for (size_t t = q0; t < least(q0 + STRIP, p->T); t++)
        for (size_t j = 0; j < p->D * size; j += 64) __builtin_prefetch((const char *)x + t * stride * size + j, 0, 2);
}

static inline size_t first_key(const slm_attention *p, size_t t) { return p->first ? (size_t)p->first[t] : 0; }
static size_t first_of_strip(const slm_attention *p, size_t q0, size_t q1) {
    size_t low = first_key(p, q0);
    for (size_t t = q0 + 1; t < q1; t++) low = least(low, first_key(p, t));
    return low / MR * MR;
}

static float dot(const void *a, const void *b, int type, size_t at, size_t D) {
    vf sum = {0};
    for (size_t j = 0; j < D; j += W) sum += get_first(a, type, at + j, least(W, D - j)) * get_first(b, type, at + j, least(W, D - j));
    return sum_of(sum);
}

// The queries of a panel, a lane each. Lanes without a query repeat the last one's keys; nobody reads what they make.
typedef struct {
    vi from[NV], to[NV];            // the keys that each sees
    size_t all_from, all_to;        // the keys that all of them see
    vf shift[NV];                   // what is taken from scale·s·log₂e before it becomes a power of 2
    vf along[NV];                   // scale·⟨dy, y⟩
} panel_queries;

static void find_keys(const slm_attention *p, size_t n0, size_t q1, panel_queries *of) {
    int32_t from[NR], to[NR];
    of->all_from = 0, of->all_to = n0;
    for (size_t i = 0; i < NR; i++) {
        const size_t t = least(n0 + i, q1 - 1), first = first_key(p, t);
        from[i] = (int32_t)first, to[i] = (int32_t)t;
        if (first > of->all_from) of->all_from = first;
    }
    memcpy(of->from, from, sizeof from);
    memcpy(of->to, to, sizeof to);
}
static inline bool see_all(const panel_queries *of, size_t k) { return k >= of->all_from && k + MR - 1 <= of->all_to; }

// The first vector of the panel's queries n ..< n + NR where all of it comes before the key: it needs no scores.
static inline size_t blind_queries(size_t key, size_t n) { return key >= n + W ? W : 0; }

// x where the queries of vector j see key k, else `other`: what is not seen is only ever picked away.
INLINE vf where_seen(bool whole, const panel_queries *of, int j, size_t k, vf x, float other) {
    if (whole) return x;
    const vi key = (vi){0} + (int32_t)k;
    return pick((key >= of->from[j]) & (key <= of->to[j]), x, all(other));
}

INLINE void keep_across(int product, unit *to, vf even, vf odd) {
    if (product != SLM_F32) *(vu_any *)to = pair_across(even, odd);
    else store((float *)to, even), store((float *)to + STRIP, odd);
}
INLINE void keep_along(int product, unit *to, const vf x[NV]) {
    if (product == SLM_F32) for (int j = 0; j < NV; j++) store((float *)to + j * W, x[j]);
    else for (int j = 0; j + 1 < NV; j += 2) *(vu_any *)(to + j / 2 * W) = pair_along(x[j], x[j + 1]);
}

INLINE void raise_tops(bool whole, const float *scores, const panel_queries *of, size_t k, vf top[NV]) {
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < NV; j++) top[j] = vmax(where_seen(whole, of, j, k + i, load(scores + i * NR + j * W), -INFINITY), top[j]);
}

// MR keys' scores become shares, 2^(factor·s − shift), and go where p·v reads them.
INLINE void make_shares(int product, bool whole, const float *scores, const panel_queries *of, size_t k, float factor, vf sum[NV], unit *to) {
    vf part[NV] = {0};
    for (int i = 0; i < MR; i += 2)
        for (int j = 0; j < NV; j++) {
            vf e[2];
            for (int h = 0; h < 2; h++) {
                e[h] = vexp2_bounded(load(scores + (i + h) * NR + j * W) * all(factor) - of->shift[j]);
                e[h] = where_seen(whole, of, j, k + i + h, e[h], 0);
            }
            part[j] += e[0] + e[1];
            keep_across(product, to + i / per_unit(product) * STRIP + j * W, e[0], e[1]);
        }
    for (int j = 0; j < NV; j++) sum[j] += part[j];
}

static void write_row(const slm_attention *p, const float *from, float factor, void *to, size_t at, size_t columns) {
    size_t j = 0;
    for (; j + W <= columns; j += W) put(to, p->type, at + j, load(from + j) * all(factor));
    if (j < columns) put_first(to, p->type, at + j, load_first(from + j, columns - j) * all(factor), columns - j);
}

// to[q0 + i] = factor[i]·(left·right), where a block of MR queries reaches up to its own diagonal, from key `low` on.
INLINE void write_rows(int product, const slm_attention *p, const unit *left, const unit *right, size_t q0, size_t q1, size_t low,
                       const float *factor, void *to, size_t stride) {
    const size_t per = per_unit(product), all_units = units_of(p->T, product);
    float tile[MR * NR] __attribute__((aligned(64)));
    for (size_t m = q0; m < q1; m += MR) {
        const size_t units = units_of(least(m + MR, p->T) - low, product);
        for (size_t n = 0; n < p->D; n += NR) {
            const unit *a = left + low / per * STRIP + (m - q0), *b = right + n * all_units + low / per * NR;
            if (is_narrow(p->D - n)) tile_of(product, NV - 1, units, a, 1, STRIP, b, tile, NR, false);
            else tile_of(product, NV, units, a, 1, STRIP, b, tile, NR, false);
            for (size_t i = 0; i < least(MR, q1 - m); i++)
                write_row(p, tile + i * NR, factor ? factor[m - q0 + i] : 1.0f, to, (m + i) * stride + n, least(NR, p->D - n));
        }
    }
}

static void fetch_inputs(const slm_attention *p, size_t q0) {
    fetch_strip(p, p->k, p->stride, q0);
    fetch_strip(p, p->v, p->stride, q0);
    fetch_strip(p, p->q, p->stride, q0);
}

static const float log2_e = 1.44269504f, ln_2 = 0.693147181f;

INLINE void attention_in(int product, const slm_attention *p, void *scratch) {
    attention_room r;
    lay_out(p, &r, scratch);
    const size_t T = p->T, units = units_of(p->D, product), per = per_unit(product);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = columns_of(p, p->v, p->stride);
    const float factor = p->scale * log2_e;
    fetch_inputs(p, 0);
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = least(q0 + STRIP, T), low = first_of_strip(p, q0, q1);
        float inverse[STRIP];
        pack(r.keys + q0 * units, &k, product, MR, q0, q1, 0, p->D);
        pack_along_T(p, r.across, &v, q0, q1);
        pack(r.q, &q, product, NR, q0, q1, 0, p->D);
        fetch_inputs(p, q1);
        fetch_strip(p, p->y, p->y_stride, q0);
        for (size_t n = q0; n < q1; n += NR) {
            const size_t high = least(n + NR, q1);
            panel_queries of;
            vf top[NV], sum[NV] = {0};
            find_keys(p, n, q1, &of);
            for (int j = 0; j < NV; j++) top[j] = all(-INFINITY);
            for (size_t m = low; m < high; m += MR) {
                const size_t blind = blind_queries(m, n);
                float *scores = r.scores + m * NR;
                tile_of_panels(product, units, r.keys + m * units, r.q + (n - q0) * units + blind, NR - blind, scores + blind);
                if (see_all(&of, m)) raise_tops(true, scores, &of, m, top);
                else raise_tops(false, scores, &of, m, top);
            }
            for (int j = 0; j < NV; j++) of.shift[j] = top[j] * all(factor);
            for (size_t m = low; m < high; m += MR) {
                const float *scores = r.scores + m * NR;
                unit *to = r.shares + m / per * STRIP + (n - q0);
                if (see_all(&of, m)) make_shares(product, true, scores, &of, m, factor, sum, to);
                else make_shares(product, false, scores, &of, m, factor, sum, to);
            }
            for (size_t i = 0; i < high - n; i++) {
                const float s = sum[i / W][i % W];
                inverse[n - q0 + i] = 1.0f / s;
                if (p->log_sum) p->log_sum[n + i] = of.shift[i / W][i % W] * ln_2 + logf(s);
            }
        }
        write_rows(product, p, r.shares, r.across, q0, q1, low, inverse, p->y, p->y_stride);
    }
}
static void attention(const slm_attention *p, void *scratch) {
    if (p->product == SLM_F32) attention_in(SLM_F32, p, scratch); else attention_in(SLM_BF16, p, scratch);
}

// MR keys' scores and dy·vᵀ become shares and slopes, and go where the three products read them.
INLINE void make_slopes(int product, bool whole, const float *scores, const float *dp, const panel_queries *of, size_t k, float factor, float scale,
                        unit *shares, unit *slopes, unit *slopes_across) {
    const size_t per = per_unit(product);
    for (int i = 0; i < MR; i += 2) {
        vf e[2][NV], d[2][NV];
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < NV; j++) {
                const size_t at = (i + h) * NR + j * W;
                e[h][j] = vexp2_bounded(load(scores + at) * all(factor) - of->shift[j]);
                e[h][j] = where_seen(whole, of, j, k + i + h, e[h][j], 0);
                d[h][j] = where_seen(whole, of, j, k + i + h, e[h][j] * (load(dp + at) * all(scale) - of->along[j]), 0);
            }
        for (int h = 0; h < 2; h++) {
            keep_along(product, shares + (i + h) * STRIP / per, e[h]);
            keep_along(product, slopes + (i + h) * STRIP / per, d[h]);
        }
        if (product != SLM_F32)
            for (int j = 0; j < NV; j++) keep_across(product, slopes_across + i / 2 * STRIP + j * W, d[0][j], d[1][j]);
    }
}

// to[key] (+)= left·right over the queries q0 ..< q1, for the keys low ..< q1. Those before q0 have their sums of earlier strips.
INLINE void add_columns(int product, const slm_attention *p, const unit *left, const unit *right, size_t q0, size_t q1, size_t low, float *to,
                        size_t columns) {
    const size_t per = per_unit(product), units = units_of(q1 - q0, product);
    for (size_t m = low; m < q1; m += MR) {
        const size_t skip = m > q0 ? (m - q0) / per : 0;      // queries before the first of these keys do not see them
        for (size_t n = 0; n < p->D; n += NR) {
            const unit *a = left + m * STRIP / per + skip, *b = right + n * units + skip * NR;
            float *tile = to + m * columns + n;
            if (is_narrow(p->D - n)) tile_of(product, NV - 1, units - skip, a, STRIP / per, 1, b, tile, columns, m < q0);
            else tile_of(product, NV, units - skip, a, STRIP / per, 1, b, tile, columns, m < q0);
        }
    }
}

INLINE void attention_gradient_in(int product, const slm_attention *p, void *scratch) {
    attention_room r;
    lay_out(p, &r, scratch);
    const size_t T = p->T, D = p->D, units = units_of(D, product), per = per_unit(product);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = rows_of(p, p->v, p->stride);
    const slm_operand k_across = columns_of(p, p->k, p->stride), q_across = columns_of(p, p->q, p->stride);
    const slm_operand dy = rows_of(p, p->dy, p->y_stride), dy_across = columns_of(p, p->dy, p->y_stride);
    const float factor = p->scale * log2_e;
    fetch_inputs(p, 0);
    fetch_strip(p, p->dy, p->y_stride, 0);
    fetch_strip(p, p->y, p->y_stride, 0);
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = least(q0 + STRIP, T), low = first_of_strip(p, q0, q1);
        pack(r.keys + q0 * units, &k, product, MR, q0, q1, 0, D);
        pack(r.values + q0 * units, &v, product, MR, q0, q1, 0, D);
        pack_along_T(p, r.across, &k_across, q0, q1);
        pack(r.q, &q, product, NR, q0, q1, 0, D);
        pack(r.dy, &dy, product, NR, q0, q1, 0, D);
        pack(r.q_across, &q_across, product, NR, 0, D, q0, q1);
        pack(r.dy_across, &dy_across, product, NR, 0, D, q0, q1);
        fetch_inputs(p, q1);
        fetch_strip(p, p->dy, p->y_stride, q1);
        fetch_strip(p, p->y, p->y_stride, q1);
        fetch_strip(p, p->dq, p->stride, q0);
        fetch_strip(p, p->dk, p->stride, q0);
        fetch_strip(p, p->dv, p->stride, q0);
        for (size_t n = q0; n < q1; n += NR) {
            panel_queries of;
            find_keys(p, n, q1, &of);
            float shift[NR] = {0}, along[NR] = {0};
            for (size_t i = 0; i < least(NR, q1 - n); i++) {
                shift[i] = p->log_sum[n + i] * log2_e;
                along[i] = dot(p->dy, p->y, p->type, (n + i) * p->y_stride, D) * p->scale;
            }
            memcpy(of.shift, shift, sizeof shift);
            memcpy(of.along, along, sizeof along);
            for (size_t m = low; m < least(n + NR, q1); m += MR) {
                const size_t blind = blind_queries(m, n);
                float scores[MR * NR] __attribute__((aligned(64))), dp[MR * NR] __attribute__((aligned(64)));
                tile_of_panels(product, units, r.keys + m * units, r.q + (n - q0) * units + blind, NR - blind, scores + blind);
                tile_of_panels(product, units, r.values + m * units, r.dy + (n - q0) * units + blind, NR - blind, dp + blind);
                unit *shares = r.shares + (m * STRIP + n - q0) / per, *slopes = r.slopes + (m * STRIP + n - q0) / per;
                unit *slopes_across = r.slopes_across + m / per * STRIP + (n - q0);
                if (see_all(&of, m)) make_slopes(product, true, scores, dp, &of, m, factor, p->scale, shares, slopes, slopes_across);
                else make_slopes(product, false, scores, dp, &of, m, factor, p->scale, shares, slopes, slopes_across);
            }
        }
        add_columns(product, p, r.shares, r.dy_across, q0, q1, low, r.dv, r.columns);
        add_columns(product, p, r.slopes, r.q_across, q0, q1, low, r.dk, r.columns);
        write_rows(product, p, r.slopes_across, r.across, q0, q1, low, NULL, p->dq, p->stride);
    }
    for (size_t t = 0; t < T; t++) {
        write_row(p, r.dk + t * r.columns, 1, p->dk, t * p->stride, D);
        write_row(p, r.dv + t * r.columns, 1, p->dv, t * p->stride, D);
    }
}
static void attention_gradient(const slm_attention *p, void *scratch) {
    if (p->product == SLM_F32) attention_gradient_in(SLM_F32, p, scratch); else attention_gradient_in(SLM_BF16, p, scratch);
}
