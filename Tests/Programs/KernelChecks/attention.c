// Checks of attention, with its gradient and over KV caches. The cases are those of Tests/KernelsTests/AttentionTests.swift and
// KVCacheTests.swift.
#include "check.h"

typedef struct { size_t T, H, D; bool has_documents; float cap; } sample;
typedef struct { float *y, *log_sums, *gradient; } results;

// Documents of 1, 2, 3 … positions.
static int32_t *document_starts(size_t T) {
    int32_t *first = integers(T);
    size_t start = 0, length = 1;
    for (size_t t = 0; t < T; t++) {
        if (t == start + length) start = t, length++;
        first[t] = (int32_t)start;
    }
    return first;
}

static results run(sample s, const int32_t *first, const float *qkv, const float *dy, int type, int precision) {
    const size_t C = s.H * s.D, bytes = type == SLM_F32 ? 4 : 2;
    slm_attention p = {.T = s.T, .D = s.D, .type = type, .precision = precision, .stride = 3 * C, .y_stride = C,
                       .scale = (float)(1 / sqrt((double)s.D)), .cap = s.cap, .first = first};
    char *x = stored(type, qkv, 3 * C * s.T), *d = stored(type, dy, C * s.T), *dx = blank(type, 3 * C * s.T), *y = blank(type, C * s.T);
    float *log_sums = blank(SLM_F32, s.H * s.T);
    void *scratch = make_bytes(kernels->attention_scratch(&p), 1);
    for (size_t h = 0; h < s.H; h++) {
        const size_t at = h * s.D * bytes, next = C * bytes;
        p.q = x + at, p.k = x + at + next, p.v = x + at + 2 * next, p.y = y + at, p.dy = d + at, p.log_sum = log_sums + h * s.T;
        p.dq = dx + at, p.dk = dx + at + next, p.dv = dx + at + 2 * next;
        kernels->attention(&p, scratch);
        kernels->attention_gradient(&p, scratch);
    }
    return (results){loaded(y, type, C * s.T), log_sums, loaded(dx, type, 3 * C * s.T)};
}

static double dot(const double *a, const double *b, size_t D) {
    double sum = 0;
    for (size_t i = 0; i < D; i++) sum += a[i] * b[i];
    return sum;
}

static double capped(double score, double cap) { return cap > 0 ? cap * tanh(score / cap) : score; }

static void reference(sample s, const int32_t *first, const double *x, const double *dy, double *y, double *log_sums, double *dx) {
    const size_t C = s.H * s.D, D = s.D;
    double *probs = zeros(s.T), *slopes = zeros(s.T);
    for (size_t h = 0; h < s.H; h++)
        for (size_t t = 0; t < s.T; t++) {
#define AT(t, part) (((t) * 3 + (part)) * C + h * D)
            const size_t out = t * C + h * D, low = first ? (size_t)first[t] : 0;
            double top = -INFINITY, sum = 0;
            for (size_t k = low; k <= t; k++) {
                probs[k] = capped(dot(x + AT(t, 0), x + AT(k, 1), D) / sqrt((double)D), s.cap);
                slopes[k] = s.cap > 0 ? 1 - probs[k] / s.cap * (probs[k] / s.cap) : 1;
                top = fmax(top, probs[k]);
            }
            for (size_t k = low; k <= t; k++) sum += exp(probs[k] - top);
            log_sums[h * s.T + t] = top + log(sum);
            for (size_t k = low; k <= t; k++) {
                probs[k] = exp(probs[k] - top) / sum;
                for (size_t d = 0; d < D; d++) y[out + d] += probs[k] * x[AT(k, 2) + d];
            }
            const double projection = dot(dy + out, y + out, D);
            for (size_t k = low; k <= t; k++) {
                const double ds = probs[k] * (dot(dy + out, x + AT(k, 2), D) - projection) * slopes[k] / sqrt((double)D);
                for (size_t d = 0; d < D; d++) {
                    dx[AT(k, 2) + d] += probs[k] * dy[out + d];
                    dx[AT(t, 0) + d] += ds * x[AT(k, 1) + d];
                    dx[AT(k, 1) + d] += ds * x[AT(t, 0) + d];
                }
            }
#undef AT
        }
}

static void check(sample s, int type, int precision) {
    const size_t C = s.H * s.D, n = s.T * C;
    const int32_t *first = s.has_documents ? document_starts(s.T) : NULL;
    const float *qkv = numbers(3 * n, 1), *dy = numbers(n, 2);
    const results found = run(s, first, qkv, dy, type, precision);
    double *y = zeros(n), *log_sums = zeros(s.H * s.T), *dx = zeros(3 * n);
    reference(s, first, doubles(rounded_to(type, qkv, 3 * n), 3 * n), doubles(rounded_to(type, dy, n), n), y, log_sums, dx);
    const bool is_exact = type == SLM_F32 && precision == SLM_F32;
    const tolerance allowed = is_exact ? forward : bf16_products;
#define WHAT "T %zu, H %zu, D %zu, cap %g of %s in %s", s.T, s.H, s.D, (double)s.cap, name_of(type), name_of(precision)
    expect_close(found.y, y, n, allowed, 0, "y " WHAT);
    expect_close(found.log_sums, log_sums, s.H * s.T, allowed, 0, "log sums " WHAT);
    expect_close(found.gradient, dx, 3 * n, is_exact ? gradient : bf16_gradient, 0, "gradient " WHAT);
#undef WHAT
    release_all();
}

// Huge scores, and NaN in one row.
static void check_special_values(void) {
    const sample s = {33, 1, 4, false, 0};
    const size_t n = s.T * s.D;
    float *qkv = numbers(3 * n, 1), *dy = numbers(n, 2);
    for (size_t i = 0; i < 3 * n; i++) if (i % 12 < 8) qkv[i] *= 1000;
    double *y = zeros(n), *log_sums = zeros(s.T), *dx = zeros(3 * n);
    reference(s, NULL, doubles(qkv, 3 * n), doubles(dy, n), y, log_sums, dx);
    const results before = run(s, NULL, qkv, dy, SLM_F32, SLM_F32);
    expect_close(before.y, y, n, huge_logits, 0, "attention with huge scores");
    qkv[12 * 20] = NAN;                                       // the query of position 20
    const results after = run(s, NULL, qkv, dy, SLM_F32, SLM_F32);
    expect_same(after.y, before.y, 4 * 20, "positions before a query that is NaN");
    expect_same(after.y + 4 * 21, before.y + 4 * 21, n - 4 * 21, "positions behind a query that is NaN");
    for (int i = 4 * 20; i < 4 * 21; i++) expect(isnan(after.y[i]), "the result of a query that is NaN");
    release_all();
}

// Positions attend neither to later positions nor to other documents.
static void check_masks(int precision) {
    const sample s = {50, 1, 8, true, 0};
    const size_t n = s.T * s.D;
    float *qkv = numbers(3 * n, 1), *dy = numbers(n, 2);
    int32_t *first = integers(s.T);
    for (int t = 0; t < 50; t++) first[t] = t < 20 ? 0 : 20;
    const results before = run(s, first, qkv, dy, SLM_F32, precision);
    for (int i = 0; i < 24 * 20; i++) qkv[i] += 1;            // the first document
    for (int i = 24 * 45; i < 24 * 50; i++) qkv[i] -= 1;      // the last positions
    const results after = run(s, first, qkv, dy, SLM_F32, precision);
    expect_same(after.y + 8 * 20, before.y + 8 * 20, 8 * 25, "other documents and later positions in %s", name_of(precision));
    release_all();
}

void check_attention(void) {
    static const size_t cases[][3] = {{1, 1, 1}, {1, 2, 3}, {3, 3, 17}, {47, 1, 8}, {48, 1, 33}, {49, 2, 5}, {97, 2, 17}, {65, 1, 64},
                                      {205, 1, 40}, {13, 1, 2}, {107, 1, 12}};
    for (int precision = SLM_F32; precision <= (kernels->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++)
        for (int type = SLM_F32; type <= SLM_BF16; type++)
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                for (int documents = 0; documents < 2; documents++)
                    for (int caps = 0; caps < 2; caps++)
                        check((sample){cases[i][0], cases[i][1], cases[i][2], documents, caps ? 0.4f : 0}, type, precision);
    check_special_values();
    for (int precision = SLM_F32; precision <= (kernels->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++) check_masks(precision);
}

// A cache of one head.
typedef struct { void *keys, *values; } cache;
static cache make_cache(int precision, size_t D, size_t capacity) {
    return (cache){make_bytes(kernels->kv_cache_key_bytes(precision, D, capacity), 4),
                   make_bytes(kernels->kv_cache_value_bytes(precision, D, capacity), 4)};
}

// Computes the attention of `rows` positions, from position t on, whose keys and values are in the cache.
static void attend(int precision, size_t D, size_t capacity, size_t t, size_t rows, float cap, size_t window, const float *qkv, cache c,
                   float *y) {
    const slm_cached_attention p = {.D = D, .precision = precision, .scale = (float)(1 / sqrt((double)D)), .cap = cap, .capacity = capacity,
                                    .rows = rows, .count = t + 1, .window = window, .q = qkv + t * 3 * D, .q_stride = 3 * D, .keys = c.keys,
                                    .values = c.values, .next_keys = c.keys, .next_values = c.values, .y = y + t * D, .y_stride = D};
    kernels->cached_attention(&p, make_bytes(4 * kernels->cached_attention_scratch(D, t + rows), 4));
}

// Appends position t and computes its attention.
static void step(int precision, size_t D, size_t capacity, size_t t, float cap, const float *qkv, cache c, float *y) {
    const float *x = qkv + t * 3 * D;
    kernels->kv_cache_append(precision, D, capacity, t, x + D, x + 2 * D, c.keys, c.values);
    attend(precision, D, capacity, t, 1, cap, 0, qkv, c, y);
}

void check_kv_cache(void) {
    static const size_t cases[][2] = {{1, 1}, {5, 3}, {33, 16}, {70, 34}, {130, 64}, {20, 129}, {18, 6}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++)
        for (int precision = SLM_WEIGHTS_F32; precision <= SLM_WEIGHTS_INT8; precision++) {
            const float cap = i % 2 ? 1.5f : 0;
            const size_t T = cases[i / 2][0], D = cases[i / 2][1], capacity = T + 3;
            float *qkv = numbers(T * 3 * D, (unsigned)T);
            for (size_t j = 0; j < T * 3 * D; j++) qkv[j] *= 2;
            const cache whole = make_cache(precision, D, capacity), copy = make_cache(precision, D, capacity);
            float *y = blank(SLM_F32, T * D), *again = blank(SLM_F32, T * D);
            for (size_t t = 0; t < T; t++) step(precision, D, capacity, t, cap, qkv, whole, y);
            // The reference rounds keys and values as the cache does.
            float *rounded_qkv = rounded_to(SLM_F32, qkv, T * 3 * D);
            for (size_t j = 0; precision == SLM_WEIGHTS_BF16 && j < T * 3 * D; j++)
                if (j % (3 * D) >= D) rounded_qkv[j] = rounded(qkv[j]);
            double *expected = zeros(T * D), *log_sums = zeros(T), *dx = zeros(T * 3 * D);
            reference((sample){T, 1, D, false, cap}, NULL, doubles(rounded_qkv, T * 3 * D), zeros(T * D), expected, log_sums, dx);
            expect_close(y, expected, T * D, precision == SLM_WEIGHTS_F32 ? gradient : bf16_gradient, 2,
                         "cached attention, T %zu, D %zu, cap %g, precision %d", T, D, (double)cap, precision);
            // Positions that are computed together have the same bits as alone, also with a window.
            const size_t first = T / 7;
            attend(precision, D, capacity, first, T - first, cap, 0, qkv, whole, again);
            expect_same(again + first * D, y + first * D, (T - first) * D, "rows together, T %zu, D %zu, precision %d", T, D, precision);
            float *windowed = blank(SLM_F32, T * D);
            for (size_t t = 0; t < T; t++) attend(precision, D, capacity, t, 1, cap, 19, qkv, whole, windowed);
            attend(precision, D, capacity, 0, T, cap, 19, qkv, whole, again);
            expect_same(again, windowed, T * D, "rows together with a window, T %zu, D %zu, precision %d", T, D, precision);
            // A copy of a cache continues like the original.
            const size_t part = T / 2;
            kernels->kv_cache_copy(precision, D, capacity, part, whole.keys, whole.values, copy.keys, copy.values);
            for (size_t t = part; t < T; t++) step(precision, D, capacity, t, cap, qkv, copy, again);
            expect_same(again + part * D, y + part * D, (T - part) * D, "copy of a cache, T %zu, D %zu, precision %d", T, D, precision);
            release_all();
        }
}
