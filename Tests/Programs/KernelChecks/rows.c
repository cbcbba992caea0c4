// Checks of norms, softmax, cross-entropy, embedding lookup and transformations of heads.
#include "check.h"

static const size_t shapes[][2] = {{0, 3}, {1, 1}, {3, 17}, {17, 33}, {5, 65}, {40, 3}, {2, 8}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void check_norm(size_t N, size_t C, int xt, int yt, bool is_centered) {
    float *x = numbers(N * C, 1);
    for (size_t i = 0; i < N * C; i++) x[i] += 0.5f;
    x = rounded_to(xt, x, N * C);
    const float *w = numbers(C, 2), *b = is_centered ? numbers(C, 3) : NULL, *dy = rounded_to(yt, numbers(N * C, 4), N * C);
    const float *old = numbers(N * C, 5);
    double *y = zeros(N * C), *dx = zeros(N * C), *dw = doubles(w, C), *db = zeros(C);
    for (size_t n = 0; n < N; n++) {
        const float *row = x + n * C;
        double mean = 0, square = 0, mean_g = 0, mean_gx = 0;
        for (size_t c = 0; is_centered && c < C; c++) mean += row[c] / (double)C;
        for (size_t c = 0; c < C; c++) square += (row[c] - mean) * (row[c] - mean) / (double)C;
        const double rstd = 1 / sqrt(square + 1e-3);
        for (size_t c = 0; c < C; c++) {
            const double g = (double)dy[n * C + c] * w[c], hat = (row[c] - mean) * rstd;
            if (is_centered) mean_g += g / (double)C;
            mean_gx += g * hat / (double)C;
        }
        for (size_t c = 0; c < C; c++) {
            const double g = (double)dy[n * C + c] * w[c], hat = (row[c] - mean) * rstd;
            y[n * C + c] = hat * w[c] + (b ? b[c] : 0);
            dx[n * C + c] = rstd * (g - mean_g - hat * mean_gx);
            dw[c] += dy[n * C + c] * hat;
            db[c] += dy[n * C + c];
        }
    }
    const tolerance allowed = yt == SLM_F32 ? gradient : stored_bf16;
    void *in = stored(xt, x, N * C), *out = blank(yt, N * C), *d = stored(yt, dy, N * C);
    float *mean = is_centered ? blank(SLM_F32, N) : NULL, *rstd = blank(SLM_F32, N);
    kernels->norm(in, xt, w, b, out, yt, mean, rstd, N, C, 1e-3f);
#define WHAT "[%zu, %zu] of %s into %s, centered %d", N, C, name_of(xt), name_of(yt), is_centered
    expect_close(loaded(out, yt, N * C), y, N * C, yt == SLM_F32 ? forward : stored_bf16, 0, "norm " WHAT);
    for (int add = 0; add < 2; add++) {
        void *found = stored(xt, old, N * C);
        float *found_dw = stored(SLM_F32, w, C), *found_db = memset(blank(SLM_F32, C), 0, 4 * C);
        kernels->norm_gradient(d, yt, in, xt, w, mean, rstd, found, xt, found_dw, found_db, N, C, add);
        const double *base = doubles(rounded_to(xt, old, N * C), N * C);
        double *sum = zeros(N * C);
        for (size_t i = 0; i < N * C; i++) sum[i] = dx[i] + (add ? base[i] : 0);
        // With few channels, most of dy cancels: the error is that of the canceled terms, times rstd ≤ 32.
        expect_close(loaded(found, xt, N * C), sum, N * C, allowed, 8, "dx " WHAT);
        expect_close(found_dw, dw, C, allowed, 8, "dw " WHAT);
        expect_close(found_db, db, C, allowed, 8, "db " WHAT);
        kernels->norm_gradient(d, yt, in, xt, w, mean, rstd, NULL, xt, found_dw, NULL, N, C, add);
    }
#undef WHAT
    release_all();
}

static double *softmax(const float *x, size_t N, size_t C, bool logarithm) {
    double *y = zeros(N * C);
    for (size_t n = 0; n < N; n++) {
        double top = -INFINITY, sum = 0;
        for (size_t c = 0; c < C; c++) if (x[n * C + c] > top) top = x[n * C + c];
        for (size_t c = 0; c < C; c++) sum += exp(x[n * C + c] - top);
        for (size_t c = 0; c < C; c++) y[n * C + c] = logarithm ? x[n * C + c] - top - log(sum) : exp(x[n * C + c] - top) / sum;
    }
    return y;
}

static void check_softmax(size_t N, size_t C, bool logarithm) {
    float *x = numbers(N * C, 1);
    const float *dy = numbers(N * C, 2), *old = numbers(N * C, 3);
    for (size_t i = 0; i < N * C; i++) x[i] *= 5;
    const double *y = softmax(x, N, C, logarithm);
    float *out = blank(SLM_F32, N * C);
    void *narrow = blank(SLM_BF16, N * C);
    kernels->softmax(x, SLM_F32, out, SLM_F32, N, C, logarithm);
    expect_close(out, y, N * C, forward, 0, "softmax [%zu, %zu]", N, C);
    kernels->softmax(x, SLM_F32, narrow, SLM_BF16, N, C, logarithm);
    expect_close(loaded(narrow, SLM_BF16, N * C), y, N * C, stored_bf16, 0, "softmax [%zu, %zu] into bf16", N, C);
    for (int add = 0; add < 2; add++) {
        double *dx = zeros(N * C);
        for (size_t n = 0; n < N; n++) {
            double sum = 0;
            for (size_t i = n * C; i < (n + 1) * C; i++) sum += dy[i] * (logarithm ? 1 : y[i]);
            for (size_t i = n * C; i < (n + 1) * C; i++)
                dx[i] = (logarithm ? dy[i] - exp(y[i]) * sum : y[i] * (dy[i] - sum)) + (add ? old[i] : 0);
        }
        float *found = stored(SLM_F32, old, N * C);
        kernels->softmax_gradient(dy, SLM_F32, out, SLM_F32, found, SLM_F32, N, C, logarithm, add);
        expect_close(found, dx, N * C, forward, 0, "gradient of softmax [%zu, %zu]", N, C);
    }
    release_all();
}

static void check_cross_entropy(size_t N, size_t V, int type, int ignored) {
    float *x = numbers(N * V, 1);
    for (size_t i = 0; i < N * V; i++) x[i] *= 4;
    int32_t *targets = integers(N), *hits = integers(N);
    for (size_t n = 0; n < N; n++) targets[n] = ignored == 2 || (ignored == 1 && n == 0) ? -1 : (int32_t)((n * 7 + V - 1) % V);
    const double *log_probs = softmax(x, N, V, true);
    double *d = zeros(N * V), *losses = zeros(N);
    for (size_t n = 0; n < N; n++) {
        if (targets[n] < 0) continue;
        losses[n] = -log_probs[n * V + (size_t)targets[n]];
        for (size_t i = 0; i < V; i++) d[n * V + i] = 0.25 * (exp(log_probs[n * V + i]) - ((int32_t)i == targets[n]));
    }
    float *found = blank(SLM_F32, N);
    void *found_d = blank(type, N * V);
    kernels->cross_entropy(x, SLM_F32, targets, found, hits, found_d, type, 0.25f, N, V);
    expect_close(found, losses, N, forward, 0, "cross-entropy [%zu, %zu]", N, V);
    expect_close(loaded(found_d, type, N * V), d, N * V, type == SLM_F32 ? forward : stored_bf16, 0, "its gradient [%zu, %zu]", N, V);
    for (size_t n = 0; n < N; n++) {
        size_t best = 0;
        for (size_t i = 1; i < V; i++) if (x[n * V + i] > x[n * V + best]) best = i;
        expect(hits[n] == ((int32_t)best == targets[n]), "whether row %zu of [%zu, %zu] is a hit", n, N, V);
    }
    // Soft targets: three ids a row, with weights.
    int32_t *starts = integers(N + 1), *ids = integers(3 * N);
    const float *weights = numbers(3 * N, 7);
    double *soft_losses = zeros(N), *soft_d = zeros(N * V);
    for (size_t n = 0; n < N; n++) {
        double weight = 0;
        starts[n + 1] = (int32_t)(3 * (n + 1));
        for (size_t i = 3 * n; i < 3 * n + 3; i++) {
            ids[i] = (int32_t)((i * 5 + 1) % V);
            weight += weights[i];
            soft_losses[n] -= weights[i] * log_probs[n * V + (size_t)ids[i]];
        }
        for (size_t i = 0; i < V; i++) soft_d[n * V + i] = 0.25 * weight * exp(log_probs[n * V + i]);
        for (size_t i = 3 * n; i < 3 * n + 3; i++) soft_d[n * V + (size_t)ids[i]] -= 0.25 * weights[i];
    }
    void *soft = blank(type, N * V);
    kernels->cross_entropy_soft(x, SLM_F32, starts, ids, weights, found, soft, type, 0.25f, N, V);
    // The log of a sum and the logits are subtracted: the error is that of the terms, up to 12.
    expect_close(found, soft_losses, N, forward, 12, "cross-entropy with soft targets [%zu, %zu]", N, V);
    expect_close(loaded(soft, type, N * V), soft_d, N * V, type == SLM_F32 ? forward : stored_bf16, 1, "its gradient");
    kernels->cross_entropy(x, SLM_F32, targets, NULL, NULL, x, SLM_F32, 0.25f, N, V);
    expect_close(x, d, N * V, forward, 0, "gradient of cross-entropy in place");
    release_all();
}

static void check_hits_and_special_values(void) {
    enum { V = 37, C = 19 };
    for (int top = 0; top < V; top += 9)
        for (int target = 0; target < V; target++) {
            float *x = numbers(3 * V, 2);
            int32_t *targets = integers(3), *hits = integers(3);
            for (int i = top; i < V; i++) x[i] = 3;                    // the first row has many equal logits
            x[V + top] = 3;                                           // the second row has one largest logit
            x[2 * V + top] = NAN;
            for (int n = 0; n < 3; n++) targets[n] = target;
            kernels->cross_entropy(x, SLM_F32, targets, NULL, hits, NULL, SLM_F32, 1, 3, V);
            expect(hits[0] == (target == top) && hits[1] == (target == top) && (target != top || hits[2] == 0), "hits of %d", target);
            release_all();
        }
    static const float special[] = {NAN, INFINITY, -INFINITY};
    for (int s = 0; s < 3; s++)
        for (int column = 0; column < C; column += C - 1) {
            float *x = numbers(3 * C, 1), *y = blank(SLM_F32, 3 * C), *losses = blank(SLM_F32, 3), *ones = blank(SLM_F32, C);
            int32_t *targets = integers(3);
            for (int n = 0; n < 3; n++) targets[n] = n + 1;
            for (int c = 0; c < C; c++) ones[c] = 1;
            x[C + column] = special[s];
            kernels->softmax(x, SLM_F32, y, SLM_F32, 3, C, false);
            expect_close(y, softmax(x, 3, C, false), 3 * C, forward, 0, "softmax of %g", (double)special[s]);
            kernels->cross_entropy(x, SLM_F32, targets, losses, NULL, NULL, SLM_F32, 1, 3, C);
            const double *log_probs = softmax(x, 3, C, true);
            const double expected[] = {-log_probs[1], -log_probs[C + 2], -log_probs[2 * C + 3]};
            expect_close(losses, expected, 3, forward, 0, "cross-entropy of %g", (double)special[s]);
            kernels->norm(x, SLM_F32, ones, NULL, y, SLM_F32, blank(SLM_F32, 3), blank(SLM_F32, 3), 3, C, 1e-5f);
            for (int i = 0; i < 3 * C; i++) expect(i / C == 1 ? isnan(y[i]) : isfinite(y[i]), "norm of %g", (double)special[s]);
            release_all();
        }
}

static void check_embedding(size_t N, size_t C, size_t V, int type) {
    const size_t T = N / 3 > 1 ? N / 3 : 1, first = 1;
    int32_t *ids = integers(N);
    for (size_t n = 0; n < N; n++) ids[n] = (int32_t)((n * n + 3) % V);
    const float *table = numbers(V * C, 1), *more = numbers(T * C, 2), *dy = numbers(N * C, 3), *rows = rounded_to(type, table, V * C);
    float *y = blank(SLM_F32, N * C), *expected = make_bytes(4 * N * C, 4), *sums = stored(SLM_F32, table, V * C);
    kernels->embed(ids, stored(type, table, V * C), type, more, first, T, y, SLM_F32, N, C);
    for (size_t i = 0; i < N * C; i++) expected[i] = rows[(size_t)ids[i / C] * C + i % C] + more[(first + i / C) % T * C + i % C];
    expect_same(y, expected, N * C, "embedding [%zu, %zu]", N, C);
    kernels->embed(ids, stored(type, table, V * C), type, NULL, 0, 1, y, SLM_F32, N, C);
    for (size_t i = 0; i < N * C; i++) expected[i] = rows[(size_t)ids[i / C] * C + i % C];
    expect_same(y, expected, N * C, "embedding without positions [%zu, %zu]", N, C);
    float *expected_sums = stored(SLM_F32, table, V * C);
    const float *d = rounded_to(type, dy, N * C);
    for (size_t i = 0; i < N * C; i++) expected_sums[(size_t)ids[i / C] * C + i % C] += d[i];
    kernels->embed_gradient(ids, stored(type, dy, N * C), type, sums, N, C, 0, C / 2);
    kernels->embed_gradient(ids, stored(type, dy, N * C), type, sums, N, C, C / 2, C);
    expect_same(sums, expected_sums, V * C, "gradient of embedding [%zu, %zu]", N, C);
    release_all();
}

static void check_one_row_of_heads(size_t N, size_t T, size_t heads, size_t D, size_t rest, int type) {
    const size_t C = heads * D + rest, half = D / 2;
    float *angles = numbers(T * half, 1), *table = blank(SLM_F32, T * D), *rstd = blank(SLM_F32, N * heads);
    for (size_t i = 0; i < T * half; i++) {
        table[i / half * D + i % half] = cosf(3 * angles[i]);
        table[i / half * D + half + i % half] = sinf(3 * angles[i]);
    }
    void *x = stored(type, numbers(N * C, 2), N * C), *y = blank(type, N * C), *dx = blank(type, N * C);
    const double *old = doubles(loaded(x, type, N * C), N * C);
    double *expected = zeros(N * C), *d_expected = zeros(N * C);
    memcpy(expected, old, 8 * N * C);
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < heads * half; i++) {
            const size_t a = n * C + i / half * D + i % half, b = a + half;
            const double angle = 3 * (double)angles[(n + 1) % T * half + i % half];
            expected[a] = old[a] * cos(angle) - old[b] * sin(angle);
            expected[b] = old[b] * cos(angle) + old[a] * sin(angle);
        }
#define WHAT "N %zu, %zu heads of %zu in %s", N, heads, D, name_of(type)
    const tolerance allowed = type == SLM_F32 ? forward : stored_bf16;
    kernels->rotate(x, type, table, T, 1, heads, D, 1, y, N, C);
    expect_close(loaded(y, type, N * C), expected, N * C, allowed, 0, "rotation, " WHAT);
    kernels->rotate(y, type, table, T, 1, heads, D, -1, y, N, C);
    expect_close(loaded(y, type, N * C), old, N * C, type == SLM_F32 ? forward : bf16_products, 1, "rotation back in place, " WHAT);
    const float *dy = rounded_to(type, numbers(N * C, 4), N * C);
    float *z = numbers(N * C, 3);
    for (size_t i = 0; i < N * C; i++) z[i] += z[i] < 0 ? -0.2f : 0.2f;
    z = rounded_to(type, z, N * C);
    for (size_t i = 0; i < N * C; i++) expected[i] = z[i], d_expected[i] = dy[i];
    for (size_t h = 0; h < N * heads; h++) {
        const size_t at = h / heads * C + h % heads * D;
        double square = 0, along = 0;
        for (size_t i = at; i < at + D; i++) square += (double)z[i] * z[i] / (double)D;
        const double r = 1 / sqrt(square + 1e-5);
        for (size_t i = at; i < at + D; i++) along += dy[i] * z[i] * r / (double)D;
        for (size_t i = at; i < at + D; i++) expected[i] = z[i] * r, d_expected[i] = r * (dy[i] - z[i] * r * along);
    }
    kernels->norm_heads(stored(type, z, N * C), type, NULL, 0, heads, D, y, rstd, N, C, 1e-5f);
    expect_close(loaded(y, type, N * C), expected, N * C, allowed, 0, "norm of heads, " WHAT);
    kernels->norm_heads_gradient(stored(type, dy, N * C), y, type, NULL, 0, heads, D, rstd, dx, NULL, N, C);
    expect_close(loaded(dx, type, N * C), d_expected, N * C, type == SLM_F32 ? gradient : bf16_gradient, 1, "its gradient, " WHAT);
#undef WHAT
    release_all();
}

void check_rows(void) {
    static const size_t embeddings[][3] = {{0, 3, 2}, {1, 1, 1}, {33, 17, 5}, {200, 65, 7}, {65, 3, 1}};
    for (int i = 0; i < SHAPES; i++)
        for (int option = 0; option < 2; option++) {
            const size_t N = shapes[i][0], C = shapes[i][1];
            for (int types = 0; types < 3; types++) check_norm(N, C, types == 2 ? SLM_BF16 : SLM_F32, types ? SLM_BF16 : SLM_F32, option);
            check_softmax(N, C, option);
            for (int ignored = 0; ignored < 3; ignored++) check_cross_entropy(N, C, option ? SLM_BF16 : SLM_F32, ignored);
        }
    for (int logarithm = 0; logarithm < 2; logarithm++) check_softmax(3, 5000, logarithm);
    check_cross_entropy(4, 3001, SLM_F32, 0);
    check_hits_and_special_values();
    for (size_t i = 0; i < sizeof embeddings / sizeof *embeddings; i++)
        for (int type = SLM_F32; type <= SLM_BF16; type++) check_embedding(embeddings[i][0], embeddings[i][1], embeddings[i][2], type);
}

void check_heads(void) {
    static const size_t cases[][5] = {{0, 2, 2, 4, 3}, {1, 1, 1, 2, 0}, {5, 3, 2, 6, 6}, {70, 35, 3, 34, 17}, {3, 3, 1, 66, 1},
                                      {2, 2, 2, 64, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int type = SLM_F32; type <= SLM_BF16; type++)
            check_one_row_of_heads(cases[i][0], cases[i][1], cases[i][2], cases[i][3], cases[i][4], type);
}
