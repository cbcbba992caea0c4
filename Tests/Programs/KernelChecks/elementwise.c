// Checks of elementwise functions, arithmetic, copies, reductions, random numbers and AdamW.
#include "check.h"

static const size_t counts[] = {0, 1, 3, 4, 5, 17, 33, 65, 5001};
enum { COUNTS = sizeof counts / sizeof *counts };

double unary_function(int f, double x) {
    switch (f) {
    case SLM_EXP: return exp(x);
    case SLM_LOG: return log(x);
    case SLM_SQRT: return sqrt(x);
    case SLM_TANH: return tanh(x);
    case SLM_SIGMOID: return 1 / (1 + exp(-x));
    case SLM_RELU: return x < 0 ? 0 : x;
    case SLM_RELU_SQUARED: return x < 0 ? 0 : x * x;
    case SLM_GELU_TANH: return x * 0.5 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case SLM_GELU_ERF: return x * 0.5 * erfc(-x / sqrt(2));
    case SLM_SILU: return x / (1 + exp(-x));
    case SLM_CLAMPED_SILU: return (x > 7 ? 7 : x) / (1 + exp(-1.702 * (x > 7 ? 7 : x)));
    default: return x;
    }
}
static double slope(int f, double x) { return (unary_function(f, x + 1e-5) - unary_function(f, x - 1e-5)) / 2e-5; }

static void check_unary(int f, size_t n, int type) {
    float *x = numbers(n, 1), *dy = numbers(n, 2), *old = numbers(n, 3);
    for (size_t i = 0; i < n; i++) x[i] = f == SLM_LOG || f == SLM_SQRT ? 1.5f + x[i] : 4 * x[i];
    double *y = zeros(n), *dx = zeros(n);
    for (size_t i = 0; i < n; i++) y[i] = unary_function(f, x[i]);
    void *found = blank(type, n);
    const tolerance allowed = type == SLM_F32 ? forward : stored_bf16;
    kernels->unary(f, x, SLM_F32, found, type, n);
    expect_close(loaded(found, type, n), y, n, allowed, 1, "function %d of %zu into %s", f, n, name_of(type));
    for (int add = 0; add < 2; add++) {
        const float *base = rounded_to(type, old, n);
        for (size_t i = 0; i < n; i++) dx[i] = slope(f, x[i]) * dy[i] + (add ? base[i] : 0);
        void *d = stored(type, old, n);
        kernels->unary_gradient(f, dy, SLM_F32, x, SLM_F32, d, type, n, add);
        expect_close(loaded(d, type, n), dx, n, allowed, 1, "derivative of function %d of %zu into %s", f, n, name_of(type));
    }
    // From bf16, and in place.
    void *narrow = stored(SLM_BF16, x, n), *wide = blank(SLM_F32, n);
    const float *rounded_x = rounded_to(SLM_BF16, x, n);
    kernels->unary(f, narrow, SLM_BF16, wide, SLM_F32, n);
    for (size_t i = 0; i < n; i++) dx[i] = unary_function(f, rounded_x[i]);
    expect_close(wide, dx, n, forward, 1, "function %d of bf16", f);
    kernels->unary(f, x, SLM_F32, x, SLM_F32, n);
    expect_close(x, y, n, forward, 1, "function %d in place", f);
    release_all();
}

static void check_soft_cap(size_t n, int type) {
    float *x = numbers(n, 1), *dy = numbers(n, 2), *y = blank(SLM_F32, n);
    double *expected = zeros(n), *slopes = zeros(n);
    for (size_t i = 0; i < n; i++) x[i] *= 4, expected[i] = 1.5 * tanh(x[i] / 1.5);
    void *found = blank(type, n), *dx = stored(type, dy, n);
    kernels->soft_cap(1.5f, x, SLM_F32, found, type, n);
    expect_close(loaded(found, type, n), expected, n, type == SLM_F32 ? forward : stored_bf16, 1, "soft cap of %zu", n);
    kernels->soft_cap(1.5f, x, SLM_F32, y, SLM_F32, n);
    const float *rounded_dy = rounded_to(type, dy, n);
    for (size_t i = 0; i < n; i++) slopes[i] = rounded_dy[i] * (1 - expected[i] / 1.5 * (expected[i] / 1.5));
    kernels->soft_cap_gradient(1.5f, dx, type, y, SLM_F32, dx, type, n);
    expect_close(loaded(dx, type, n), slopes, n, type == SLM_F32 ? forward : stored_bf16, 1, "derivative of a soft cap of %zu", n);
    release_all();
}

static void check_special_values(int f) {
    static const float x[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1e-30f, -1e-30f, 1e-4f, -200, -104.5f, -103, -95, -87.5f, -20, -1, 1, 20,
                              88, 88.7f, 89, 200, 1e19f};
    enum { N = sizeof x / sizeof *x };
    float y[N];
    double expected[N];
    kernels->unary(f, x, SLM_F32, y, SLM_F32, N);
    // Results beyond the range of f32 are infinite.
    for (int i = 0; i < N; i++) expected[i] = (float)unary_function(f, x[i]);
    expect_close(y, expected, N, range_ends, 0, "function %d of extreme values", f);
}

static void check_rounding(void) {
    static const uint32_t bits[] = {0, 0x80000000, 0x3F800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F7FFFFF, 0xFF7FFFFF,
                                    0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0xBF818000, 0x7F7F7FFF, 0x7F7F8000, 0x7F800001,
                                    0xFF800001, 0x7FFFFFFF};
    enum { SPECIAL = sizeof bits / sizeof *bits, N = SPECIAL + 200 };
    const size_t one[4] = {1, 1, 1, N}, steps[4] = {0, 0, 0, 1}, apart[4] = {0, 0, 0, 2};
    float *x = numbers(N, 1);
    memcpy(x, bits, sizeof bits);
    void *together = blank(SLM_BF16, N), *single = blank(SLM_BF16, 2 * N - 1);
    kernels->copy(one, x, SLM_F32, steps, together, SLM_BF16, steps, 1, false);
    kernels->copy(one, x, SLM_F32, steps, single, SLM_BF16, apart, 1, false);      // one by one, without vectors
    const float *a = loaded(together, SLM_BF16, N), *b = loaded(single, SLM_BF16, 2 * N - 1), *expected = rounded_to(SLM_BF16, x, N);
    for (size_t i = 0; i < N; i++) {
        const bool same = !memcmp(a + i, expected + i, 4) && !memcmp(b + 2 * i, expected + i, 4);
        expect(isnan(x[i]) ? isnan(a[i]) && isnan(b[2 * i]) : same, "%a is rounded to %a and %a", (double)x[i], (double)a[i],
               (double)b[2 * i]);
    }
    release_all();
}

// Strides of four dimensions: contiguous, reversed, broadcast along the last, broadcast along all but the last.
static void strides_of(int order, const size_t s[4], size_t out[4]) {
    const size_t all[4][4] = {{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}, {1, s[0], s[0] * s[1], s[0] * s[1] * s[2]},
                              {s[1] * s[2], s[2], 1, 0}, {0, 0, 0, 1}};
    memcpy(out, all[order], sizeof all[order]);
}
static size_t count_of(const size_t s[4], const size_t strides[4]) {
    size_t last = 0;
    for (int i = 0; i < 4; i++) { if (s[i] == 0) return 0; last += (s[i] - 1) * strides[i]; }
    return last + 1;
}
static size_t offset(size_t i, const size_t s[4], const size_t strides[4]) {
    return i / (s[1] * s[2] * s[3]) * strides[0] + i / (s[2] * s[3]) % s[1] * strides[1] + i / s[3] % s[2] * strides[2] +
           i % s[3] * strides[3];
}

static void check_strides(const size_t s[4], int a_order, int b_order, int type) {
    size_t sa[4], sb[4];
    strides_of(a_order, s, sa), strides_of(b_order, s, sb);
    const size_t n = s[0] * s[1] * s[2] * s[3], an = count_of(s, sa), bn = count_of(s, sb);
    const float *a = rounded_to(type, numbers(an, 1), an);
    float *b = numbers(bn, 2), *y = blank(SLM_F32, n), *expected = make_bytes(4 * n, 4);
    for (size_t i = 0; i < bn; i++) b[i] += 3;
    for (int f = SLM_ADD; f <= SLM_DIVIDE; f++) {
        kernels->binary(f, s, stored(type, a, an), type, sa, b, SLM_F32, sb, y, SLM_F32);
        for (size_t i = 0; i < n; i++) {
            const float l = a[offset(i, s, sa)], r = b[offset(i, s, sb)];
            expected[i] = f == SLM_ADD ? l + r : f == SLM_SUBTRACT ? l - r : f == SLM_MULTIPLY ? l * r : l / r;
        }
        expect_same(y, expected, n, "arithmetic %d of %s with strides %d and %d", f, name_of(type), a_order, b_order);
    }
    for (int add = 0; add < 2; add++) {
        float *to = stored(SLM_F32, b, bn);
        double *sums = doubles(b, bn);
        for (size_t i = 0; i < n; i++) {
            double *at = sums + offset(i, s, sb);
            *at = 0.5 * a[offset(i, s, sa)] + (add ? *at : 0);
        }
        kernels->copy(s, stored(type, a, an), type, sa, to, SLM_F32, sb, 0.5f, add);
        if (b_order < 2 || add) expect_close(to, sums, bn, forward, 0, "copy with strides %d and %d, adding %d", a_order, b_order, add);
    }
    release_all();
}

static void check_sums(size_t outer, size_t R, size_t inner, int type) {
    const size_t n = outer * R * inner;
    const float *x = rounded_to(type, numbers(n, 1), n), *old = numbers(outer * inner, 2);
    for (int add = 0; add < 2; add++) {
        float *y = stored(SLM_F32, old, outer * inner);
        double *expected = zeros(outer * inner);
        for (size_t i = 0; i < outer * inner; i++) {
            expected[i] = add ? old[i] : 0;
            for (size_t r = 0; r < R; r++) expected[i] -= 0.5 * x[(i / inner * R + r) * inner + i % inner];
        }
        kernels->sum(stored(type, x, n), type, outer, R, inner, inner, y, -0.5f, add);
        expect_close(y, expected, outer * inner, forward, 0, "sums [%zu, %zu, %zu] of %s", outer, R, inner, name_of(type));
    }
    if (R > 0) {
        float *z = stored(SLM_F32, x, n), *y = blank(SLM_F32, outer * inner);
        int32_t *at = integers(outer * inner);
        for (size_t i = 0; i < n; i++) z[i] = rintf(4 * z[i]);
        if (R == 33) z[40] = NAN, z[50] = INFINITY;
        kernels->maximum(z, SLM_F32, outer, R, inner, y, at);
        for (size_t i = 0; i < outer * inner; i++) {
            size_t best = 0;
            for (size_t r = 1; r < R; r++) {
                const float v = z[(i / inner * R + r) * inner + i % inner], most = z[(i / inner * R + best) * inner + i % inner];
                if (!isnan(most) && (v > most || isnan(v))) best = r;
            }
            const float most = z[(i / inner * R + best) * inner + i % inner];
            expect(at[i] == (int32_t)best && (y[i] == most || (isnan(y[i]) && isnan(most))), "maximum [%zu, %zu, %zu]", outer, R, inner);
        }
    }
    release_all();
}

// Sums of many numbers of the same sign, where rounding errors could add up.
static void check_long_sums(void) {
    const size_t n = 1000000;
    float *x = make_bytes(4 * n, 4), y[5] = {0};
    double sum = 0, squares = 0, columns[5] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.1f + (float)(i % 7) * 0.01f;
        sum += x[i], squares += (double)x[i] * x[i], columns[i % 5] += x[i];
    }
    kernels->sum(x, SLM_F32, 1, n, 1, 1, y, 1, false);
    expect_close(y, &sum, 1, long_sum, 0, "a sum of a million numbers");
    const float found = (float)kernels->sum_of_squares(x, n);
    expect_close(&found, &squares, 1, long_sum, 0, "a sum of a million squares");
    kernels->sum(x, SLM_F32, 1, n / 5, 5, 5, y, 1, false);
    expect_close(y, columns, 5, long_sum, 0, "sums of long columns");
    release_all();
}

static void check_adamw(size_t n) {
    float *w = numbers(n, 1), *m = memset(blank(SLM_F32, n), 0, 4 * n), *v = memset(blank(SLM_F32, n), 0, 4 * n);
    double *weights = doubles(w, n), *first = zeros(n), *second = zeros(n);
    for (int step = 1; step <= 4; step++) {
        const float *g = numbers(n, 10 + (unsigned)step);
        const slm_adamw p = {.rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .decay = 0.1f, .gradient_scale = 0.5f,
                             .correction1 = (float)(1 - pow(0.9, step)), .correction2 = (float)(1 - pow(0.95, step))};
        kernels->adamw(&p, w, g, m, v, n);
        for (size_t i = 0; i < n; i++) {
            const double d = 0.5 * g[i];
            first[i] = 0.9 * first[i] + 0.1 * d;
            second[i] = 0.95 * second[i] + 0.05 * d * d;
            weights[i] -= 0.01 * (first[i] / (1 - pow(0.9, step)) / (sqrt(second[i] / (1 - pow(0.95, step))) + 1e-8) + 0.1 * weights[i]);
        }
        expect_close(w, weights, n, forward, 0, "weights after step %d of AdamW", step);
        expect_close(m, first, n, forward, 0, "first moments");
        expect_close(v, second, n, forward, 0, "second moments");
    }
    release_all();
}

void check_elementwise(void) {
    for (int f = SLM_IDENTITY; f <= SLM_CLAMPED_SILU; f++) {
        for (int i = 0; i < COUNTS; i++)
            for (int type = SLM_F32; type <= SLM_BF16; type++) check_unary(f, counts[i], type);
        check_special_values(f);
    }
    check_rounding();
    for (int i = 0; i < COUNTS; i++)
        for (int type = SLM_F32; type <= SLM_BF16; type++) check_soft_cap(counts[i], type);
    for (int i = 0; i < COUNTS; i++) check_adamw(counts[i]);
}

void check_reductions(void) {
    static const size_t shapes[][4] = {{1, 1, 1, 0}, {1, 1, 1, 1}, {1, 1, 3, 17}, {2, 3, 5, 33}, {3, 1, 2, 65}, {1, 2, 20, 33},
                                       {7, 1, 1, 10}};
    static const size_t sums[][3] = {{0, 3, 2}, {1, 0, 3}, {2, 0, 1}, {1, 1, 1}, {3, 17, 1}, {1, 33, 17}, {3, 5, 65}, {1, 3000, 40},
                                     {200, 65, 3}, {1, 5000, 1}};
    static const int orders[][2] = {{0, 0}, {0, 1}, {2, 0}, {0, 3}, {1, 2}, {1, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++)
            for (int type = SLM_F32; type <= SLM_BF16; type++) check_strides(shapes[i], orders[o][0], orders[o][1], type);
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        for (int type = SLM_F32; type <= SLM_BF16; type++) check_sums(sums[i][0], sums[i][1], sums[i][2], type);
    check_long_sums();
}

// Random numbers depend only on the seed and the position: they are those of the plain kernels.
void check_random(void) {
    const slm_kernels *plain = slm_kernels_named("plain");
    enum { N = 20003, CUT = 5555 };
    const float *x = numbers(N, 1);
    float *u = blank(SLM_F32, N), *v = blank(SLM_F32, N);
    plain->uniform(u, N, 9, 5);
    kernels->uniform(v, CUT, 9, 5);
    kernels->uniform(v + CUT, N - CUT, 9, 5 + CUT);
    expect_same(v, u, N, "uniform numbers");
    for (int i = 0; i < N; i++) expect(v[i] >= 0 && v[i] < 1, "the range of uniform numbers");
    plain->normal(u, N, 9, 5);
    kernels->normal(v, N, 9, 5);
    expect_close(v, doubles(u, N), N, forward, 0, "normal numbers");
    double mean = 0, square = 0;
    for (int i = 0; i < N; i++) mean += v[i] / (double)N, square += (double)v[i] * v[i] / N;
    expect(fabs(mean) < 0.03 && fabs(square - 1) < 0.05, "the moments of normal numbers: %g, %g", mean, square);
    plain->dropout(x, SLM_F32, u, SLM_F32, N, 0.3f, 9, 5, false);
    kernels->dropout(x, SLM_F32, v, SLM_F32, CUT, 0.3f, 9, 5, false);
    kernels->dropout(x + CUT, SLM_F32, v + CUT, SLM_F32, N - CUT, 0.3f, 9, 5 + CUT, false);
    expect_same(v, u, N, "dropout");
    int dropped = 0;
    for (int i = 0; i < N; i++) dropped += v[i] == 0;
    expect(abs(dropped - 6001) < 300, "dropout of %d elements", dropped);
    double *sums = zeros(N);
    for (int i = 0; i < N; i++) sums[i] = (double)u[i] + (double)x[i];
    float *w = stored(SLM_F32, x, N);
    kernels->dropout(x, SLM_F32, w, SLM_F32, N, 0.3f, 9, 5, true);
    expect_close(w, sums, N, forward, 0, "dropout that adds");
    release_all();
}
