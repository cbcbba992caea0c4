// Access to single weights: quantized weights row by row, as files store them, and embedding lookup in packed weights. A row of int8 is a
// byte for each weight, and a scale for each group beside it; rows of int4 and int6 hold their scales: affine_weights.h.

static inline size_t int8_groups(size_t I) { return groups_in(SLM_WEIGHTS_INT8, I); }

// The byte offset in a panel of the code of input i of output `lane`. In formats of half bytes, `shift` selects the half.
static inline size_t offset_of_code(int precision, size_t lane, size_t i, int *shift) {
    const size_t g = i / group_of(precision), q = i % group_of(precision) / 4, j = i % 4;
    *shift = has_bytes(precision) ? 0 : 4 * (int)(q % 2);
    return header_bytes(precision) + g * group_bytes(precision) + 2 * P + 4 * ((has_bytes(precision) ? q : q / 2) * P + lane) + j;
}
static inline char *group_at(int precision, char *panel, size_t g) {
    return panel + header_bytes(precision) + g * group_bytes(precision);
}

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

// Packs a panel of llama.cpp's blocks: an f16 scale, then 32 signed bytes, or 16 bytes whose low halves are the first 16 codes.
static void pack_blocks(int precision, const void *const *rows, size_t count, size_t I, void *panel) {
    const size_t block = precision == SLM_WEIGHTS_Q8_0 ? 34 : 18;
    if (count < P) memset(panel, 0, panel_bytes(precision, I));
    for (size_t lane = 0; lane < count; lane++) {
        const char *from = rows[lane];
        char *to = panel;
        for (size_t g = 0; g < I / SMALL_GROUP; g++, from += block, to += group_bytes(precision)) {
            memcpy(to + 2 * lane, from, 2);
            char *quads = to + 2 * P + 4 * lane;
            uint32_t four[8] = {0};
            memcpy(four, from + 2, block - 2);
            if (precision == SLM_WEIGHTS_Q8_0) {
                for (size_t q = 0; q < 8; q++) four[q] ^= 0x80808080, memcpy(quads + 4 * q * P, four + q, 4);
                continue;
            }
            // The codes of quad q are the low halves of word q, or the high halves of word q - 4.
            for (size_t q = 0; q < 4; q++) {
                const uint32_t low = four[q % 2 * 2], high = four[q % 2 * 2 + 1], shift = q < 2 ? 0 : 4;
                const uint32_t pair = (low >> shift & 0x0f0f0f0f) | (high >> shift & 0x0f0f0f0f) << 4;
                memcpy(quads + 4 * q * P, &pair, 4);
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
        for (size_t s = 0; factor && inputs == GROUP && s < GROUP / SMALL_GROUP; s++)
            spread_errors(x, errors + s * SMALL_GROUP * P, factor, I, g * GROUP / SMALL_GROUP + s, (g + 1) * GROUP, I);
        for (size_t lane = 0; lane < count; lane++) {
            scales[lane * groups + g] = lanes[lane];
            for (size_t i = 0; i < inputs; i++) codes[lane * I + g * GROUP + i] = (uint8_t)((int)steps[i * P + lane] + 128);
        }
    }
}

// Quantizes `count` ≤ P rows of weights in f32 to rows of int8, int6 or int4.
static void weights_quantize(int precision, const float *w, size_t count, size_t I, const float *input_scales, const float *factor,
                             uint8_t *rows, float *scales, void *scratch) {
    float *x = scratch;
    load_weights(w, SLM_F32, I, 0, count, I, input_scales, x);
    if (precision == SLM_WEIGHTS_INT8) {
        quantize_int8(x, I, factor, count, rows, scales);
        return;
    }
    uint8_t *all = (uint8_t *)scratch + f32_panel_bytes(I);
    quantize_affine(precision, x, I, factor, all);
    memcpy(rows, all, count * affine_row_bytes(precision, I));
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
    const bool is_f32 = type == SLM_F32;
    switch (precision) {
    case SLM_WEIGHTS_INT8:
        if (is_f32) dequantize_as(SLM_WEIGHTS_INT8, codes, scales, input_scales, N, I, first, columns, w, SLM_F32);
        else dequantize_as(SLM_WEIGHTS_INT8, codes, scales, input_scales, N, I, first, columns, w, SLM_BF16);
        break;
    case SLM_WEIGHTS_INT6:
        if (is_f32) dequantize_as(SLM_WEIGHTS_INT6, codes, scales, input_scales, N, I, first, columns, w, SLM_F32);
        else dequantize_as(SLM_WEIGHTS_INT6, codes, scales, input_scales, N, I, first, columns, w, SLM_BF16);
        break;
    default:
        if (is_f32) dequantize_as(SLM_WEIGHTS_INT4, codes, scales, input_scales, N, I, first, columns, w, SLM_F32);
        else dequantize_as(SLM_WEIGHTS_INT4, codes, scales, input_scales, N, I, first, columns, w, SLM_BF16);
    }
}

// Weight i of output `lane` of a panel of quantized weights, without the scale of its input.
static inline float quantized_weight_at(int precision, char *panel, size_t lane, size_t i) {
    int shift;
    const uint8_t byte = ((const uint8_t *)panel)[offset_of_code(precision, lane, i, &shift)];
    char *group = group_at(precision, panel, i / group_of(precision));
    if (is_affine(precision)) {
        int code = byte >> shift & 15;
        if (precision == SLM_WEIGHTS_INT6) {
            const size_t q = i % SMALL_GROUP / 4, word = SMALL_GROUP / 8 + q / 4;
            code |= (((const uint8_t *)group)[2 * P + 4 * (word * P + lane) + i % 4] >> (2 * (q % 4)) & 3) << 4;
        }
        const float d = ((const float *)panel)[lane];
        const float scale = d * (float)(uint8_t)group[lane];
        const float minimum = scale * (float)(uint8_t)group[P + lane] * affine_zero_unit(precision);
        return (float)code * scale - minimum;
    }
    if (!is_block(precision)) return (float)(byte - 128) * widen1(((const bf16 *)group)[lane]);
    const int level = precision == SLM_WEIGHTS_Q8_0 ? byte - 128 : (byte >> shift & 15) - 8;
    return (float)level * f16_at((const uint8_t *)group + 2 * lane);
}

// y[n] = row ids[n] of packed weights (+ more[n]).
static void weights_lookup(int precision, const void *panels, size_t I, const float *input_scales, const int32_t *ids, const float *more,
                           float *y, size_t N) {
    for (size_t n = 0; n < N; n++, y += I, more = more ? more + I : NULL) {
        const size_t lane = (size_t)ids[n] % P;
        char *panel = (char *)panels + (size_t)ids[n] / P * panel_bytes(precision, I);
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
