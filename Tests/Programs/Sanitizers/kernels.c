// Runs all kernels of every instruction set that this CPU supports, on buffers of exactly the right size: with
// -fsanitize=address,undefined, an access beyond the end stops the program. Tests/KernelsTests checks the results.
//
//     make test-sanitizers
#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 1;
static float noise(void) {
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

// A buffer of exactly `count` random elements. Each test frees its buffers with release().
static void *held[64];
static int holding;
static void *make(int type, size_t count) {
    const size_t bytes = count * (type == SLM_F32 ? 4 : 2);
    char *p = malloc(bytes ? bytes : 1);
    for (size_t i = 0; i < count; i++) {
        const float x = noise();
        if (type == SLM_F32) memcpy(p + 4 * i, &x, 4); else memcpy(p + 2 * i, (const char *)&x + 2, 2);
    }
    return held[holding++] = p;
}
static int32_t *make_ids(size_t count, int below) {
    int32_t *p = malloc(count ? 4 * count : 1);
    for (size_t i = 0; i < count; i++) p[i] = below > 0 ? (int32_t)(i * 7 % (size_t)below) : 0;
    return held[holding++] = p;
}
static void release(void) { while (holding > 0) free(held[--holding]); }

static void matmuls(const slm_kernels *k, int a_type, int b_type, int c_type, int precision, size_t M, size_t N, size_t K,
                    bool a_transposed, bool b_transposed, bool fused, size_t threads) {
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = precision, .scale = 1, .c_type = c_type, .c_stride = N};
    p.a = (slm_operand){make(a_type, M * K), a_type, a_transposed ? 1 : K, a_transposed ? M : 1};
    p.b = (slm_operand){make(b_type, N * K), b_type, b_transposed ? 1 : K, b_transposed ? N : 1};
    p.c = make(c_type, M * N);
    if (fused) {
        p.bias = make(SLM_F32, N);
        p.activation = SLM_GELU_TANH;
        p.pre_activation = make(c_type, M * N);
        p.plus = make(SLM_F32, M * N);
    } else {
        p.accumulate = c_type == SLM_F32;
    }
    k->matmul_plan(&p, threads, &(slm_caches){256 << 10, 4 << 20});
    void *left = aligned_alloc(64, p.left_bytes + 64), *right = aligned_alloc(64, p.right_bytes + 64);
    for (size_t n = 0; n < N; n += p.n_block)
        for (size_t at = 0; at == 0 || at < K; at += p.k_block) {
            k->matmul_pack(&p, n, n + p.n_block < N ? n + p.n_block : N, at, right);
            for (size_t m = 0; m < M; m += p.m_block) k->matmul_rows(&p, m, n, at, right, left);
        }
    k->matmul_finish(&p, make(SLM_F32, M * N), 0, M);
    free(left);
    free(right);
    release();
}

static void attentions(const slm_kernels *k, int type, int precision, size_t T, size_t H, size_t D, bool documents) {
    const size_t C = H * D;
    char *qkv = make(type, T * 3 * C), *dqkv = make(type, T * 3 * C), *y = make(type, T * C), *dy = make(type, T * C);
    int32_t *first = make_ids(T, 1);
    for (size_t t = 0; t < T; t++) first[t] = (int32_t)(t / 5 * 5);
    slm_attention p = {.T = T, .D = D, .type = type, .precision = precision, .stride = 3 * C, .y_stride = C, .scale = 0.5f,
                       .first = documents ? first : NULL};
    p.log_sum = make(SLM_F32, T);
    const size_t bytes = type == SLM_F32 ? 4 : 2;
    char *scratch = malloc(k->attention_scratch(&p));
    for (size_t h = 0; h < H; h++) {
        const size_t at = h * D * bytes, next = C * bytes;
        p.q = qkv + at, p.k = qkv + at + next, p.v = qkv + at + 2 * next, p.y = y + at, p.dy = dy + at;
        p.dq = dqkv + at, p.dk = dqkv + at + next, p.dv = dqkv + at + 2 * next;
        for (int caps = 0; caps < 2; caps++) {
            p.cap = caps ? 2 : 0;
            k->attention(&p, scratch);
            k->attention_gradient(&p, scratch);
        }
    }
    free(scratch);
    release();
}

static void heads(const slm_kernels *k, int type, size_t N, size_t D, size_t H) {
    const size_t C = 3 * H * D;
    void *x = make(type, N * C), *y = make(type, N * C);
    float *rstd = make(SLM_F32, N * 2 * H);
    k->rotate(x, type, make(SLM_F32, 3 * D), 3, 1, 2 * H, D, -1, y, N, C);
    k->rotate(x, type, make(SLM_F32, 3 * D), 3, 2, 2 * H, D, 1, x, N, C);
    k->norm_heads(x, type, 2 * H, D, y, rstd, N, C, 1e-5f);
    k->norm_heads_gradient(x, y, type, 2 * H, D, rstd, make(type, N * C), N, C);
    release();
}

// Rows of int4 and int6: quantize, with and without errors that are spread, pack, and convert to numbers.
static float *make_factor(size_t I) {
    float *factor = make(SLM_F32, I * I);
    for (size_t i = 0; i < I; i++) factor[i * I + i] = 1;
    return factor;
}
static void affine_rows(const slm_kernels *k, int precision, const float *w, size_t O, size_t I, const float *input_scales, void *packed,
                        void *scratch) {
    const size_t count = O < k->weights_panel ? O : k->weights_panel, bytes = k->weights_row_bytes(precision, I);
    uint8_t *codes = malloc(count * bytes);
    k->weights_quantize(precision, w, count, I, input_scales, make_factor(I), codes, NULL, scratch);
    k->weights_quantize(precision, w, count, I, NULL, NULL, codes, NULL, scratch);
    const void **rows = malloc(count * sizeof *rows);
    for (size_t n = 0; n < count; n++) rows[n] = codes + n * bytes;
    k->weights_pack_rows(precision, rows, count, I, packed);
    k->weights_dequantize(precision, codes, NULL, input_scales, count, I, 0, I, make(SLM_F32, count * I), SLM_F32);
    k->weights_dequantize(precision, codes, NULL, input_scales, count, I, 0, I, make(SLM_BF16, count * I), SLM_BF16);
    if (I > SLM_GROUP)
        k->weights_dequantize(precision, codes, NULL, NULL, count, I, SLM_GROUP, I - SLM_GROUP, make(SLM_F32, count * I), SLM_F32);
    free(codes), free(rows);
}

// Packed weights in every precision: pack, multiply, look up, convert to codes and back.
static void weights(const slm_kernels *k, size_t N, size_t O, size_t I) {
    float *w = make(SLM_F32, O * I), *x = make(SLM_F32, N * I);
    int32_t *ids = make_ids(N, (int)O);
    for (int precision = SLM_WEIGHTS_F32; precision <= SLM_WEIGHTS_INT6; precision++) {
        if (precision == SLM_WEIGHTS_Q8_0 || precision == SLM_WEIGHTS_Q4_0) continue;
        const bool is_affine = precision == SLM_WEIGHTS_INT4 || precision == SLM_WEIGHTS_INT6;
        if (precision == SLM_WEIGHTS_BF12 && !k->has_native_bf16) continue;
        if (precision == SLM_WEIGHTS_BF12 && I % SLM_GROUP) continue;
        const size_t panels = (O + k->weights_panel - 1) / k->weights_panel, groups = (I + SLM_GROUP - 1) / SLM_GROUP;
        char *packed = malloc(k->weights_bytes(precision, O, I)), *scratch = malloc(k->weights_pack_scratch(I));
        char *rows = malloc(N * k->weights_input_bytes(precision, I) + 1);
        const float *input_scales = precision == SLM_WEIGHTS_INT8 || is_affine ? make(SLM_F32, I) : NULL;
        k->weights_pack(precision, w, SLM_F32, I, O, I, input_scales, 0, panels, packed, scratch);
        if (!k->weights_fit(precision, packed, O, I)) abort();
        k->weights_prepare_input(precision, x, N, I, input_scales, rows);
        slm_matmul p = {.M = N, .N = O, .K = I, .scale = 1, .c = make(SLM_F32, N * O), .c_stride = O, .bias = make(SLM_F32, O),
                        .activation = SLM_GELU_TANH, .plus = make(SLM_F32, N * O)};
        k->packed_matmul(precision, &p, packed, rows, 0, panels);
        p.m_block = 5;
        k->packed_matmul(precision, &p, packed, rows, 0, panels);
        k->weights_lookup(precision, packed, I, input_scales, ids, make(SLM_F32, N * I), make(SLM_F32, N * I), N);
        if (precision == SLM_WEIGHTS_INT8) {
            uint8_t *codes = malloc(O * I);
            float *scales = malloc(4 * O * groups);
            for (size_t o = 0; o < O; o += k->weights_panel)
                k->weights_quantize(precision, w + o * I, O - o < k->weights_panel ? O - o : k->weights_panel, I, input_scales,
                                    make_factor(I), codes + o * I, scales + o * groups, scratch);
            k->weights_pack_codes(codes, scales, O, I, 0, panels, packed);
            k->weights_dequantize(precision, codes, scales, input_scales, O, I, 0, I, make(SLM_F32, O * I), SLM_F32);
            k->weights_dequantize(precision, codes, scales, input_scales, O, I, 0, I, make(SLM_BF16, O * I), SLM_BF16);
            free(codes), free(scales);
        } else if (is_affine) affine_rows(k, precision, w, O, I, input_scales, packed, scratch);
        free(packed), free(scratch), free(rows);
    }
    release();
}

// bf12 panels with the maximum number of exceptions, and with one more.
static void exceptions(const slm_kernels *k, size_t I) {
    const size_t O = k->weights_panel + 1, max = I * k->weights_panel / 256;
    for (size_t count = max; count <= max + 1; count++) {
        float *w = make(SLM_F32, O * I);
        for (size_t i = 0; i < O * I; i++) w[i] = i < count ? 1e-30f : 1;
        void *packed = malloc(k->weights_bytes(SLM_WEIGHTS_BF12, O, I)), *scratch = malloc(k->weights_pack_scratch(I));
        k->weights_pack(SLM_WEIGHTS_BF12, w, SLM_F32, I, O, I, NULL, 0, 2, packed, scratch);
        if (k->weights_fit(SLM_WEIGHTS_BF12, packed, O, I) != (count == max)) puts("wrong number of bf12 exceptions"), abort();
        free(packed), free(scratch);
    }
    release();
}

// Every position of a KV cache of capacity T.
static void kv_caches(const slm_kernels *k, size_t T, size_t D) {
    for (int precision = SLM_WEIGHTS_F32; precision <= SLM_WEIGHTS_INT8; precision++) {
        const size_t key_bytes = k->kv_cache_key_bytes(precision, D, T), value_bytes = k->kv_cache_value_bytes(precision, D, T);
        char *keys = malloc(key_bytes), *values = malloc(value_bytes);
        char *copied_keys = malloc(key_bytes), *copied_values = malloc(value_bytes);
        for (size_t t = 0; t < T; t++) {
            float *scratch = malloc(4 * k->cached_attention_scratch(D, t + 1));
            k->kv_cache_append(precision, D, T, t, make(SLM_F32, D), make(SLM_F32, D), keys, values);
            const slm_cached_attention p = {.D = D, .precision = precision, .scale = 0.1f, .cap = t % 2 ? 3 : 0, .capacity = T,
                                            .rows = 1, .count = t + 1, .q = make(SLM_F32, D), .keys = keys, .values = values,
                                            .y = make(SLM_F32, D)};
            k->cached_attention(&p, scratch);
            free(scratch);
            release();
        }
        // All positions at once.
        float *scratch = malloc(4 * k->cached_attention_scratch(D, T));
        const slm_cached_attention p = {.D = D, .precision = precision, .scale = 0.1f, .capacity = T, .rows = T, .count = 1,
                                        .window = T / 2, .q = make(SLM_F32, T * D), .q_stride = D, .keys = keys, .values = values,
                                        .y = make(SLM_F32, T * D), .y_stride = D};
        k->cached_attention(&p, scratch);
        free(scratch);
        release();
        k->kv_cache_copy(precision, D, T, T, keys, values, copied_keys, copied_values);
        free(keys), free(values), free(copied_keys), free(copied_values);
    }
}

static void rows(const slm_kernels *k, int x, int y, size_t N, size_t C) {
    float *w = make(SLM_F32, C), *b = make(SLM_F32, C), *mean = make(SLM_F32, N), *rstd = make(SLM_F32, N), *losses = make(SLM_F32, N);
    void *in = make(x, N * C), *out = make(y, N * C), *dx = make(x, N * C);
    k->norm(in, x, w, b, out, y, mean, rstd, N, C, 1e-5f);
    k->norm_gradient(out, y, in, x, w, mean, rstd, dx, x, make(SLM_F32, C), make(SLM_F32, C), N, C, true);
    k->norm(in, x, w, NULL, out, y, NULL, rstd, N, C, 1e-5f);
    k->norm_gradient(out, y, in, x, w, NULL, rstd, dx, x, make(SLM_F32, C), NULL, N, C, false);
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        k->softmax(in, x, out, y, N, C, logarithm);
        k->softmax_gradient(in, x, out, y, dx, x, N, C, logarithm, true);
    }
    int32_t *targets = make_ids(N, (int)C);
    if (N > 1) targets[1] = -1;
    if (C > 0) k->cross_entropy(in, x, targets, losses, make_ids(N, 1), out, y, 0.5f, N, C);
    if (C > 0) {
        int32_t *starts = make_ids(N + 1, 1);
        for (size_t n = 0; n <= N; n++) starts[n] = (int32_t)(2 * n);
        k->cross_entropy_soft(in, x, starts, make_ids(2 * N, (int)C), make(SLM_F32, 2 * N), losses, out, y, 0.5f, N, C);
    }
    if (C > 0) {
        int32_t *ids = make_ids(N, 3);
        k->embed(ids, make(x, 3 * C), x, make(SLM_F32, 2 * C), 1, 2, out, y, N, C);
        k->embed_gradient(ids, out, y, make(SLM_F32, 3 * C), N, C, 0, C);
    }
    release();
}

static void elementwise(const slm_kernels *k, int x, int y, size_t n) {
    void *in = make(x, n), *out = make(y, n), *dx = make(x, n);
    for (int f = SLM_IDENTITY; f <= SLM_SILU; f++) {
        k->unary(f, in, x, out, y, n);
        k->unary_gradient(f, out, y, in, x, dx, x, n, true);
    }
    k->soft_cap(2, in, x, out, y, n);
    k->soft_cap_gradient(2, in, x, out, y, dx, x, n);
    k->dropout(in, x, out, y, n, 0.3f, 1, 2, true);
    k->uniform(make(SLM_F32, n), n, 1, 2);
    k->normal(make(SLM_F32, n), n, 1, 2);
    k->sum_of_squares(make(SLM_F32, n), n);
    const slm_adamw step = {.rate = 0.1f, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .correction1 = 0.1f, .correction2 = 0.05f,
                            .gradient_scale = 1};
    float *second = make(SLM_F32, n);
    for (size_t i = 0; i < n; i++) second[i] = fabsf(second[i]);
    k->adamw(&step, make(SLM_F32, n), make(SLM_F32, n), make(SLM_F32, n), second, n);
    release();
}

static void strided(const slm_kernels *k, int x, int y, size_t a, size_t b) {
    const size_t shape[4] = {1, 2, a, b};
    const size_t row[4] = {0, a * b, b, 1}, column[4] = {0, a * b, 1, a}, repeat[4] = {0, 0, 0, 1}, one[4] = {0, 0, 0, 0};
    void *in = make(x, 2 * a * b), *out = make(y, 2 * a * b);
    for (int f = SLM_ADD; f <= SLM_DIVIDE; f++) {
        k->binary(f, shape, in, x, column, make(x, b), x, repeat, out, y);
        k->binary(f, shape, in, x, row, make(x, 1), x, one, out, y);
    }
    k->copy(shape, in, x, column, out, y, row, 2, true);
    k->copy(shape, in, x, row, out, y, column, 2, true);
    k->sum(in, x, 2, a, b, b, make(SLM_F32, 2 * b), 1, true);
    k->sum(in, x, 2 * a * b, 1, 1, 1, make(SLM_F32, 2 * a * b), 1, true);
    if (a > 0) k->maximum(in, x, 2, a, b, make(SLM_F32, 2 * b), make_ids(2 * b, 1));
    release();
}

int main(void) {
    static const char *const names[] = {"avx512bf16", "avx512", "avx2vnni", "avx2", "neonbf16", "neondotprod", "neon", "plain"};
    static const size_t sizes[] = {0, 1, 3, 16, 17, 33, 65};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    int supported = 0;
    char passed[64] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const slm_kernels *k = slm_kernels_named(names[i]);
        if (!k) continue;
        supported++;
        strcat(strcat(passed, " "), names[i]);
        for (size_t I = 64; k->has_native_bf16 && I <= 192; I += 64) {
            exceptions(k, I);
            for (size_t N = 1; N <= 13; N += 4) weights(k, N, 33, I);
        }
        for (int i = 1; i < SIZES; i++) {
            kv_caches(k, 2 * sizes[i] + 1, sizes[SIZES - i]);
            for (int j = 1; j < SIZES; j++) weights(k, i < 4 ? sizes[i] : 13, 2 * sizes[j], sizes[SIZES - i] + (j == 2 ? 64 : 0));
        }
        for (int types = 0; types < 4; types++) {
            const int x = types & 1, y = types >> 1;
            for (int i = 0; i < SIZES; i++) {
                elementwise(k, x, y, sizes[i]);
                for (int j = 0; j < SIZES; j++) {
                    rows(k, x, y, sizes[i], sizes[j]);
                    if (sizes[j] > 0) heads(k, x, sizes[i], 2 * sizes[j], 2);
                    strided(k, x, y, sizes[i], sizes[j]);
                    for (int l = 0; l < SIZES; l++)
                        for (int layout = 0; layout < 8; layout++)
                            for (int precision = SLM_F32; precision <= (k->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++)
                                matmuls(k, x, y, precision, precision, sizes[i], sizes[j], sizes[l], layout & 1, layout & 2, layout & 4, 2);
                }
            }
        }
        matmuls(k, SLM_F32, SLM_F32, SLM_F32, SLM_F32, 50, 70, 3001, false, true, false, 3);      // a sum that is split
        matmuls(k, SLM_BF16, SLM_F32, SLM_BF16, SLM_F32, 5, 3000, 1030, true, false, true, 1);     // several blocks of columns
        for (int type = SLM_F32; type <= SLM_BF16; type++)
            for (int precision = SLM_F32; precision <= (k->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++)
                for (size_t T = 1; T < 256; T = T * 2 + 1)
                    for (int documents = 0; documents < 2; documents++)
                        attentions(k, type, precision, T, 2, T % 3 == 0 ? 7 : 16, documents);
    }
    printf("kernels of %d instruction sets passed:%s\n", supported, passed);
    return 0;
}
