// Checks of matmul. The cases are those of Tests/KernelsTests/MatmulTests.swift.
#include "check.h"

static const size_t shapes[][3] = {{0, 3, 5}, {3, 0, 5}, {3, 5, 0}, {1, 1, 1}, {1, 17, 3}, {3, 33, 17}, {17, 65, 33}, {65, 33, 3},
                                   {33, 1, 65}, {13, 49, 2}, {1, 9, 64}, {8, 12, 4}, {9, 13, 7}, {7, 11, 6}, {16, 25, 129},
                                   {16, 16, 16}, {17, 16, 1}, {65, 65, 65}, {3, 3, 33}, {1, 65, 17}, {33, 17, 0}};

void run_matmul(slm_matmul *p, size_t threads) {
    const slm_kernels *k = kernels;
    k->matmul_plan(p, threads, &caches);
    char *left = make_bytes(p->left_bytes, 64), *right = make_bytes(p->right_bytes, 64);
    const size_t panel = (size_t)k->panel;
    for (size_t n = 0; n < p->N; n += p->n_block)
        for (size_t at = 0; at == 0 || at < p->K; at += p->k_block) {
            // In two parts, as two threads would: the second begins at a panel.
            const size_t end = smaller(n + p->n_block, p->N), middle = n + (end - n) / 2 / panel * panel;
            k->matmul_pack(p, n, middle, at, right);
            k->matmul_pack(p, middle, end, at, right);
            for (size_t m = 0; m < p->M; m += p->m_block) k->matmul_rows(p, m, n, at, right, left);
        }
}

static double *reference(const float *a, const float *b, size_t M, size_t N, size_t K) {
    double *c = zeros(M * N);
    for (size_t m = 0; m < M; m++)
        for (size_t k = 0; k < K; k++)
            for (size_t n = 0; n < N; n++) c[m * N + n] += (double)a[m * K + k] * (double)b[k * N + n];
    return c;
}

// rows × columns of x, stored row by row or column by column, with `padding` NaNs behind each stored row.
static slm_operand operand(const float *x, size_t rows, size_t columns, bool transposed, size_t padding, int type, bool outer_is_rows) {
    const size_t tall = transposed ? columns : rows, wide = transposed ? rows : columns, stride = wide + padding;
    const size_t count = tall == 0 ? 0 : tall * stride;
    float *y = make_bytes(4 * count, 4);
    for (size_t i = 0; i < tall; i++)
        for (size_t j = 0; j < wide; j++) y[i * stride + j] = transposed ? x[j * columns + i] : x[i * columns + j];
    const size_t row_step = transposed ? 1 : stride, column_step = transposed ? stride : 1;
    return (slm_operand){stored(type, y, count), type, outer_is_rows ? row_step : column_step, outer_is_rows ? column_step : row_step};
}

static void check(size_t M, size_t N, size_t K, int type, int precision, bool a_transposed, bool b_transposed, size_t padding) {
    const float *a = rounded_to(type, numbers(M * K, 1), M * K), *b = rounded_to(type, numbers(K * N, 2), K * N);
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = precision, .c_type = SLM_F32, .c_stride = N + padding, .scale = 1};
    p.a = operand(a, M, K, a_transposed, padding, type, true);
    p.b = operand(b, K, N, b_transposed, padding, type, false);
    const size_t count = M == 0 ? 0 : M * (N + padding);
    float *c = make_bytes(4 * count, 4), *packed = make_bytes(4 * M * N, 4);
    for (size_t i = 0; i < count; i++) c[i] = 7;
    p.c = c;
    run_matmul(&p, 2);
    bool outside = true;
    for (size_t i = 0; i < count; i++) {
        const size_t row = i / (N + padding), column = i % (N + padding);
        if (column < N) packed[row * N + column] = c[i]; else outside = outside && c[i] == 7;
    }
    const double *expected = reference(rounded_to(precision, a, M * K), rounded_to(precision, b, K * N), M, N, K);
    expect_close(packed, expected, M * N, forward, 0, "[%zu, %zu]·[%zu, %zu] of %s in %s, transposed %d %d", M, K, K, N, name_of(type),
                 name_of(precision), a_transposed, b_transposed);
    expect(outside, "[%zu, %zu]·[%zu, %zu] wrote outside the result", M, K, K, N);
    release_all();
}

static void check_fused(size_t M, size_t N, size_t K, int type, int f, bool plain) {
    const float *a = numbers(M * K, 1), *b = numbers(K * N, 2), *bias = numbers(N, 3), *plus = numbers(M * N, 4);
    const tolerance allowed = type == SLM_F32 ? forward : stored_bf16;
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = SLM_F32, .c_type = type, .c_stride = N, .scale = 0.5f, .bias = bias,
                    .activation = f};
    p.a = operand(a, M, K, false, 0, SLM_F32, true);
    p.b = operand(b, K, N, false, 0, SLM_F32, false);
    p.c = blank(type, M * N);
    if (!plain) p.pre_activation = blank(type, M * N), p.plus = plus;
    run_matmul(&p, 3);
    double *u = reference(a, b, M, N, K), *y = zeros(M * N), *sums = zeros(M * N);
    float *other = make_bytes(4 * M * N, 4);
    for (size_t i = 0; i < M * N; i++) {
        sums[i] = u[i], other[i] = (float)u[i];
        u[i] = 0.5 * u[i] + bias[i % N];
        y[i] = unary_function(f, u[i]) + (plain ? 0 : plus[i]);
    }
    expect_close(loaded(p.c, type, M * N), y, M * N, allowed, 0, "activation %d of [%zu, %zu] into %s", f, M, N, name_of(type));
    if (!plain) expect_close(loaded(p.pre_activation, type, M * N), u, M * N, allowed, 0, "input of activation %d", f);
    p.c = blank(type, M * N);
    kernels->matmul_finish(&p, other, 0, M);
    expect_close(loaded(p.c, type, M * N), y, M * N, allowed, 0, "activation %d of sums of another library", f);
    const float *start = numbers(M * N, 5);
    slm_matmul q = {.M = M, .N = N, .K = K, .precision = SLM_F32, .a = p.a, .b = p.b, .c_type = type, .c_stride = N, .accumulate = true,
                    .scale = -2, .c = stored(type, start, M * N)};
    run_matmul(&q, 1);
    for (size_t i = 0; i < M * N; i++) sums[i] = start[i] - 2 * sums[i];
    expect_close(loaded(q.c, type, M * N), sums, M * N, allowed, 0, "added to %s", name_of(type));
    release_all();
}

// The bits do not depend on the plan, which depends on the number of threads.
static void check_plans(size_t M, size_t N, size_t K, int precision) {
    const float *a = numbers(M * K, 1), *b = numbers(K * N, 2);
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = precision, .c_type = SLM_F32, .c_stride = N, .scale = 1};
    p.a = operand(a, M, K, false, 0, SLM_F32, true);
    p.b = operand(b, K, N, true, 0, SLM_F32, false);
    const float *first = NULL;
    for (size_t threads = 1; threads <= 5; threads++) {
        p.c = blank(SLM_F32, M * N);
        run_matmul(&p, threads);
        if (first) expect_same(p.c, first, M * N, "[%zu, %zu, %zu] in %s for %zu threads", M, N, K, name_of(precision), threads);
        else first = p.c;
    }
    release_all();
}

static void check_special_values(void) {
    enum { M = 5, N = 33, K = 17 };
    float *a = numbers(M * K, 1), *b = numbers(K * N, 2);
    a[3] = NAN, a[2 * K + 1] = INFINITY, a[4 * K] = -INFINITY;
    for (int i = 0; i < K * N; i++) b[i] = (float)(i % 5 - 2) + 0.5f;
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = SLM_F32, .c = blank(SLM_F32, M * N), .c_type = SLM_F32, .c_stride = N, .scale = 1};
    p.a = operand(a, M, K, false, 0, SLM_F32, true);
    p.b = operand(b, K, N, false, 0, SLM_F32, false);
    run_matmul(&p, 2);
    expect_close(p.c, reference(a, b, M, N, K), M * N, forward, 0, "NaN and infinity");
    if (kernels->has_native_bf16) {
        p.precision = SLM_BF16;
        run_matmul(&p, 2);
        expect_close(p.c, reference(rounded_to(SLM_BF16, a, M * K), b, M, N, K), M * N, forward, 0, "NaN and infinity in bf16");
    }
    release_all();
}

void check_matmul(void) {
    const int last = kernels->has_native_bf16 ? SLM_BF16 : SLM_F32;
    for (int precision = SLM_F32; precision <= last; precision++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int layout = 0; layout < 16; layout++)
                check(shapes[i][0], shapes[i][1], shapes[i][2], layout & 8 ? SLM_BF16 : SLM_F32, precision, layout & 1, layout & 2,
                      layout & 4 ? 3 : 0);
        // Sums that are split, several blocks of columns, several blocks of rows.
        check(5, 33, 1025, SLM_F32, precision, false, true, 0);
        check(3, 17, 4099, SLM_F32, precision, true, false, 1);
        check(7, 1100, 1030, SLM_F32, precision, false, true, 0);
        check(150, 35, 1030, SLM_F32, precision, true, false, 1);
        check(3, 530, 4101, SLM_BF16, precision, true, true, 0);
        check_plans(1, 33, 17, precision);
        check_plans(65, 97, 33, precision);
        check_plans(41, 33, 95, precision);
        check_plans(150, 130, 1100, precision);
        kernels->peak(precision, 3);
    }
    for (int type = SLM_F32; type <= SLM_BF16; type++)
        for (int f = SLM_IDENTITY; f <= SLM_SILU; f++)
            for (int plain = 0; plain < 2 && f != SLM_EXP && f != SLM_LOG && f != SLM_SQRT; plain++) {
                check_fused(1, 1, 1, type, f, plain);
                check_fused(3, 17, 5, type, f, plain);
                check_fused(17, 65, 33, type, f, plain);
            }
    check_special_values();
    for (int precision = SLM_F32; precision <= (kernels->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++) {
        const size_t columns = 2 * 64 * (size_t)kernels->panel, flops = kernels->peak_flops(precision);
        expect(flops > 0 && flops % columns == 0, "peak_flops in %s", name_of(precision));
    }
}
