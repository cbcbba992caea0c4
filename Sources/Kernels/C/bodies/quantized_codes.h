// Access to single weights: quantized weights row by row, as files store them, and embedding lookup in packed weights. A row of int8 is a
// byte for each weight, and a scale for each group beside it; rows of int4 and int6 hold their scales: affine_weights.h.

static inline size_t int8_groups(size_t I) { return groups_in(SLM_WEIGHTS_INT8, I); }

// Packs panels p0 ..< p1 of int8; `codes` and `scales` hold all rows. Codes of outputs and inputs that do not exist are 0.
static void weights_pack_codes(const uint8_t *codes, const float *scales, size_t O, size_t I, size_t p0, size_t p1, void *panels) {
    for (size_t p = p0; p < p1; p++) {
        char *to = (char *)panels + p * panel_bytes(SLM_WEIGHTS_INT8, I);
        const size_t o0 = p * P, lanes = min_size(P, O - o0);
        if (lanes < P) memset(to, 0, panel_bytes(SLM_WEIGHTS_INT8, I));
        for (size_t g = 0; g < int8_groups(I); g++, to += group_bytes(SLM_WEIGHTS_INT8)) {
            uint32_t *quads = (uint32_t *)(to + 2 * P);
            for (size_t lane = 0; lane < lanes; lane++) {
                const size_t o = o0 + lane;
                ((bf16 *)to)[lane] = narrow1(scales[o * int8_groups(I) + g]);
                uint32_t four[QUADS] = {0};
                memcpy(four, codes + o * I + g * GROUP, min_size(GROUP, I - g * GROUP));
                for (size_t q = 0; q < QUADS; q++) quads[q * P + lane] = four[q];
            }
        }
    }
}

// Packs a panel from the rows of a file.
static void weights_pack_rows(int precision, const void *const *rows, size_t count, size_t I, void *panel) {
    if (is_affine(precision)) pack_affine(precision, rows, count, I, panel); else pack_blocks(precision, rows, count, I, panel);
}

// Quantizes weights x [I][P], filled up with zeros to whole groups, to `count` rows of int8. With `factor`, later inputs make up for the
// errors of earlier ones, and x is overwritten.
static void quantize_int8(float *x, size_t I, const float *factor, size_t count, uint8_t *codes, float *scales) {
    float steps[GROUP * P], errors[GROUP * P], lanes[P];
    const size_t groups = int8_groups(I);
    for (size_t g = 0; g < groups; g++) {
        float *group = x + g * GROUP * P;
        const size_t inputs = min_size(GROUP, I - g * GROUP);
        for (size_t v = 0; v < P; v += W) {
            const vf scale = int8_scale(group + v, inputs), inverse = inverse_of(scale);
            store(lanes + v, scale);
            for (size_t i = 0; i < inputs; i++) {
                const vf value = load(group + i * P + v);
                // Weights that make up for errors may exceed the group's largest one.
                const vf q = vmax(vmin(round_to_float(value * inverse), splat(127)), splat(-127));
                store(steps + i * P + v, q);
                if (!factor) continue;
                const float *row = factor + (g * GROUP + i) * I + g * GROUP;
                const vf error = (value - q * scale) * splat(1 / row[i]);
                store(errors + i * P + v, error);
                for (size_t j = i + 1; j < inputs; j++) store(group + j * P + v, load(group + j * P + v) - error * splat(row[j]));
            }
        }
        if (factor && inputs == GROUP) spread_errors(x, errors, factor, I, g * GROUP, GROUP, (g + 1) * GROUP, I);
        for (size_t lane = 0; lane < count; lane++) {
            scales[lane * groups + g] = lanes[lane];
            for (size_t i = 0; i < inputs; i++) codes[lane * I + g * GROUP + i] = (uint8_t)((int)steps[i * P + lane] + 128);
        }
    }
}

// Quantizes `count` ≤ P rows of weights in f32 to rows of a file.
static void weights_quantize(int precision, const float *w, size_t count, size_t I, const float *input_scales, const float *factor,
                             const float *importance, uint8_t *rows, float *scales, void *scratch) {
    float *x = scratch;
    load_weights(w, SLM_F32, I, 0, count, I, input_scales, x);
    if (precision == SLM_WEIGHTS_INT8) {
        quantize_int8(x, I, factor, count, rows, scales);
        return;
    }
    uint8_t *all = (uint8_t *)scratch + f32_panel_bytes(I);
    quantize_rows(precision, x, I, factor, importance, all);
    memcpy(rows, all, count * quantized_row_bytes(precision, I));
}

// w[at + i] = the weights that the `count` ≤ GROUP codes of a group of int8 stand for.
INLINE void dequantize_group(const uint8_t *codes, size_t count, float scale, const float *input_scales, void *w, int type, size_t at) {
    size_t i = 0;
    for (; i + W <= count; i += W) {
        const vb steps = *(const vb_any *)(codes + i) ^ (int8_t)-128;
        vf x = __builtin_convertvector(__builtin_convertvector(steps, vi), vf) * splat(scale);
        if (input_scales) x *= load(input_scales + i);
        put(w, type, at + i, x);
    }
    for (; i < count; i++) put1(w, type, at + i, (float)(codes[i] - 128) * scale * (input_scales ? input_scales[i] : 1));
}

INLINE void dequantize_as(int precision, const uint8_t *codes, const float *scales, const float *input_scales, size_t N, size_t I,
                          size_t first, size_t columns, void *w, int type) {
    if (precision == SLM_WEIGHTS_INT8) {
        codes += first, scales += first / GROUP;
        for (size_t n = 0; n < N; n++, codes += I, scales += int8_groups(I))
            for (size_t g = 0, i = 0; i < columns; g++, i += GROUP)
                dequantize_group(codes + i, min_size(GROUP, columns - i), scales[g], input_scales ? input_scales + first + i : NULL, w,
                                 type, n * columns + i);
        return;
    }
    const size_t bytes = affine_group_bytes(precision);
    for (size_t n = 0; n < N; n++, codes += affine_row_bytes(precision, I)) {
        float d;
        memcpy(&d, codes, 4);
        const uint8_t *group = codes + 4 + first / SMALL_GROUP * bytes;
        for (size_t i = 0; i < columns; i += SMALL_GROUP, group += bytes)
            dequantize_affine_group(precision, group, d, min_size(SMALL_GROUP, columns - i), input_scales ? input_scales + first + i : NULL,
                                    w, type, n * columns + i);
    }
}

// w [N,columns] = columns first ..< first + columns of the weights that N rows stand for. `first` is a multiple of GROUP.
static void weights_dequantize(int precision, const uint8_t *codes, const float *scales, const float *input_scales, size_t N, size_t I,
                               size_t first, size_t columns, void *w, int type) {
#define AS(format, type) dequantize_as(SLM_WEIGHTS_##format, codes, scales, input_scales, N, I, first, columns, w, type)
#define CASE(format) case SLM_WEIGHTS_##format: if (type == SLM_F32) AS(format, SLM_F32); else AS(format, SLM_BF16); break;
    switch (precision) { CASE(INT8) CASE(INT6) CASE(INT4) }
#undef CASE
#undef AS
}

// The code of input i of a group, of output `lane` of a panel; its level if codes are indices of levels.
static inline int quantized_code_at(int precision, const uint8_t *group, size_t lane, size_t i) {
    const size_t q = i / 4, j = i % 4;
    const uint8_t *words = group + scale_bytes(precision), *codes = words + 4 * lane + j;
    if (has_bytes(precision)) return codes[4 * q * P];
    if (code_bits(precision) < 4) {
        const int low = *codes >> (2 * q) & 3;
        uint16_t third = 0;
        if (code_bits(precision) == 3) memcpy(&third, words + 4 * P + 2 * lane, 2);
        return low | (third >> (4 * j + q) & 1) << 2;
    }
    const int low = codes[4 * (q / 2) * P] >> (4 * (q % 2)) & 15;
    const uint8_t *upper = codes + 4 * (group_of(precision) / 8) * P;
    switch (code_bits(precision)) {
    case 5: return low | (*upper >> q & 1) << 4;
    case 6: return low | (upper[4 * (q / 4) * P] >> (2 * (q % 4)) & 3) << 4;
    default: return has_levels(precision) ? levels_of(precision)[low] : low;
    }
}

// Weight i of output `lane` of a panel of quantized weights, without the scale of its input. Blocks of llama.cpp give the bits of
// stored_numbers.h.
static inline float quantized_weight_at(int precision, const char *panel, size_t lane, size_t i) {
#pragma clang fp contract(off)
    const size_t g = i / group_of(precision);
    const uint8_t *block = (const uint8_t *)block_at(precision, panel, g), *group = (const uint8_t *)group_at(precision, panel, g);
    const int code = quantized_code_at(precision, group, lane, i % group_of(precision));
    const float level = (float)(code - code_zero(precision));
    if (precision == SLM_WEIGHTS_INT8) return level * widen1(((const bf16 *)(const void *)group)[lane]);
    if (is_affine(precision)) {
#pragma clang fp contract(on)
        const float scale = ((const float *)panel)[lane] * (float)group[lane];
        return level * scale - scale * (float)group[P + lane] * minimum_unit(precision);
    }
    if (has_f16_scales(precision))
        return level * f16_at(group + 2 * lane) + (has_f16_minimum(precision) ? f16_at(group + 2 * P + 2 * lane) : -0.0f);
    if (has_exponents(precision)) return level * power_of_two(group[lane]);
    const float d = f16_at(block + 2 * lane);
    if (has_signed_scales(precision)) return d * (float)(int8_t)group[lane] * level;
    const float m = f16_at(block + 2 * P + 2 * lane);
    if (precision == SLM_WEIGHTS_Q2_K) return d * (float)(group[lane] & 15) * level - m * (float)(group[lane] >> 4);
    return d * (float)group[lane] * level - m * (float)group[P + lane];
}

// y[n] = row ids[n] of packed weights (+ more[n]).
static void weights_lookup(int precision, const void *panels, size_t I, const float *input_scales, const int32_t *ids, const float *more,
                           float *y, size_t N) {
    for (size_t n = 0; n < N; n++, y += I, more = more ? more + I : NULL) {
        const size_t lane = (size_t)ids[n] % P;
        const char *panel = (const char *)panels + (size_t)ids[n] / P * panel_bytes(precision, I);
        if (precision == SLM_WEIGHTS_BF12) {
            bf12_row(panel, I, lane, y);
            for (size_t i = 0; more && i < I; i++) y[i] += more[i];
            continue;
        }
        for (size_t i = 0; i < I; i++) {
            float x;
            if (precision == SLM_WEIGHTS_F32) x = ((const float *)panel)[i * P + lane];
            else if (precision == SLM_WEIGHTS_BF16) x = widen1(((const bf16 *)panel)[2 * (i / 2 * P + lane) + i % 2]);
            else {
                x = quantized_weight_at(precision, panel, lane, i);
                if (input_scales) x *= input_scales[i];
            }
            y[i] = more ? x + more[i] : x;
        }
    }
}
