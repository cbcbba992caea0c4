// Checks of the number formats of GGUF files.
#include "check.h"

typedef struct { int format, layout; size_t count, size, scales[2]; } stored_format;
// Numbers and bytes of a block, and where the upper bytes of its scales are.
static const stored_format formats[] = {
    {SLM_STORED_Q8_0, SLM_WEIGHTS_Q8_0, 32, 34, {1, 1}}, {SLM_STORED_Q4_0, SLM_WEIGHTS_Q4_0, 32, 18, {1, 1}},
    {SLM_STORED_Q4_1, SLM_WEIGHTS_Q4_1, 32, 20, {1, 3}}, {SLM_STORED_Q5_0, SLM_WEIGHTS_Q5_0, 32, 22, {1, 1}},
    {SLM_STORED_Q5_1, SLM_WEIGHTS_Q5_1, 32, 24, {1, 3}}, {SLM_STORED_Q4_K, SLM_WEIGHTS_Q4_K, 256, 144, {1, 3}},
    {SLM_STORED_Q5_K, SLM_WEIGHTS_Q5_K, 256, 176, {1, 3}}, {SLM_STORED_Q6_K, SLM_WEIGHTS_Q6_K, 256, 210, {209, 209}},
    {SLM_STORED_Q2_K, SLM_WEIGHTS_Q2_K, 256, 84, {81, 83}}, {SLM_STORED_Q3_K, SLM_WEIGHTS_Q3_K, 256, 110, {109, 109}},
    {SLM_STORED_IQ4_NL, SLM_WEIGHTS_IQ4_NL, 32, 18, {1, 1}}, {SLM_STORED_IQ4_XS, SLM_WEIGHTS_IQ4_XS, 256, 136, {1, 1}},
    {SLM_STORED_MXFP4, SLM_WEIGHTS_MXFP4, 32, 17, {0, 0}},
    {SLM_STORED_F32, -1, 1, 4, {3, 3}}, {SLM_STORED_F16, -1, 1, 2, {1, 1}},
    {SLM_STORED_BF16, -1, 1, 2, {1, 1}},
};

// Blocks whose scales are ordinary numbers, with random codes or the largest ones.
static uint8_t *blocks(const stored_format *f, size_t numbers_count, bool largest) {
    const size_t n = numbers_count / f->count;
    uint8_t *bytes = make_bytes(n * f->size, 1);
    const float *random = numbers(n * f->size, (unsigned)f->format);
    for (size_t i = 0; i < n * f->size; i++) bytes[i] = largest ? 255 : (uint8_t)(int)(128 + 127 * random[i]);
    for (size_t block = 0; block < n; block++)
        for (int s = 0; s < 2; s++) bytes[block * f->size + f->scales[s]] = (bytes[block * f->size + f->scales[s]] & 0x83) | 0x20;
    return bytes;
}

// Products with blocks that keep their codes and scales, of input rows that are not rounded: whole numbers up to 127, which every 16 inputs
// have, with a larger one in each block of Q8_0, or 127 alone.
static void check_products(const stored_format *f, const uint8_t *bytes, const float *w, size_t N, size_t O, size_t I, bool largest) {
    const size_t P = kernels->weights_panel, panels = (O + P - 1) / P, panel_bytes = kernels->weights_bytes(f->layout, 1, I);
    char *packed = make_bytes(panels * panel_bytes, 64);
    for (size_t p = 0; p < panels; p++) {
        const void *rows[64];
        const size_t count = smaller(P, O - p * P);
        for (size_t lane = 0; lane < count; lane++) rows[lane] = bytes + (p * P + lane) * (I / f->count * f->size);
        kernels->weights_pack_rows(f->layout, rows, count, I, packed + p * panel_bytes);
    }
    float *x = make_bytes(4 * N * I, 4), *y = make_bytes(4 * N * O, 4);
    const float *random = numbers(N * I, 3);
    for (size_t i = 0; i < N * I; i++)
        x[i] = !largest && i % 32 == 5 && f->layout == SLM_WEIGHTS_Q8_0 ? 127 * 99
            : largest || i % 16 == 5 || i % 16 == 12 ? 127 : (float)(int)(100 * random[i]);
    char *rows = make_bytes(N * kernels->weights_input_bytes(f->layout, I), 64);
    kernels->weights_prepare_input(f->layout, x, N, I, NULL, rows);
    const slm_matmul p = {.M = N, .N = O, .K = I, .scale = 1, .c = y, .c_type = SLM_F32, .c_stride = O, .activation = SLM_IDENTITY};
    kernels->packed_matmul(f->layout, &p, packed, rows, 0, panels);
    double *expected = zeros(N * O);
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++) expected[n * O + o] += (double)x[n * I + i] * (double)w[o * I + i];
    expect_close(y, expected, N * O, forward, 0, "blocks of type %d, N %zu, O %zu, I %zu", f->format, N, O, I);
    int32_t *ids = integers(O);
    for (size_t o = 0; o < O; o++) ids[o] = (int32_t)o;
    float *table = make_bytes(4 * O * I, 4);
    kernels->weights_lookup(f->layout, packed, I, NULL, ids, NULL, table, O);
    expect_same(table, w, O * I, "rows of blocks of type %d", f->format);
}

// Weights w [O,I] as blocks, read again.
static float *quantized(const stored_format *f, const float *w, size_t O, size_t I, const float *factor, const float *importance) {
    const size_t P = kernels->weights_panel, row_bytes = kernels->weights_row_bytes(f->layout, I);
    uint8_t *rows = make_bytes(O * row_bytes, 1);
    void *scratch = make_bytes(kernels->weights_pack_scratch(I), 64);
    for (size_t o = 0; o < O; o += P)
        kernels->weights_quantize(f->layout, w + o * I, smaller(P, O - o), I, NULL, factor, importance, rows + o * row_bytes, NULL,
                                  scratch);
    float *found = make_bytes(4 * O * I, 4);
    kernels->read_stored(f->format, rows, O * I, found, SLM_F32);
    return found;
}

// The sum of the squared errors, each multiplied with the importance of its input.
static double weighted_error(const float *found, const float *w, size_t O, size_t I, const float *importance) {
    double sum = 0;
    for (size_t i = 0; i < O * I; i++) sum += (double)importance[i % I] * pow((double)found[i] - (double)w[i], 2);
    return sum;
}

// Rows that are quantized to blocks: no weight is further from its code than the step between codes, errors that later inputs make up for
// (`factor`) leave smaller sums, and weights of important inputs have smaller errors.
static void check_quantized(const stored_format *f, size_t O, size_t I) {
    const float *w = numbers(O * I, 5);
    const size_t row_bytes = kernels->weights_row_bytes(f->layout, I);
    expect(row_bytes == I / f->count * f->size, "a row of type %d has %zu bytes", f->format, row_bytes);
    // Inputs that are equal but for a little: H = 1 + 0.01 on the diagonal, whose inverse has this Cholesky factor.
    float *factor = make_bytes(4 * I * I, 4), *importance = make_bytes(4 * I, 4);
    for (size_t i = 0; i < I; i++) {
        const double rest = (double)(I - i);
        for (size_t j = 0; j < I; j++)
            factor[i * I + j] = (float)(j < i ? 0 : j == i ? sqrt((rest - 1 + 0.01) / (0.01 * (rest + 0.01)))
                                                     : -1 / sqrt(0.01 * (rest + 0.01) * (rest - 1 + 0.01)));
        importance[i] = i % 8 == 3 ? 10 : 0.1f;
    }
    const float *plain = quantized(f, w, O, I, NULL, NULL), *with_factor = quantized(f, w, O, I, factor, NULL);
    const float *with_importance = quantized(f, w, O, I, NULL, importance);
    float largest = 0;
    for (size_t i = 0; i < O * I; i++) largest = fmaxf(largest, fabsf(plain[i] - w[i]));
    const bool has_levels = f->layout == SLM_WEIGHTS_IQ4_NL || f->layout == SLM_WEIGHTS_IQ4_XS;
    const int bits = f->layout == SLM_WEIGHTS_Q4_K || has_levels ? 4 : f->layout == SLM_WEIGHTS_Q6_K ? 6 : 5;
    expect(largest < 2.2f / (float)(1 << bits), "type %d is %g from the weights", f->format, (double)largest);
    double squared[2] = {0, 0};
    for (size_t o = 0; o < O; o++) {
        double difference[2] = {0, 0};
        for (size_t i = o * I; i < (o + 1) * I; i++) {
            difference[0] += (double)plain[i] - (double)w[i];
            difference[1] += (double)with_factor[i] - (double)w[i];
        }
        for (int k = 0; k < 2; k++) squared[k] += difference[k] * difference[k];
    }
    expect(squared[1] < squared[0] / 20, "type %d: errors of %g, %g without a factor", f->format, squared[1], squared[0]);
    const double before = weighted_error(plain, w, O, I, importance), after = weighted_error(with_importance, w, O, I, importance);
    expect(after < 0.6 * before, "type %d: errors of %g, %g without importance", f->format, after, before);
}

void check_blocks(void) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const stored_format *f = formats + i;
        const size_t O = 37, I = 512;
        const uint8_t *bytes = blocks(f, O * I, false), *largest = blocks(f, O * I, true);
        float *w = make_bytes(4 * O * I, 4), *row = make_bytes(4 * I, 4);
        kernels->read_stored(f->format, bytes, O * I, w, SLM_F32);
        kernels->read_stored(f->format, bytes + I / f->count * f->size, I, row, SLM_F32);
        expect_same(row, w + I, I, "a row of type %d", f->format);
        // Plain kernels are the reference: equal bytes are equal numbers on every CPU.
        float *same = make_bytes(4 * O * I, 4);
        slm_kernels_named("plain")->read_stored(f->format, bytes, O * I, same, SLM_F32);
        expect_same(w, same, O * I, "numbers of type %d", f->format);
        // Rounded to bf16, and not a multiple of 256 numbers if a block is smaller.
        const size_t count = O * I - f->count;
        void *narrow = blank(SLM_BF16, count);
        kernels->read_stored(f->format, bytes, count, narrow, SLM_BF16);
        expect_same(loaded(narrow, SLM_BF16, count), rounded_to(SLM_BF16, w, count), count, "bf16 numbers of type %d", f->format);
        if (f->layout >= 0) {
            for (size_t N = 1; N < 50; N += N < 13 ? 4 : 32) check_products(f, bytes, w, N, O, I, false);
            kernels->read_stored(f->format, largest, O * I, w, SLM_F32);
            for (size_t N = 1; N < 50; N += N < 13 ? 4 : 32) check_products(f, largest, w, N, O, I, true);
        }
        const bool has_levels = f->layout == SLM_WEIGHTS_IQ4_NL || f->layout == SLM_WEIGHTS_IQ4_XS;
        if (has_levels || (f->layout >= SLM_WEIGHTS_Q5_0 && f->layout <= SLM_WEIGHTS_Q6_K)) check_quantized(f, O, I);
        release_all();
    }
}
