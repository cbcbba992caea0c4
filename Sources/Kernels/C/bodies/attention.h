// Causal attention for one head, one strip of queries at a time. p are the attention probabilities, l is log_sum.
//
//   s = scale·q·kᵀ      p = exp(s − l),  l = log Σ exp(s)      y = p·v
//   dv = pᵀ·dy          ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale         dq = ds·k,  dk = dsᵀ·q
//
// With soft-capped scores, exp(cap·tanh(s/cap) − l) takes the place of exp(s − l), and ds has the factor 1 − tanh²(s/cap).
//
// A sink is one more term of the sum in l, without a key: its gradient is −Σ exp(sink − l)·⟨dy, y⟩.
//
// A strip is STRIP queries by all their keys, so memory grows with T, not with T². It is computed in tiles of a panel's rows of keys by NR
// queries; tiles above the diagonal are neither computed nor read. A vector holds one key and W queries, so no sum runs across the lanes
// of a vector. p and ds are stored directly in the layout of a matmul's left operand, which needs no packing. The layouts are named
// after the axis that the matmul reduces:
//
//   keys_reduced      [key units][STRIP]     pairs of keys:     rows are queries, K are keys      p in p·v, ds in ds·k
//   queries_reduced   [keys][STRIP units]    pairs of queries:  rows are keys, K are queries      p in pᵀ·dy, ds in dsᵀ·q
//
// In f32 both layouts are the same.
//
// Tiles of AMX (amx_matmul.h) read queries_reduced as it is, as a left operand, and keys_reduced only as a right operand: p·v and ds·k are
// computed as (vᵀ·pᵀ)ᵀ and (kᵀ·dsᵀ)ᵀ.

#define STRIP 96   // a multiple of MR and NR of every instruction set
_Static_assert(STRIP % MR == 0 && STRIP % NR == 0 && MR % 2 == 0, "a strip consists of whole tiles and panels");
_Static_assert(STRIP % TILED_ROWS == 0 && STRIP / 2 % TILE_UNITS == 0, "and of whole tiles of AMX");

typedef struct {
    unit *keys, *values;            // left operands, summed over D: panels of [D units]
    unit *v_keys_reduced;           // v, or k in the backward pass, as a right operand, summed over T: [D / NR][T units][NR]; with tiles as
                                    // a left one
    unit *q, *dy;                   // a strip as right operands, summed over D: [STRIP / NR][D units][NR]
    unit *q_queries_reduced;        // q and dy of a strip as right operands, summed over the strip: [D / NR][STRIP units][NR]
    unit *dy_queries_reduced;
    float *scores;                  // [T][NR]
    unit *probs, *dscores;          // p keys_reduced, or queries_reduced in the backward pass; ds queries_reduced
    unit *dscores_keys_reduced;     // ds keys_reduced
    float *dk, *dv;                 // [T rounded up to panel_rows][columns]
    size_t columns;                 // D, rounded up to NR
} attention_buffers;

// Places the buffers in `scratch`, if `r` is not NULL. Returns the bytes that they need.
static size_t lay_out(const slm_attention *p, attention_buffers *r, void *scratch) {
    const size_t padded_T = round_up(p->T, panel_rows(p->precision)), columns = round_up(p->D, NR);
    // Room for the padding of units.
    const size_t T = round_up(p->T, IS_TILED(p->precision) ? STRIP : 2), D = round_up(p->D, 2 * TILE_UNITS);
    size_t used = 0;
    char *base = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
#define PLACE(field, elements) do { if (r) r->field = (void *)(base + used); used += round_up((elements) * 4, 64); } while (0)
    PLACE(keys, padded_T * D);
    PLACE(values, padded_T * D);
    PLACE(v_keys_reduced, columns * T);
    PLACE(q, STRIP * D);
    PLACE(dy, STRIP * D);
    PLACE(q_queries_reduced, columns * STRIP);
    PLACE(dy_queries_reduced, columns * STRIP);
    PLACE(scores, padded_T * NR);
    PLACE(probs, padded_T * STRIP);
    PLACE(dscores, padded_T * STRIP);
    if (p->precision == SLM_F32) { if (r) r->dscores_keys_reduced = r->dscores; } else PLACE(dscores_keys_reduced, padded_T * STRIP / 2);
    PLACE(dk, padded_T * columns);
    PLACE(dv, padded_T * columns);
#undef PLACE
    if (r) r->columns = columns;
    return used + 64;
}
static size_t attention_scratch(const slm_attention *p) { return lay_out(p, NULL, NULL); }

static slm_operand rows_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, stride, 1}; }
static slm_operand columns_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, 1, stride}; }

// Units of an operand that is summed over T, in a panel.
static inline size_t units_along_T(int precision, const slm_attention *p) {
    return IS_TILED(precision) ? round_up(p->T, STRIP) / 2 : units_of(p->T, precision);
}

// Packs the rows of a strip into the operand that is summed over T.
INLINE void pack_along_T(int precision, const slm_attention *p, unit *to, const slm_operand *s, size_t q0, size_t q1) {
    const size_t all_units = units_along_T(precision, p);
    for (size_t n = 0; n < p->D; n += NR) {
        unit *panel = to + n * all_units + q0 / per_unit(precision) * NR;
        const size_t n1 = min_size(n + NR, p->D);
        if (IS_TILED(precision)) pack_left(panel, s, precision, n, n1, q0, q1); else pack_right(panel, s, precision, n, n1, q0, q1);
    }
}

// Prefetches the rows of a strip: they are too far apart for the hardware prefetcher.
static void prefetch_strip(const slm_attention *p, const void *x, size_t stride, size_t q0) {
    const size_t size = p->type == SLM_F32 ? 4 : 2;
    for (size_t t = q0; t < min_size(q0 + STRIP, p->T); t++)
        for (size_t j = 0; j < p->D * size; j += 64) __builtin_prefetch((const char *)x + t * stride * size + j, 0, 2);
}

static inline size_t first_key(const slm_attention *p, size_t t) { return p->first ? (size_t)p->first[t] : 0; }
static size_t first_key_of_strip(int precision, const slm_attention *p, size_t q0, size_t q1) {
    size_t low = first_key(p, q0);
    for (size_t t = q0 + 1; t < q1; t++) low = min_size(low, first_key(p, t));
    return low / panel_rows(precision) * panel_rows(precision);
}

static float dot(const void *a, const void *b, int type, size_t at, size_t D) {
    vf sum = {0};
    for (size_t j = 0; j < D; j += W)
        sum += get_first(a, type, at + j, min_size(W, D - j)) * get_first(b, type, at + j, min_size(W, D - j));
    return sum_lanes(sum);
}

// The queries of a panel, one per lane. Lanes behind the last query repeat its range of keys; their results are not used.
typedef struct {
    vi from[NV], to[NV];            // the keys that each query attends to
    size_t common_from, common_to;  // the keys that all of them attend to
    vf shift[NV];                   // subtracted from scale·s·log₂e before exponentiation with base 2
    vf dy_dot_y[NV];                // scale·⟨dy, y⟩
} panel_queries;

static void find_visible_keys(const slm_attention *p, size_t n0, size_t q1, panel_queries *queries) {
    int32_t from[NR], to[NR];
    queries->common_from = 0, queries->common_to = n0;
    for (size_t i = 0; i < NR; i++) {
        const size_t t = min_size(n0 + i, q1 - 1), first = first_key(p, t);
        from[i] = (int32_t)first, to[i] = (int32_t)t;
        if (first > queries->common_from) queries->common_from = first;
    }
    memcpy(queries->from, from, sizeof from);
    memcpy(queries->to, to, sizeof to);
}
static inline bool is_unmasked(int precision, const panel_queries *queries, size_t k) {
    return k >= queries->common_from && k + panel_rows(precision) - 1 <= queries->common_to;
}

// W if all queries of the panel's first vector, n ..< n + W, come before the key, so that it needs no scores; else 0.
static inline size_t masked_queries(size_t key, size_t n) { return key >= n + W ? W : 0; }

// x where the queries of vector j attend to key k, else `other`. A selection, not a product with 0, so that NaN is masked too.
INLINE vf select_visible(bool unmasked, const panel_queries *queries, int j, size_t k, vf x, float other) {
    if (unmasked) return x;
    const vi key = (vi){0} + (int32_t)k;
    return vselect((key >= queries->from[j]) & (key <= queries->to[j]), x, splat(other));
}

INLINE void store_keys_reduced(int precision, unit *to, vf even, vf odd) {
    if (precision != SLM_F32) *(vu_any *)to = pair_across(even, odd);
    else store((float *)to, even), store((float *)to + STRIP, odd);
}
INLINE void store_queries_reduced(int precision, unit *to, const vf x[NV]) {
    if (precision == SLM_F32) for (int j = 0; j < NV; j++) store((float *)to + j * W, x[j]);
    else {
        for (int j = 0; j + 1 < NV; j += 2) *(vu_any *)(to + j / 2 * W) = pair_along(x[j], x[j + 1]);
        const vu last = pair_along(x[NV - 1], x[NV - 1]);
        if (NV % 2) memcpy(to + NV / 2 * W, &last, 2 * W);
    }
}

// Soft-caps the products q·k of a tile, before they are multiplied by `scale`.
INLINE void cap_scores(int precision, const slm_attention *p, float *scores) {
    const float cap = p->cap / p->scale, inverse = p->scale / p->cap;
    for (size_t i = 0; i < panel_rows(precision) * NR; i += W) store(scores + i, soft_capped(load(scores + i), cap, inverse));
}

INLINE void update_max(int precision, bool unmasked, const float *scores, const panel_queries *queries, size_t k, vf max[NV]) {
    for (size_t i = 0; i < panel_rows(precision); i++)
        for (int j = 0; j < NV; j++) {
            const vf visible = select_visible(unmasked, queries, j, k + i, load(scores + i * NR + j * W), -INFINITY);
            max[j] = vmax(visible, max[j]);
        }
}

// Computes 2^(factor·s − shift) for the scores of a panel of keys, adds it to `sum`, and stores it as the left operand of p·v.
INLINE void make_probs(int precision, bool unmasked, const float *scores, const panel_queries *queries, size_t k, float factor,
                       vf sum[NV], unit *to) {
    vf part[NV] = {0};
    for (size_t i = 0; i < panel_rows(precision); i += 2)
        for (int j = 0; j < NV; j++) {
            vf e[2];
            for (size_t h = 0; h < 2; h++) {
                e[h] = vexp2_bounded(load(scores + (i + h) * NR + j * W) * splat(factor) - queries->shift[j]);
                e[h] = select_visible(unmasked, queries, j, k + i + h, e[h], 0);
            }
            part[j] += e[0] + e[1];
            store_keys_reduced(precision, to + i / per_unit(precision) * STRIP + j * W, e[0], e[1]);
        }
    for (int j = 0; j < NV; j++) sum[j] += part[j];
}

static void write_row(const slm_attention *p, const float *from, float factor, void *to, size_t at, size_t columns) {
    size_t j = 0;
    for (; j + W <= columns; j += W) put(to, p->type, at + j, load(from + j) * splat(factor));
    if (j < columns) put_first(to, p->type, at + j, load_first(from + j, columns - j) * splat(factor), columns - j);
}

// to[q0 + i] = factor[i]·(left·right), summed over the keys from `low` up to the diagonal of each block of queries.
INLINE void write_rows(int precision, const slm_attention *p, const unit *left, const unit *right, size_t q0, size_t q1, size_t low,
                       const float *factor, void *to, size_t stride) {
    const size_t per = per_unit(precision), all_units = units_along_T(precision, p), rows = panel_rows(precision);
    float tile[TILED_ROWS * NR] __attribute__((aligned(64))), transposed[TILED_ROWS * NR] __attribute__((aligned(64)));
    for (size_t m = q0; m < q1; m += rows) {
        const size_t units = units_of((IS_TILED(precision) ? m + rows : min_size(m + rows, p->T)) - low, precision);
        for (size_t n = 0; n < p->D; n += NR) {
            const unit *a = left + low / per * STRIP + (m - q0), *b = right + n * all_units + low / per * NR;
            if (IS_TILED(precision)) {
                const tile_operand queries = {a, STRIP, W, TILE_UNITS * STRIP};
                multiply_tiles(units, left_panel(b), queries, p->D - n, q1 - m, transposed, NR, false);
                transpose_tile(transposed, tile);
            } else if (is_narrow(p->D - n)) tile_of(precision, NV - 1, units, a, 1, STRIP, b, tile, NR, false);
            else tile_of(precision, NV, units, a, 1, STRIP, b, tile, NR, false);
            for (size_t i = 0; i < min_size(rows, q1 - m); i++)
                write_row(p, tile + i * NR, factor ? factor[m - q0 + i] : 1.0f, to, (m + i) * stride + n, min_size(NR, p->D - n));
        }
    }
}

static void prefetch_inputs(const slm_attention *p, size_t q0) {
    prefetch_strip(p, p->k, p->stride, q0);
    prefetch_strip(p, p->v, p->stride, q0);
    prefetch_strip(p, p->q, p->stride, q0);
}

static const float log2_e = 1.44269504f, ln_2 = 0.693147181f;

INLINE void attention_in(int precision, const slm_attention *p, void *scratch) {
    attention_buffers r;
    lay_out(p, &r, scratch);
    if (IS_TILED(precision)) use_tiles();
    const size_t T = p->T, units = panel_units(p->D, precision), per = per_unit(precision), step = UNIT_STEP(precision);
    const size_t rows = panel_rows(precision);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = columns_of(p, p->v, p->stride);
    const float factor = p->scale * log2_e;
    prefetch_inputs(p, 0);
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = min_size(q0 + STRIP, T), low = first_key_of_strip(precision, p, q0, q1);
        float inverse[STRIP];
        pack_left(r.keys + q0 * units, &k, precision, q0, q1, 0, p->D);
        pack_along_T(precision, p, r.v_keys_reduced, &v, q0, q1);
        pack_right(r.q, &q, precision, q0, q1, 0, p->D);
        prefetch_inputs(p, q1);
        prefetch_strip(p, p->y, p->y_stride, q0);
        for (size_t n = q0; n < q1; n += NR) {
            const size_t high = min_size(n + NR, q1);
            panel_queries queries;
            vf max[NV], sum[NV] = {0};
            find_visible_keys(p, n, q1, &queries);
            for (int j = 0; j < NV; j++) max[j] = splat(p->sink ? *p->sink / p->scale : -INFINITY);
            for (size_t m = low; m < high; m += rows) {
                const size_t masked = masked_queries(m, n);
                float *scores = r.scores + m * NR;
                multiply_panels(precision, units, r.keys + m * units, r.q + (n - q0) * units + masked * step, rows, NR - masked,
                                scores + masked);
                if (p->cap > 0) cap_scores(precision, p, scores);
                if (is_unmasked(precision, &queries, m)) update_max(precision, true, scores, &queries, m, max);
                else update_max(precision, false, scores, &queries, m, max);
            }
            for (int j = 0; j < NV; j++) queries.shift[j] = max[j] * splat(factor);
            for (size_t m = low; m < high; m += rows) {
                const float *scores = r.scores + m * NR;
                unit *to = r.probs + m / per * STRIP + (n - q0);
                if (is_unmasked(precision, &queries, m)) make_probs(precision, true, scores, &queries, m, factor, sum, to);
                else make_probs(precision, false, scores, &queries, m, factor, sum, to);
            }
            for (size_t i = 0; i < high - n; i++) {
                const float shift = queries.shift[i / W][i % W];
                const float s = sum[i / W][i % W] + (p->sink ? exp2f(*p->sink * log2_e - shift) : 0);
                inverse[n - q0 + i] = 1.0f / s;
                if (p->log_sum) p->log_sum[n + i] = shift * ln_2 + logf(s);
            }
        }
        write_rows(precision, p, r.probs, r.v_keys_reduced, q0, q1, low, inverse, p->y, p->y_stride);
    }
    if (IS_TILED(precision)) release_tiles();
}
static void attention(const slm_attention *p, void *scratch) {
    if (p->precision == SLM_F32) attention_in(SLM_F32, p, scratch); else attention_in(SLM_BF16, p, scratch);
}

// Computes p and ds from the scores and dp = dy·vᵀ of a panel of keys, and stores them as left operands of the three matmuls.
// inverse_cap is 1/cap of the unscaled scores, if they are `capped`.
INLINE void make_dscores(int precision, bool unmasked, bool capped, float inverse_cap, const float *scores, const float *dp,
                         const panel_queries *queries, size_t k, float factor, float scale, unit *probs, unit *dscores,
                         unit *dscores_keys_reduced) {
    const size_t per = per_unit(precision);
    for (size_t i = 0; i < panel_rows(precision); i += 2) {
        vf e[2][NV], d[2][NV];
        for (size_t h = 0; h < 2; h++)
            for (int j = 0; j < NV; j++) {
                const size_t at = (i + h) * NR + j * W;
                e[h][j] = vexp2_bounded(load(scores + at) * splat(factor) - queries->shift[j]);
                e[h][j] = select_visible(unmasked, queries, j, k + i + h, e[h][j], 0);
                d[h][j] = e[h][j] * (load(dp + at) * splat(scale) - queries->dy_dot_y[j]);
                const vf tanh = load(scores + at) * splat(inverse_cap);
                if (capped) d[h][j] *= splat(1.0f) - tanh * tanh;
                d[h][j] = select_visible(unmasked, queries, j, k + i + h, d[h][j], 0);
            }
        for (size_t h = 0; h < 2; h++) {
            store_queries_reduced(precision, probs + (i + h) * STRIP / per, e[h]);
            store_queries_reduced(precision, dscores + (i + h) * STRIP / per, d[h]);
        }
        if (precision != SLM_F32)
            for (int j = 0; j < NV; j++) store_keys_reduced(precision, dscores_keys_reduced + i / 2 * STRIP + j * W, d[0][j], d[1][j]);
    }
}

// to[key] (+)= left·right, summed over queries q0 ..< q1, for keys low ..< q1. Keys before q0 already have sums from earlier strips, and
// all keys from earlier heads that share them.
INLINE void add_columns(int precision, const slm_attention *p, const unit *left, const unit *right, size_t q0, size_t q1, size_t low,
                        float *to, size_t columns) {
    const size_t per = per_unit(precision), units = panel_units(q1 - q0, precision), rows = panel_rows(precision);
    for (size_t m = low; m < q1; m += rows) {
        const size_t skip = m > q0 ? (m - q0) / per : 0;      // earlier queries do not attend to these keys
        for (size_t n = 0; n < p->D; n += NR) {
            const unit *a = left + m * STRIP / per + skip, *b = right + n * units + skip * NR;
            float *tile = to + m * columns + n;
            const bool add = m < q0 || p->adds_to_keys;
            if (IS_TILED(precision)) {
                const tile_operand keys = {a, STRIP / per, 16 * STRIP / per, TILE_UNITS};
                multiply_tiles(units - skip, keys, right_panel(b), rows, p->D - n, tile, columns, add);
            } else if (is_narrow(p->D - n)) tile_of(precision, NV - 1, units - skip, a, STRIP / per, 1, b, tile, columns, add);
            else tile_of(precision, NV, units - skip, a, STRIP / per, 1, b, tile, columns, add);
        }
    }
}

INLINE void attention_gradient_in(int precision, const slm_attention *p, void *scratch) {
    attention_buffers r;
    lay_out(p, &r, scratch);
    if (IS_TILED(precision)) use_tiles();
    const size_t T = p->T, D = p->D, units = panel_units(D, precision), per = per_unit(precision), step = UNIT_STEP(precision);
    const size_t rows = panel_rows(precision);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = rows_of(p, p->v, p->stride);
    const slm_operand k_columns = columns_of(p, p->k, p->stride), q_columns = columns_of(p, p->q, p->stride);
    const slm_operand dy = rows_of(p, p->dy, p->y_stride), dy_columns = columns_of(p, p->dy, p->y_stride);
    const float factor = p->scale * log2_e;
    prefetch_inputs(p, 0);
    prefetch_strip(p, p->dy, p->y_stride, 0);
    prefetch_strip(p, p->y, p->y_stride, 0);
    double dsink = 0;
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = min_size(q0 + STRIP, T), low = first_key_of_strip(precision, p, q0, q1);
        pack_left(r.keys + q0 * units, &k, precision, q0, q1, 0, D);
        pack_left(r.values + q0 * units, &v, precision, q0, q1, 0, D);
        pack_along_T(precision, p, r.v_keys_reduced, &k_columns, q0, q1);
        pack_right(r.q, &q, precision, q0, q1, 0, D);
        pack_right(r.dy, &dy, precision, q0, q1, 0, D);
        pack_right(r.q_queries_reduced, &q_columns, precision, 0, D, q0, q1);
        pack_right(r.dy_queries_reduced, &dy_columns, precision, 0, D, q0, q1);
        prefetch_inputs(p, q1);
        prefetch_strip(p, p->dy, p->y_stride, q1);
        prefetch_strip(p, p->y, p->y_stride, q1);
        prefetch_strip(p, p->dq, p->stride, q0);
        prefetch_strip(p, p->dk, p->stride, q0);
        prefetch_strip(p, p->dv, p->stride, q0);
        for (size_t n = q0; n < q1; n += NR) {
            panel_queries queries;
            find_visible_keys(p, n, q1, &queries);
            float shift[NR] = {0}, dy_dot_y[NR] = {0};
            for (size_t i = 0; i < min_size(NR, q1 - n); i++) {
                shift[i] = p->log_sum[n + i] * log2_e;
                const float product = dot(p->dy, p->y, p->type, (n + i) * p->y_stride, D);
                dy_dot_y[i] = product * p->scale;
                if (p->sink) dsink -= (double)(expf(*p->sink - p->log_sum[n + i]) * product);
            }
            memcpy(queries.shift, shift, sizeof shift);
            memcpy(queries.dy_dot_y, dy_dot_y, sizeof dy_dot_y);
            for (size_t m = low; m < min_size(n + NR, q1); m += rows) {
                const size_t masked = masked_queries(m, n);
                float scores[TILED_ROWS * NR] __attribute__((aligned(64))), dp[TILED_ROWS * NR] __attribute__((aligned(64)));
                multiply_panels(precision, units, r.keys + m * units, r.q + (n - q0) * units + masked * step, rows, NR - masked,
                                scores + masked);
                multiply_panels(precision, units, r.values + m * units, r.dy + (n - q0) * units + masked * step, rows, NR - masked,
                                dp + masked);
                unit *probs = r.probs + (m * STRIP + n - q0) / per, *dscores = r.dscores + (m * STRIP + n - q0) / per;
                unit *dscores_keys_reduced = r.dscores_keys_reduced + m / per * STRIP + (n - q0);
                if (p->cap > 0) {
                    cap_scores(precision, p, scores);
                    make_dscores(precision, false, true, p->scale / p->cap, scores, dp, &queries, m, factor, p->scale, probs, dscores,
                                 dscores_keys_reduced);
                } else if (is_unmasked(precision, &queries, m))
                    make_dscores(precision, true, false, 0, scores, dp, &queries, m, factor, p->scale, probs, dscores,
                                 dscores_keys_reduced);
                else
                    make_dscores(precision, false, false, 0, scores, dp, &queries, m, factor, p->scale, probs, dscores,
                                 dscores_keys_reduced);
            }
        }
        add_columns(precision, p, r.probs, r.dy_queries_reduced, q0, q1, low, r.dv, r.columns);
        add_columns(precision, p, r.dscores, r.q_queries_reduced, q0, q1, low, r.dk, r.columns);
        write_rows(precision, p, r.dscores_keys_reduced, r.v_keys_reduced, q0, q1, low, NULL, p->dq, p->stride);
    }
    if (IS_TILED(precision)) release_tiles();
    if (p->dsink) *p->dsink = (float)dsink;
    for (size_t t = 0; !p->keeps_key_sums && t < T; t++) {
        write_row(p, r.dk + t * r.columns, 1, p->dk, t * p->stride, D);
        write_row(p, r.dv + t * r.columns, 1, p->dv, t * p->stride, D);
    }
}
static void attention_gradient(const slm_attention *p, void *scratch) {
    if (p->precision == SLM_F32) attention_gradient_in(SLM_F32, p, scratch); else attention_gradient_in(SLM_BF16, p, scratch);
}
