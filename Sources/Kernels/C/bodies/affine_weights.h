// Weights in codes of 4 or 6 bits with a scale and a minimum for each group of 32 inputs: quantization, and packing.
//
// A file stores them row by row: the f32 scale d of the output, then for each group
//     scale      a byte c
//     zero       a byte z: the code of weight 0, in fractions of a step
//     words [4]  in byte j of word k, the code of input 8k + j in the low half, and that of input 8k + 4 + j in the high half
//     words [2]  int6 only: in byte j of word k, the upper two bits of the codes of inputs 16k + 4t + j, t = 0 … 3, lowest first
// The code q of a weight stands for d·c·(q − z·2ᵇ/256), b = 4 or 6. The last group of a row is filled up with codes that no input has.

// What a unit of a group's zero stands for, in steps.
static inline float affine_zero_unit(int precision) { return (float)(1 << code_bits(precision)) / 256; }
static inline size_t affine_group_bytes(int precision) { return precision == SLM_WEIGHTS_INT6 ? 26 : 18; }
static size_t affine_row_bytes(int precision, size_t I) { return 4 + groups_in(precision, I) * affine_group_bytes(precision); }

// MARK: Quantization. A lane is an output.

// The steps between the codes of a group, and its lowest weight times −1.
typedef struct { vf scale, minimum; } affine_fit;

static inline vf round_to_float(vf x) {                               // |x| < 2²²
    const vf magic = splat(12582912.0f);
    return (x + magic) - magic;
}
// The codes of weights, as floats.
INLINE vf affine_codes(vf x, vf minimum, vf inverse, float most) {
    return vmax(vmin(round_to_float((x + minimum) * inverse), splat(most)), splat(0));
}

// The squared error of 32 weights [32][P].
INLINE vf affine_error(int precision, const float *x, affine_fit fit) {
    const float most = (float)((1 << code_bits(precision)) - 1);
    const vf inverse = inverse_of(fit.scale);
    vf error = {0};
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        const vf value = load(x + i * P), difference = affine_codes(value, fit.minimum, inverse, most) * fit.scale - fit.minimum - value;
        error += difference * difference;
    }
    return error;
}

// The scale and minimum, of several candidates, with the least squared error of 32 weights [32][P].
INLINE affine_fit fit_group(int precision, const float *x) {
    // By how many steps more, or fewer, the range of the weights is divided than there are codes.
    static const float more[] = {0, -0.9f, -0.7f, -0.5f, -0.3f, 0.2f, 0.4f, -1.2f, -1.6f};
    const int candidates = precision == SLM_WEIGHTS_INT6 ? 3 : (int)(sizeof more / sizeof *more);
    const float most = (float)((1 << code_bits(precision)) - 1);
    vf low = {0}, high = {0};
    for (size_t i = 0; i < SMALL_GROUP; i++) low = vmin(load(x + i * P), low), high = vmax(load(x + i * P), high);
    const vf range = high - low;
    affine_fit best = {range * splat(1 / most), -low};
    vf least_error = affine_error(precision, x, best);
    for (int c = 0; c < candidates; c++) {
        const vf inverse = inverse_of(range * splat(1 / (most + more[c])));
        vf sum_q = {0}, sum_qq = {0}, sum_x = {0}, sum_qx = {0};            // of codes, weights and products
        for (size_t i = 0; i < SMALL_GROUP; i++) {
            const vf value = load(x + i * P), q = affine_codes(value, -low, inverse, most);
            sum_q += q, sum_qq += q * q, sum_x += value, sum_qx += q * value;
        }
        const vf count = splat(SMALL_GROUP), one = inverse_of(count * sum_qq - sum_q * sum_q);
        affine_fit fit = {(count * sum_qx - sum_x * sum_q) * one, -(sum_qq * sum_x - sum_q * sum_qx) * one};
        const vi above = fit.minimum < splat(0);                               // a minimum above 0 has no code
        fit.scale = vselect(above, sum_qx * inverse_of(sum_qq), fit.scale);
        fit.minimum = vselect(above, splat(0), fit.minimum);
        const vf error = affine_error(precision, x, fit);
        const vi better = (error < least_error) & (fit.scale > splat(0));
        best.scale = vselect(better, fit.scale, best.scale);
        best.minimum = vselect(better, fit.minimum, best.minimum);
        least_error = vselect(better, error, least_error);
    }
    return best;
}

// The bytes of a group's scale and zero, as floats, and what they stand for.
typedef struct { vf scale_byte, zero_byte; affine_fit fit; } stored_fit;
INLINE stored_fit stored_as(int precision, affine_fit fit, vf scale_byte, vf unit) {
    const float zero_unit = affine_zero_unit(precision);
    const vf scale = scale_byte * unit;
    const vf zero = vmin(round_to_float(fit.minimum * inverse_of(scale) * splat(1 / zero_unit)), splat(255));
    return (stored_fit){scale_byte, zero, {scale, zero * scale * splat(zero_unit)}};
}
// The better one of the two nearest bytes of a scale.
INLINE stored_fit store_fit(int precision, const float *x, affine_fit fit, vf unit) {
    const vf nearest = vmin(round_to_float(fit.scale * inverse_of(unit)), splat(255));
    const vf above = vmin(nearest + vselect(nearest * unit < fit.scale, splat(1), splat(0)), splat(255));
    const stored_fit a = stored_as(precision, fit, nearest, unit), b = stored_as(precision, fit, above, unit);
    const vi better = affine_error(precision, x, b.fit) < affine_error(precision, x, a.fit);
    return (stored_fit){
        vselect(better, b.scale_byte, a.scale_byte), vselect(better, b.zero_byte, a.zero_byte),
        {vselect(better, b.fit.scale, a.fit.scale), vselect(better, b.fit.minimum, a.fit.minimum)}};
}

// Stores the codes of a group of one output, given as floats `P` apart.
static inline void store_affine_codes(int precision, const float *codes, uint8_t *group) {
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        const uint8_t q = (uint8_t)codes[i * P];
        group[2 + i / 8 * 4 + i % 4] |= (uint8_t)((q & 15) << (i % 8 < 4 ? 0 : 4));
        if (precision == SLM_WEIGHTS_INT6) group[18 + i / 16 * 4 + i % 4] |= (uint8_t)((q >> 4) << (2 * (i / 4 % 4)));
    }
}

// Subtracts from the weights x [j0 ..< j1][P] what the errors [32][P] of group g make up for: GPTQ (Frantar et al. 2022). Row i of
// `factor` [I,I] has the upper Cholesky factor of the inverse Hessian from column i on.
INLINE void spread_errors(float *x, const float *errors, const float *factor, size_t I, size_t g, size_t j0, size_t j1) {
    size_t j = j0;
    for (; j + 4 <= j1; j += 4) {
        vf sum[4][2] = {{{0}}};
        for (size_t i = 0; i < SMALL_GROUP; i++) {
            const float *row = factor + (g * SMALL_GROUP + i) * I + j;
            const vf a = load(errors + i * P), b = load(errors + i * P + W);
            for (size_t k = 0; k < 4; k++) sum[k][0] += splat(row[k]) * a, sum[k][1] += splat(row[k]) * b;
        }
        for (size_t k = 0; k < 4; k++)
            for (size_t v = 0; v < 2; v++) store(x + (j + k) * P + v * W, load(x + (j + k) * P + v * W) - sum[k][v]);
    }
    for (; j < j1; j++)
        for (size_t i = 0; i < SMALL_GROUP; i++)
            for (size_t v = 0; v < P; v += W)
                store(x + j * P + v, load(x + j * P + v) - splat(factor[(g * SMALL_GROUP + i) * I + j]) * load(errors + i * P + v));
}

// Quantizes weights x [I][P], filled up with zeros to whole groups, to rows of a file. With `factor`, later inputs make up for the errors
// of earlier ones, and x is overwritten.
INLINE void quantize_affine_as(int precision, float *x, size_t I, const float *factor, uint8_t *rows) {
    const size_t groups = groups_in(precision, I), row_bytes = affine_row_bytes(precision, I);
    const float most = (float)((1 << code_bits(precision)) - 1);
    float codes[SMALL_GROUP * P], errors[SMALL_GROUP * P], d[P];
    vf largest[2] = {{0}, {0}}, broken[2] = {{0}, {0}};
    for (size_t g = 0; g < groups; g++) {
        for (size_t v = 0; v < 2; v++) {
            const affine_fit fit = fit_group(precision, x + g * SMALL_GROUP * P + v * W);
            largest[v] = vmax(fit.scale, largest[v]);
            for (size_t i = 0; i < SMALL_GROUP; i++) broken[v] += unless_finite(load(x + (g * SMALL_GROUP + i) * P + v * W));
        }
    }
    // Weights that make up for errors may become larger.
    for (size_t v = 0; v < 2; v++) store(d + v * W, largest[v] * splat((factor ? 1.05f : 1.0f) / 255));
    memset(rows, 0, P * row_bytes);
    for (size_t lane = 0; lane < P; lane++) {
        const float stored = d[lane] + broken[lane / W][lane % W];
        memcpy(rows + lane * row_bytes, &stored, 4);
    }
    for (size_t g = 0; g < groups; g++) {
        float *group = x + g * SMALL_GROUP * P;
        const size_t count = min_size(SMALL_GROUP, I - g * SMALL_GROUP);
        for (size_t v = 0; v < 2; v++) {
            const float *lanes = group + v * W;
            const stored_fit best = store_fit(precision, lanes, fit_group(precision, lanes), load(d + v * W));
            const vf scale = best.fit.scale, minimum = best.fit.minimum, inverse = inverse_of(scale);
            float bytes[2 * W];
            store(bytes, best.scale_byte), store(bytes + W, best.zero_byte);
            for (size_t i = 0; i < W; i++) {
                uint8_t *to = rows + (v * W + i) * row_bytes + 4 + g * affine_group_bytes(precision);
                to[0] = (uint8_t)bytes[i], to[1] = (uint8_t)bytes[W + i];
            }
            for (size_t i = 0; i < SMALL_GROUP; i++) {
                const vf value = load(group + i * P + v * W), q = affine_codes(value, minimum, inverse, most);
                store(codes + i * P + v * W, q);
                if (!factor) continue;
                const float *row = factor + (g * SMALL_GROUP + i) * I + g * SMALL_GROUP;
                const vf error = i < count ? (value - (q * scale - minimum)) * splat(1 / row[i]) : splat(0);
                store(errors + i * P + v * W, error);
                for (size_t j = i + 1; j < count; j++) store(group + j * P + v * W, load(group + j * P + v * W) - error * splat(row[j]));
            }
        }
        if (factor && count == SMALL_GROUP) spread_errors(x, errors, factor, I, g, (g + 1) * SMALL_GROUP, I);
        for (size_t lane = 0; lane < P; lane++)
            store_affine_codes(precision, codes + lane, rows + lane * row_bytes + 4 + g * affine_group_bytes(precision));
    }
}
static void quantize_affine(int precision, float *x, size_t I, const float *factor, uint8_t *rows) {
    if (precision == SLM_WEIGHTS_INT6) quantize_affine_as(SLM_WEIGHTS_INT6, x, I, factor, rows);
    else quantize_affine_as(SLM_WEIGHTS_INT4, x, I, factor, rows);
}

// MARK: Packing

// Packs a panel from the rows of a file.
static void pack_affine(int precision, const void *const *rows, size_t count, size_t I, char *panel) {
    const size_t words = affine_group_bytes(precision) / 4;
    if (count < P) memset(panel, 0, panel_bytes(precision, I));
    for (size_t lane = 0; lane < count; lane++) {
        const uint8_t *from = rows[lane];
        memcpy(panel + 4 * lane, from, 4);
        from += 4;
        char *to = panel + header_bytes(precision);
        for (size_t g = 0; g < groups_in(precision, I); g++, from += affine_group_bytes(precision), to += group_bytes(precision)) {
            to[lane] = (char)from[0], to[P + lane] = (char)from[1];
            for (size_t k = 0; k < words; k++) memcpy(to + 2 * P + 4 * (k * P + lane), from + 2 + 4 * k, 4);
        }
    }
}

// The codes of a group, in the order of the inputs.
INLINE void affine_group_codes(int precision, const uint8_t *group, uint8_t *codes) {
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        codes[i] = group[2 + i / 8 * 4 + i % 4] >> (i % 8 < 4 ? 0 : 4) & 15;
        if (precision == SLM_WEIGHTS_INT6) codes[i] |= (uint8_t)((group[18 + i / 16 * 4 + i % 4] >> (2 * (i / 4 % 4)) & 3) << 4);
    }
}

// w[at + i] = the first `count` weights of a group of a row whose scale is d.
INLINE void dequantize_affine_group(int precision, const uint8_t *group, float d, size_t count, const float *input_scales, void *w,
                                    int type, size_t at) {
    uint8_t codes[SMALL_GROUP];
    affine_group_codes(precision, group, codes);
    const float scale = d * (float)group[0], minimum = scale * (float)group[1] * affine_zero_unit(precision);
    float values[SMALL_GROUP];
    for (size_t i = 0; i < SMALL_GROUP; i += W)
        store(values + i, load_bytes(codes + i) * splat(scale) - splat(minimum));
    size_t i = 0;
    for (; i + W <= count; i += W) {
        vf x = load(values + i);
        if (input_scales) x *= load(input_scales + i);
        put(w, type, at + i, x);
    }
    for (; i < count; i++) put1(w, type, at + i, values[i] * (input_scales ? input_scales[i] : 1));
}
