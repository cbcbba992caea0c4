// Checks of packed and quantized weights.
#include "check.h"

static const char *const names[] = {"f32", "bf16", "int8", "int4", "bf12", "int6"};
static bool is_affine(int precision) { return precision == SLM_WEIGHTS_INT4 || precision == SLM_WEIGHTS_INT6; }
static bool is_int(int precision) { return precision == SLM_WEIGHTS_INT8 || is_affine(precision); }
static size_t group_of(int precision) { return is_affine(precision) ? 32 : 64; }
static bool is_offered(int precision, size_t I) {
    if (precision == SLM_WEIGHTS_BF12 && I % SLM_GROUP != 0) return false;
    return kernels->has_native_bf16 || precision != SLM_WEIGHTS_BF12;
}

static size_t panels_of(size_t O) { return (O + kernels->weights_panel - 1) / kernels->weights_panel; }
static char *packed(int precision, const float *w, size_t O, size_t I) {
    char *panels = make_bytes(kernels->weights_bytes(precision, O, I), 8);
    void *scratch = make_bytes(kernels->weights_pack_scratch(I), 4);
    // Two parts, as threads would.
    kernels->weights_pack(precision, w, SLM_F32, I, O, I, NULL, panels_of(O) / 2, panels_of(O), panels, scratch);
    kernels->weights_pack(precision, w, SLM_F32, I, O, I, NULL, 0, panels_of(O) / 2, panels, scratch);
    return panels;
}

static void multiply(int precision, const char *panels, const float *x, size_t N, size_t O, size_t I, const float *bias, int activation,
                     const float *plus, float *y) {
    char *rows = make_bytes(N * kernels->weights_input_bytes(precision, I), 4);
    kernels->weights_prepare_input(precision, x, N, I, NULL, rows);
    slm_matmul p = {.M = N, .N = O, .K = I, .scale = 1, .c = y, .c_type = SLM_F32, .c_stride = O, .bias = bias, .activation = activation,
                    .plus = plus};
    kernels->packed_matmul(precision, &p, panels, rows, panels_of(O) / 2, panels_of(O));
    p.m_block = 7;
    kernels->packed_matmul(precision, &p, panels, rows, 0, panels_of(O) / 2);
}

// The weights [O, I] that packed weights stand for.
static float *stored_weights(int precision, const char *panels, size_t O, size_t I) {
    int32_t *ids = integers(O);
    for (size_t o = 0; o < O; o++) ids[o] = (int32_t)o;
    float *w = make_bytes(4 * O * I, 4);
    kernels->weights_lookup(precision, panels, I, NULL, ids, NULL, w, O);
    return w;
}

// Each group of inputs in steps of a scale of its own. In int8, it is that of the largest input outside of one quad if that
// has an input more than 1.25 times as large, which has up to 128 times as many steps.
static float *quantized_in_groups(int precision, const float *x, size_t N, size_t I) {
    const float steps = 127;
    const size_t group = group_of(precision);
    float *y = make_bytes(4 * N * I, 4);
    for (size_t n = 0; n < N; n++)
        for (size_t start = 0; start < I; start += group) {
            const size_t end = smaller(start + group, I);
            float largest = 0;
            size_t at = start;
            for (size_t i = start; i < end; i++)
                if (fabsf(x[n * I + i]) > largest) largest = fabsf(x[n * I + i]), at = i;
            if (!is_affine(precision)) {
                float others = largest / 128;
                for (size_t i = start; i < end; i++)
                    if ((i - start) / 4 != (at - start) / 4) others = fmaxf(others, fabsf(x[n * I + i]));
                if (largest > 1.25f * others) largest = others;
            }
            for (size_t i = start; i < end; i++)
                y[n * I + i] = largest > 0 ? rintf(x[n * I + i] * (steps / largest)) * (largest / steps) : 0;
        }
    return y;
}

// Errors of int4 and int6 are at most a step: half of one by rounding, the rest where the range of a group is cut. Groups whose weights
// are small beside those of the row have coarser steps.
static void check_accuracy(int precision, const float *w, const float *stands_for, size_t O, size_t I) {
    const size_t group = group_of(precision);
    for (size_t o = 0; o < O; o++)
        for (size_t start = 0; start < I; start += group) {
            double largest = 0, of_row = 0;
            for (size_t i = 0; i < I; i++) of_row = fmax(of_row, fabs((double)w[o * I + i]));
            for (size_t i = start; i < smaller(start + group, I); i++) largest = fmax(largest, fabs((double)w[o * I + i]));
            if (is_affine(precision)) largest += of_row / 255;
            const double allowed = precision == SLM_WEIGHTS_F32 ? 1e-7 : precision == SLM_WEIGHTS_INT8 ? 0.5 / 127 * 1.01
                : precision == SLM_WEIGHTS_INT4 ? 2.0 / 15 : precision == SLM_WEIGHTS_INT6 ? 2.0 / 63 : 1.0 / 256;
            for (size_t i = start; i < smaller(start + group, I); i++) {
                const double error = fabs((double)stands_for[o * I + i] - (double)w[o * I + i]);
                expect(error <= allowed * largest * 1.01, "%s [%zu, %zu]: %g is stored as %g", names[precision], O, I,
                       (double)w[o * I + i], (double)stands_for[o * I + i]);
            }
        }
}

// Rows as files store them.
typedef struct { uint8_t *codes; float *scales; size_t row_bytes; } file_rows;
static file_rows file_rows_of(int precision, const float *w, const float *input_scales, size_t O, size_t I) {
    const size_t groups = is_affine(precision) ? 0 : (I + 63) / 64;
    file_rows rows = {.row_bytes = is_affine(precision) ? kernels->weights_row_bytes(precision, I) : I};
    rows.scales = make_bytes(4 * O * groups, 4);
    rows.codes = make_bytes(O * rows.row_bytes, 1);
    void *scratch = make_bytes(kernels->weights_pack_scratch(I), 4);
    const size_t panel = kernels->weights_panel;
    for (size_t o = 0; o < O; o += panel)
        kernels->weights_quantize(precision, w + o * I, smaller(panel, O - o), I, input_scales, NULL, NULL,
                                  rows.codes + o * rows.row_bytes, rows.scales + o * groups, scratch);
    return rows;
}
static char *packed_rows(int precision, file_rows rows, size_t O, size_t I) {
    char *panels = make_bytes(kernels->weights_bytes(precision, O, I), 8);
    if (!is_affine(precision)) {
        kernels->weights_pack_codes(rows.codes, rows.scales, O, I, 0, panels_of(O), panels);
        return panels;
    }
    const void **each = make_bytes(sizeof(void *) * kernels->weights_panel, 8);
    for (size_t p = 0; p < panels_of(O); p++) {
        const size_t o = p * kernels->weights_panel, count = smaller(kernels->weights_panel, O - o);
        for (size_t lane = 0; lane < count; lane++) each[lane] = rows.codes + (o + lane) * rows.row_bytes;
        kernels->weights_pack_rows(precision, each, count, I, panels + p * kernels->weights_bytes(precision, 1, I));
    }
    return panels;
}

static void check_rows_of_files(int precision, const char *panels, const float *w, const float *stands_for, const float *x, size_t N,
                                size_t O, size_t I) {
    const file_rows rows = file_rows_of(precision, w, NULL, O, I);
    float *dequantized = blank(SLM_F32, O * I), *y = blank(SLM_F32, N * O), *z = blank(SLM_F32, N * O);
    kernels->weights_dequantize(precision, rows.codes, rows.scales, NULL, O, I, 0, I, dequantized, SLM_F32);
    expect_same(dequantized, stands_for, O * I, "dequantized %s", names[precision]);
    // The columns from the second group of 64 on, but for the last one, in bf16.
    const size_t columns = I > 65 ? I - 65 : 0;
    float *part = make_bytes(4 * O * columns, 4);
    for (size_t i = 0; i < O * columns; i++) part[i] = rounded(dequantized[i / columns * I + 64 + i % columns]);
    void *narrow = blank(SLM_BF16, O * columns);
    if (columns > 0) kernels->weights_dequantize(precision, rows.codes, rows.scales, NULL, O, I, 64, columns, narrow, SLM_BF16);
    expect_same(loaded(narrow, SLM_BF16, O * columns), part, O * columns, "dequantized columns of %s", names[precision]);
    multiply(precision, panels, x, N, O, I, NULL, SLM_IDENTITY, NULL, y);
    multiply(precision, packed_rows(precision, rows, O, I), x, N, O, I, NULL, SLM_IDENTITY, NULL, z);
    expect_same(z, y, N * O, "weights packed from rows of %s", names[precision]);
}

static void check(int precision, size_t N, size_t O, size_t I) {
    const float *x = numbers(N * I, 1), *w = numbers(O * I, 2), *bias = numbers(O, 3), *plus = numbers(N * O, 4);
    const char *panels = packed(precision, w, O, I);
    expect(kernels->weights_fit(precision, panels, O, I), "%s: weights do not fit", names[precision]);
    const float *stands_for = stored_weights(precision, panels, O, I);
    check_accuracy(precision, w, stands_for, O, I);
    const float *rows = is_int(precision) ? quantized_in_groups(precision, x, N, I)
        : rounded_to(precision == SLM_WEIGHTS_F32 ? SLM_F32 : SLM_BF16, x, N * I);
    double *expected = doubles(plus, N * O);
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < O; o++) {
            double sum = bias[o];
            for (size_t i = 0; i < I; i++) sum += (double)rows[n * I + i] * (double)stands_for[o * I + i];
            expected[n * O + o] += sum > 0 ? sum : 0;
        }
    float *y = blank(SLM_F32, N * O);
    multiply(precision, panels, x, N, O, I, bias, SLM_RELU, plus, y);
    expect_close(y, expected, N * O, gradient, sqrt((double)I), "packed matmul %s, N %zu, O %zu, I %zu", names[precision], N, O, I);
    // Lookup with addition.
    int32_t *ids = integers(3);
    ids[0] = (int32_t)O - 1, ids[1] = 0, ids[2] = (int32_t)(O / 2);
    const float *more = numbers(3 * I, 5);
    float *looked_up = blank(SLM_F32, 3 * I), *sum = make_bytes(12 * I, 4);
    kernels->weights_lookup(precision, panels, I, NULL, ids, more, looked_up, 3);
    for (size_t i = 0; i < 3 * I; i++) sum[i] = stands_for[(size_t)ids[i / I] * I + i % I] + more[i];
    expect_same(looked_up, sum, 3 * I, "lookup in %s", names[precision]);
    if (is_int(precision)) check_rows_of_files(precision, panels, w, stands_for, x, N, O, I);
    // Rows in bf16 are packed as their numbers in f32 are.
    const char *narrow = stored(SLM_BF16, w, O * I), *from_f32 = packed(precision, rounded_to(SLM_BF16, w, O * I), O, I);
    const size_t all_bytes = kernels->weights_bytes(precision, O, I);
    char *from_bf16 = make_bytes(all_bytes, 8), *scratch = make_bytes(kernels->weights_pack_scratch(I), 4);
    kernels->weights_pack(precision, narrow, SLM_BF16, I, O, I, NULL, 0, panels_of(O), from_bf16, scratch);
    expect(memcmp(from_bf16, from_f32, all_bytes) == 0, "%s packed from bf16", names[precision]);
    release_all();
}

// Scales of inputs that are powers of two change no bit: weights are divided by them, and inputs multiplied.
static void check_input_scales(int precision, size_t N, size_t O, size_t I) {
    const float *x = numbers(N * I, 1), *w = numbers(O * I, 2);
    float *scales = make_bytes(4 * I, 4), *scaled_x = make_bytes(4 * N * I, 4), *scaled_w = make_bytes(4 * O * I, 4);
    for (size_t i = 0; i < I; i++) scales[i] = ldexpf(1, (int)(i * 7 % 19) - 9);
    for (size_t i = 0; i < N * I; i++) scaled_x[i] = x[i] / scales[i % I];
    for (size_t i = 0; i < O * I; i++) scaled_w[i] = w[i] * scales[i % I];
    const size_t bytes = kernels->weights_bytes(precision, O, I), row_bytes = N * kernels->weights_input_bytes(precision, I);
    char *panels = make_bytes(bytes, 8), *rows = make_bytes(row_bytes, 4), *plain_rows = make_bytes(row_bytes, 4);
    const char *plain = packed(precision, w, O, I);
    void *scratch = make_bytes(kernels->weights_pack_scratch(I), 4);
    kernels->weights_pack(precision, scaled_w, SLM_F32, I, O, I, scales, 0, panels_of(O), panels, scratch);
    expect(memcmp(panels, plain, bytes) == 0, "packed %s with scales of inputs, O %zu, I %zu", names[precision], O, I);
    kernels->weights_prepare_input(precision, x, N, I, NULL, plain_rows);
    kernels->weights_prepare_input(precision, scaled_x, N, I, scales, rows);
    expect(memcmp(rows, plain_rows, row_bytes) == 0, "inputs of %s with scales of inputs, I %zu", names[precision], I);
    float *stands_for = stored_weights(precision, plain, O, I), *looked_up = blank(SLM_F32, O * I), *dequantized = blank(SLM_F32, O * I);
    for (size_t i = 0; i < O * I; i++) stands_for[i] *= scales[i % I];
    int32_t *ids = integers(O);
    for (size_t o = 0; o < O; o++) ids[o] = (int32_t)o;
    kernels->weights_lookup(precision, panels, I, scales, ids, NULL, looked_up, O);
    expect_same(looked_up, stands_for, O * I, "lookup in %s with scales of inputs", names[precision]);
    const file_rows stored = file_rows_of(precision, scaled_w, scales, O, I);
    kernels->weights_dequantize(precision, stored.codes, stored.scales, scales, O, I, 0, I, dequantized, SLM_F32);
    expect_same(dequantized, stands_for, O * I, "dequantized %s with scales of inputs", names[precision]);
    release_all();
}

// The bits of a row do not depend on the other rows.
static void check_rows_alone(int precision, size_t I) {
    enum { O = 77, ROWS = 133 };
    float *x = numbers(ROWS * I, 1), *w = numbers(O * I, 2);
    static const float outliers[] = {1e6f, 1e-6f, 0, -0.0f, 1e30f, -1e-30f};
    for (size_t i = 0; i < 6; i++) for (size_t at = 77 + 331 * i; at < O * I; at += 3000) w[at] = outliers[i];
    const char *panels = packed(precision, w, O, I);
    if (!kernels->weights_fit(precision, panels, O, I)) { expect(false, "outliers do not fit into %s", names[precision]); return; }
    float *alone = blank(SLM_F32, ROWS * O);
    for (size_t n = 0; n < ROWS; n++) multiply(precision, panels, x + n * I, 1, O, I, NULL, SLM_IDENTITY, NULL, alone + n * O);
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 25, 29, 32, 35, 64, 133};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        float *y = blank(SLM_F32, counts[i] * O);
        multiply(precision, panels, x, counts[i], O, I, NULL, SLM_IDENTITY, NULL, y);
        expect_same(y, alone, counts[i] * O, "%zu rows with weights in %s", counts[i], names[precision]);
    }
    release_all();
}

// bf12 is lossless, and says when it cannot be.
static void check_compression(void) {
    enum { O = 130, I = 192 };
    for (int kind = 0; kind < 5; kind++) {
        float *w = numbers(O * I, 3);
        for (size_t i = 0; i < O * I; i++) {
            if (kind == 1) w[i] *= 1e-33f;
            if (kind == 2) w[i] *= 1e37f;
            if (kind == 3 && i % 3000 == 77) w[i] = i % 2 ? 1e30f : -1e-30f;
            if (kind == 4) w[i] = ldexpf(1.5f, (int)(i * 7 % 200) - 100);
            if (kind == 0 && i % 5 == 0) w[i] = i % 2 ? 0 : -0.0f;
            if (kind < 3 && i % 3000 == 408) w[i] = -0.0f;
            if (kind == 2 && i % 3000 == 739) w[i] = INFINITY;
        }
        const char *panels = packed(SLM_WEIGHTS_BF12, w, O, I);
        expect(kernels->weights_fit(SLM_WEIGHTS_BF12, panels, O, I) == (kind < 4), "whether weights of kind %d fit into bf12", kind);
        const float *expected = rounded_to(SLM_BF16, w, O * I);
        if (kind == 4) continue;
        const float *found = stored_weights(SLM_WEIGHTS_BF12, panels, O, I);
        expect(memcmp(found, expected, 4 * O * I) == 0, "weights of kind %d change in bf12", kind);
        enum { N = 115 };                                    // rows of blocks, and some that are left
        const float *x = numbers(N * I, 6);
        float *y = blank(SLM_F32, N * O), *z = blank(SLM_F32, N * O);
        multiply(SLM_WEIGHTS_BF12, panels, x, N, O, I, NULL, SLM_IDENTITY, NULL, y);
        multiply(SLM_WEIGHTS_BF16, packed(SLM_WEIGHTS_BF16, w, O, I), x, N, O, I, NULL, SLM_IDENTITY, NULL, z);
        expect_same(y, z, N * O, "products with bf12 of kind %d", kind);
        release_all();
    }
    const size_t panel = kernels->weights_panel, most = I * panel / 256;      // exceptions of a panel
    for (size_t count = most; count <= most + 1; count++) {
        float *w = make_bytes(4 * panel * I, 4);
        for (size_t i = 0; i < panel * I; i++) w[i] = i < count ? 1e-30f : 1;
        expect(kernels->weights_fit(SLM_WEIGHTS_BF12, packed(SLM_WEIGHTS_BF12, w, panel, I), panel, I) == (count == most),
               "%zu exceptions in a panel of bf12", count);
    }
    release_all();
}

// NaN and infinity in one row of the input, alone and together.
static void check_special_values(int precision) {
    enum { O = 40, I = 64 };
    for (int kind = 0; kind < 4; kind++) {
        float *x = numbers(3 * I, 1), *y = blank(SLM_F32, 3 * O);
        if (kind == 0 || kind == 1) x[I + 7] = NAN;
        if (kind == 0 || kind == 2) x[I + 9] = INFINITY;
        for (size_t i = 0; kind == 3 && i < I; i++) x[I + i] = NAN;
        multiply(precision, packed(precision, numbers(O * I, 2), O, I), x, 3, O, I, NULL, SLM_IDENTITY, NULL, y);
        for (size_t i = 0; i < 3 * O; i++)
            expect(isfinite(y[i]) ? i / O != 1 : i / O == 1, "%s: row %zu of a matmul with NaN in row 1", names[precision], i / O);
        release_all();
    }
}

// The largest possible sums of products of bytes: no intermediate result overflows.
static void check_extreme_codes(int precision) {
    enum { O = 33, I = 130, N = 41 };                                // N: rows of a block, and some that are left
    file_rows rows = {.row_bytes = is_affine(precision) ? kernels->weights_row_bytes(precision, I) : I, .scales = make_bytes(4 * O * 3, 4)};
    rows.codes = make_bytes(O * rows.row_bytes, 1);
    float *x = make_bytes(4 * N * I, 4), *w = blank(SLM_F32, O * I), *y = blank(SLM_F32, N * O);
    // 255 is the largest byte, twice the largest half of a byte, and the largest scale.
    for (size_t i = 0; i < O * rows.row_bytes; i++) {
        const size_t o = i / rows.row_bytes;
        rows.codes[i] = o % 3 == 0 ? 0 : o % 3 == 1 ? 255 : i % 2 ? 255 : 0;
    }
    const float one = 1;
    for (size_t o = 0; is_affine(precision) && o < O; o++) memcpy(rows.codes + o * rows.row_bytes, &one, 4);
    for (size_t i = 0; i < O * 3; i++) rows.scales[i] = 1;
    for (size_t i = 0; i < N * I; i++) x[i] = i / I % 3 == 0 ? 127 : i / I % 3 == 1 ? -127 : i % 2 ? 127 : -127;
    const char *panels = packed_rows(precision, rows, O, I);
    kernels->weights_dequantize(precision, rows.codes, rows.scales, NULL, O, I, 0, I, w, SLM_F32);
    multiply(precision, panels, x, N, O, I, NULL, SLM_IDENTITY, NULL, y);
    double *expected = zeros(N * O);
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++) expected[n * O + o] += (double)x[n * I + i] * (double)w[o * I + i];
    expect_close(y, expected, N * O, forward, 0, "the largest products of %s", names[precision]);
    release_all();
}

void check_weights(void) {
    static const size_t cases[][3] = {{1, 1, 1}, {2, 33, 5}, {5, 31, 32}, {13, 70, 100}, {7, 64, 33}, {29, 17, 64}, {3, 130, 259},
                                      {8, 40, 192}, {12, 9, 66}, {1, 24, 512}, {0, 5, 7}, {37, 33, 130}};
    for (int precision = SLM_WEIGHTS_F32; precision <= SLM_WEIGHTS_INT6; precision++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (is_offered(precision, cases[i][2])) check(precision, cases[i][0], cases[i][1], cases[i][2]);
        for (size_t i = 0; is_int(precision) && i < sizeof cases / sizeof *cases; i++)
            check_input_scales(precision, cases[i][0], cases[i][1], cases[i][2]);
        if (is_offered(precision, 130)) check_rows_alone(precision, 130);
        if (is_offered(precision, 192)) check_rows_alone(precision, 192);
        if (is_offered(precision, 64)) check_special_values(precision);
    }
    if (kernels->has_native_bf16) check_compression();
    check_extreme_codes(SLM_WEIGHTS_INT8);
    check_extreme_codes(SLM_WEIGHTS_INT4);
    check_extreme_codes(SLM_WEIGHTS_INT6);
}
