// Operations along a row: norms, softmax, cross-entropy, and embedding lookup.

// The sum of a term over i along a row of C: two vectors of sums, then pairwise.
#define SUM_ALONG(C, i, vector_term, scalar_term) ({                                             \
    vf s0 = {0}, s1 = {0};                                                                       \
    float rest_ = 0;                                                                             \
    size_t i = 0;                                                                                \
    for (; i + 2 * W <= (C); i += W) { s0 += vector_term; i += W; s1 += vector_term; }           \
    for (; i + W <= (C); i += W) s0 += vector_term;                                              \
    for (; i < (C); i++) rest_ += scalar_term;                                                   \
    sum_lanes(s0 + s1) + rest_; })

static inline void norm_of(const void *x, int xt, const float *w, const float *b, void *y, int yt, float *mean, float *rstd, size_t N,
                           size_t C, float epsilon) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * C;
        const float m = mean ? SUM_ALONG(C, i, get(x, xt, at + i), get1(x, xt, at + i)) / (float)C : 0.0f;
        const vf center = splat(m);
        const float square = SUM_ALONG(C, i, (get(x, xt, at + i) - center) * (get(x, xt, at + i) - center),
                                       (get1(x, xt, at + i) - m) * (get1(x, xt, at + i) - m)) / (float)C;
        const float r = 1.0f / sqrtf(square + epsilon);
        if (mean) mean[n] = m;
        rstd[n] = r;
        // The same formula for the last elements: as a loop over scalars, the compiler fused other sums in the first row than in others.
        for (size_t i = 0; i < C; i += W) {
            const size_t count = min_size(W, C - i);
            vf v = (get_first(x, xt, at + i, count) - center) * splat(r) * load_first(w + i, count);
            if (b) v += load_first(b + i, count);
            put_first(y, yt, at + i, v, count);
        }
    }
}
static void norm(const void *x, int xt, const float *w, const float *b, void *y, int yt, float *mean, float *rstd, size_t N, size_t C,
                 float epsilon) {
    if (xt == SLM_F32 && yt == SLM_F32) norm_of(x, SLM_F32, w, b, y, SLM_F32, mean, rstd, N, C, epsilon);
    else if (xt == SLM_F32) norm_of(x, SLM_F32, w, b, y, SLM_BF16, mean, rstd, N, C, epsilon);
    else norm_of(x, xt, w, b, y, yt, mean, rstd, N, C, epsilon);
}

static inline void norm_gradient_of(const void *dy, int dt, const void *x, int xt, const float *w, const float *mean, const float *rstd,
                                    void *dx, int dxt, float *dw, float *db, size_t N, size_t C, bool add) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * C;
        const float m = mean ? mean[n] : 0.0f, r = rstd[n];
        vf sum_g = {0}, sum_gx = {0};
        float rest_g = 0, rest_gx = 0;
        size_t i = 0;
        for (; i + W <= C; i += W) {
            const vf d = get(dy, dt, at + i), hat = (get(x, xt, at + i) - splat(m)) * splat(r), g = d * load(w + i);
            sum_g += g;
            sum_gx += g * hat;
            if (dw) store(dw + i, load(dw + i) + d * hat);
            if (db) store(db + i, load(db + i) + d);
        }
        for (; i < C; i++) {
            const float d = get1(dy, dt, at + i), hat = (get1(x, xt, at + i) - m) * r, g = d * w[i];
            rest_g += g;
            rest_gx += g * hat;
            if (dw) dw[i] += d * hat;
            if (db) db[i] += d;
        }
        if (!dx) continue;
        const float mean_g = mean ? (sum_lanes(sum_g) + rest_g) / (float)C : 0.0f, mean_gx = (sum_lanes(sum_gx) + rest_gx) / (float)C;
        for (i = 0; i + W <= C; i += W) {
            const vf hat = (get(x, xt, at + i) - splat(m)) * splat(r);
            vf v = splat(r) * (get(dy, dt, at + i) * load(w + i) - splat(mean_g) - hat * splat(mean_gx));
            if (add) v += get(dx, dxt, at + i);
            put(dx, dxt, at + i, v);
        }
        for (; i < C; i++) {
            const float hat = (get1(x, xt, at + i) - m) * r;
            const float v = r * (get1(dy, dt, at + i) * w[i] - mean_g - hat * mean_gx);
            put1(dx, dxt, at + i, add ? get1(dx, dxt, at + i) + v : v);
        }
    }
}
static void norm_gradient(const void *dy, int dt, const void *x, int xt, const float *w, const float *mean, const float *rstd, void *dx,
                          int dxt, float *dw, float *db, size_t N, size_t C, bool add) {
    if (dt == SLM_F32 && xt == SLM_F32 && dxt == SLM_F32)
        norm_gradient_of(dy, SLM_F32, x, SLM_F32, w, mean, rstd, dx, SLM_F32, dw, db, N, C, add);
    else if (dt == SLM_BF16 && xt == SLM_F32 && dxt == SLM_F32)
        norm_gradient_of(dy, SLM_BF16, x, SLM_F32, w, mean, rstd, dx, SLM_F32, dw, db, N, C, add);
    else norm_gradient_of(dy, dt, x, xt, w, mean, rstd, dx, dxt, dw, db, N, C, add);
}

// The largest element of a row. Ignores NaN, which the sum of exponentials propagates.
static inline float max_of_row(const void *x, int xt, size_t at, size_t C) {
    vf maxima = splat(-INFINITY);
    size_t i = 0;
    for (; i + W <= C; i += W) maxima = vmax(get(x, xt, at + i), maxima);
    float max = max_lanes(maxima);
    for (; i < C; i++) max = get1(x, xt, at + i) > max ? get1(x, xt, at + i) : max;
    return max;
}
// exp(x − max) of the first `count` elements; the other lanes are 0.
static inline vf exp_first(const void *x, int xt, size_t i, size_t count, float max) {
    vf e = vexp(get_first(x, xt, i, count) - splat(max));
    vf first = {0};
    memcpy(&first, &e, 4 * count);
    return first;
}
static inline float sum_exp_of_row(const void *x, int xt, size_t at, size_t C, float max) {
    vf sum = {0};
    size_t i = 0;
    for (; i + W <= C; i += W) sum += vexp(get(x, xt, at + i) - splat(max));
    if (i < C) sum += exp_first(x, xt, at + i, C - i, max);
    return sum_lanes(sum);
}
// y = exp(x − max). Returns the sum of y.
static inline float exp_of_row(const void *x, int xt, void *y, int yt, size_t at, size_t C, float max) {
    vf sum = {0};
    size_t i = 0;
    for (; i + W <= C; i += W) {
        const vf below = get(x, xt, at + i) - splat(max), e = vselect(below < splat(-87.0f), splat(0), vexp_bounded(below));
        put(y, yt, at + i, e);
        sum += e;
    }
    if (i < C) {
        const vf e = exp_first(x, xt, at + i, C - i, max);
        put_first(y, yt, at + i, e, C - i);
        sum += e;
    }
    return sum_lanes(sum);
}

static void softmax(const void *x, int xt, void *y, int yt, size_t N, size_t C, bool logarithm) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * C;
        const float max = max_of_row(x, xt, at, C), sum = sum_exp_of_row(x, xt, at, C, max), log_sum = max + logf(sum);
        for (size_t i = 0; i < C; i += W) {
            const size_t count = min_size(W, C - i);
            const vf v = get_first(x, xt, at + i, count);
            put_first(y, yt, at + i, logarithm ? v - splat(log_sum) : vexp(v - splat(max)) / splat(sum), count);
        }
    }
}

static void softmax_gradient(const void *dy, int dt, const void *y, int yt, void *dx, int dxt, size_t N, size_t C, bool logarithm,
                             bool add) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * C;
        vf sums = {0};
        for (size_t i = 0; i < C; i += W) {
            const vf d = get_first(dy, dt, at + i, min_size(W, C - i));
            sums += logarithm ? d : d * get_first(y, yt, at + i, min_size(W, C - i));
        }
        const vf sum = splat(sum_lanes(sums));
        for (size_t i = 0; i < C; i += W) {
            const size_t count = min_size(W, C - i);
            const vf d = get_first(dy, dt, at + i, count), out = get_first(y, yt, at + i, count);
            vf v = logarithm ? d - vexp(out) * sum : out * (d - sum);
            if (add) v += get_first(dx, dxt, at + i, count);
            put_first(dx, dxt, at + i, v, count);
        }
    }
}

// Whether the target's logit is the largest, and the first of the largest.
static inline bool is_first_maximum(const void *x, int xt, size_t at, size_t target, float logit, float max) {
    if (!(logit >= max)) return false;
    for (size_t i = at; i < target; i++) if (get1(x, xt, i) >= max) return false;
    return true;
}
static inline void cross_entropy_of(const void *x, int xt, const int32_t *targets, float *losses, int32_t *hits, void *d, int dt,
                                    float scale, size_t N, size_t V) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * V;
        if (targets[n] < 0) {
            if (losses) losses[n] = 0;
            if (hits) hits[n] = 0;
            for (size_t i = 0; d && i < V; i++) put1(d, dt, at + i, 0.0f);
            continue;
        }
        const size_t target = at + (size_t)targets[n];
        const float logit = get1(x, xt, target), max = max_of_row(x, xt, at, V);
        if (hits) hits[n] = is_first_maximum(x, xt, at, target, logit, max);     // before d, which may be x
        // d holds the exponentials until their sum is known.
        const float sum = d ? exp_of_row(x, xt, d, dt, at, V, max) : sum_exp_of_row(x, xt, at, V, max);
        if (losses) losses[n] = max + logf(sum) - logit;
        if (!d) continue;
        const vf factor = splat(scale / sum);
        size_t i = 0;
        for (; i + W <= V; i += W) put(d, dt, at + i, get(d, dt, at + i) * factor);
        if (i < V) put_first(d, dt, at + i, get_first(d, dt, at + i, V - i) * factor, V - i);
        put1(d, dt, target, (expf(logit - max) / sum - 1.0f) * scale);
    }
}
static void cross_entropy(const void *x, int xt, const int32_t *targets, float *losses, int32_t *hits, void *d, int dt, float scale,
                          size_t N, size_t V) {
    if (xt == SLM_F32 && dt == SLM_BF16) cross_entropy_of(x, SLM_F32, targets, losses, hits, d, SLM_BF16, scale, N, V);
    else if (xt == SLM_F32 && dt == SLM_F32) cross_entropy_of(x, SLM_F32, targets, losses, hits, d, SLM_F32, scale, N, V);
    else cross_entropy_of(x, xt, targets, losses, hits, d, dt, scale, N, V);
}

// Row n expects ids[i] with weight weights[i] for starts[n] ≤ i < starts[n + 1]. A row counts as much as the sum of its weights.
static void cross_entropy_soft(const void *x, int xt, const int32_t *starts, const int32_t *ids, const float *weights, float *losses,
                               void *d, int dt, float scale, size_t N, size_t V) {
    for (size_t n = 0; n < N; n++) {
        const size_t at = n * V;
        float weight = 0, logit = 0;
        for (int32_t i = starts[n]; i < starts[n + 1]; i++) {
            weight += weights[i];
            logit += weights[i] * get1(x, xt, at + (size_t)ids[i]);
        }
        const float max = max_of_row(x, xt, at, V);
        const float sum = d ? exp_of_row(x, xt, d, dt, at, V, max) : sum_exp_of_row(x, xt, at, V, max);
        if (losses) losses[n] = weight * (max + logf(sum)) - logit;
        if (!d) continue;
        const vf factor = splat(weight * scale / sum);
        for (size_t i = 0; i < V; i += W) {
            const size_t count = min_size(W, V - i);
            put_first(d, dt, at + i, get_first(d, dt, at + i, count) * factor, count);
        }
        for (int32_t i = starts[n]; i < starts[n + 1]; i++) {
            const size_t target = at + (size_t)ids[i];
            put1(d, dt, target, get1(d, dt, target) - weights[i] * scale);
        }
    }
}

static void embed(const int32_t *ids, const void *table, int tt, const float *more, size_t first, size_t period, void *y, int yt,
                  size_t N, size_t C) {
    for (size_t n = 0; n < N; n++) {
        const size_t from = (size_t)ids[n] * C, extra = more ? (first + n) % period * C : 0;
        for (size_t i = 0; i < C; i += W) {
            const size_t count = min_size(W, C - i);
            vf v = get_first(table, tt, from + i, count);
            if (more) v += load_first(more + extra + i, count);
            put_first(y, yt, n * C + i, v, count);
        }
    }
}

static void embed_gradient(const int32_t *ids, const void *dy, int dt, float *table, size_t N, size_t C, size_t c0, size_t c1) {
    for (size_t n = 0; n < N; n++) {
        float *row = table + (size_t)ids[n] * C;
        for (size_t i = c0; i < c1; i += W) {
            const size_t count = min_size(W, c1 - i);
            store_first(row + i, load_first(row + i, count) + get_first(dy, dt, n * C + i, count), count);
        }
    }
}
