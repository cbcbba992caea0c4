// Quantization of weights to rows of a file: rows of int6 and int4 (affine_weights.h), and llama.cpp's blocks (stored_numbers.h). A lane is
// an output. A code q stands for q·scale − minimum; formats without minimums have that of their zero. In formats with levels, q is here a
// level, and not its index.
//
// `importance` is NULL, a constant after inlining, or has a number for each input of a group: how much squared errors of its weights count.

// The steps between the codes of a group, and its lowest weight times −1.
typedef struct { vf scale, minimum; } group_fit;

static inline vf round_to_float(vf x) {                               // |x| < 2²²
    const vf magic = splat(12582912.0f);
    return (x + magic) - magic;
}
static inline float largest_code(int format) { return (float)((1 << code_bits(format)) - 1); }
static inline float level_of(int format, size_t index) { return (float)levels_of(format)[index] - 128; }
// The nearest of 16 ascending levels.
INLINE vf nearest_levels(int format, vf x) {
    vf level = splat(level_of(format, 0));
#pragma clang loop unroll(full)
    for (size_t i = 1; i < 16; i++) {
        const float below = level_of(format, i - 1), above = level_of(format, i);
        level += vselect(x > splat((below + above) / 2), splat(above - below), splat(0));
    }
    return level;
}
INLINE vf indices_of_levels(int format, vf level) {
    vf index = {0};
#pragma clang loop unroll(full)
    for (size_t i = 1; i < 16; i++) index += vselect(level >= splat(level_of(format, i)), splat(1), splat(0));
    return index;
}
// The codes of weights, as floats.
INLINE vf codes_of(int format, vf x, vf minimum, vf inverse) {
    if (has_levels(format)) return nearest_levels(format, x * inverse);
    return vmax(vmin(round_to_float((x + minimum) * inverse), splat(largest_code(format))), splat(0));
}

INLINE vf importance_at(const float *importance, size_t i) { return splat(importance ? importance[i] : 1); }

// The squared error of the weights of a group, [inputs][P].
INLINE vf group_error(int format, const float *x, const float *importance, group_fit fit) {
    const vf inverse = inverse_of(fit.scale);
    vf error = {0};
    for (size_t i = 0; i < group_of(format); i++) {
        const vf value = load(x + i * P);
        const vf difference = codes_of(format, value, fit.minimum, inverse) * fit.scale - fit.minimum - value;
        error += importance_at(importance, i) * difference * difference;
    }
    return error;
}

// The scale and minimum, of several candidates, with the least squared error of the weights of a group.
INLINE group_fit fit_with_minimum(int format, const float *x, const float *importance) {
    // By how many steps more, or fewer, the range of the weights is divided than there are codes.
    static const float more[] = {0, -0.9f, -0.7f, -0.5f, -0.3f, 0.2f, 0.4f, -1.2f, -1.6f};
    const int candidates = code_bits(format) == 6 ? 3 : (int)(sizeof more / sizeof *more);
    const float most = largest_code(format);
    vf low = {0}, high = {0}, count = {0};
    for (size_t i = 0; i < group_of(format); i++) {
        low = vmin(load(x + i * P), low), high = vmax(load(x + i * P), high);
        count += importance_at(importance, i);
    }
    const vf range = high - low;
    group_fit best = {range * splat(1 / most), -low};
    vf least_error = group_error(format, x, importance, best);
    for (int c = 0; c < candidates; c++) {
        const vf inverse = inverse_of(range * splat(1 / (most + more[c])));
        vf sum_q = {0}, sum_qq = {0}, sum_x = {0}, sum_qx = {0};            // of codes, weights and products
        for (size_t i = 0; i < group_of(format); i++) {
            const vf value = load(x + i * P), q = codes_of(format, value, -low, inverse), weight = importance_at(importance, i);
            sum_q += weight * q, sum_qq += weight * q * q, sum_x += weight * value, sum_qx += weight * q * value;
        }
        const vf one = inverse_of(count * sum_qq - sum_q * sum_q);
        group_fit fit = {(count * sum_qx - sum_x * sum_q) * one, -(sum_qq * sum_x - sum_q * sum_qx) * one};
        const vi above = fit.minimum < splat(0);                               // a minimum above 0 has no code
        fit.scale = vselect(above, sum_qx * inverse_of(sum_qq), fit.scale);
        fit.minimum = vselect(above, splat(0), fit.minimum);
        const vf error = group_error(format, x, importance, fit);
        const vi better = (error < least_error) & (fit.scale > splat(0));
        best.scale = vselect(better, fit.scale, best.scale);
        best.minimum = vselect(better, fit.minimum, best.minimum);
        least_error = vselect(better, error, least_error);
    }
    return best;
}

INLINE vf largest_weight(int format, const float *x) {
    vf largest = {0};
    for (size_t i = 0; i < group_of(format); i++) {
        const vf value = load(x + i * P);
        largest = vselect(vabs(value) > vabs(largest), value, largest);
    }
    return largest;
}

// The same without a minimum. The sign of the scale is the one with which the largest weight has the lowest code.
INLINE group_fit fit_around_zero(int format, const float *x, const float *importance) {
    const float zero = (float)code_zero(format);
    const vf largest = largest_weight(format, x);
    vf scale = largest * splat(-1 / zero), least_error = group_error(format, x, importance, (group_fit){scale, scale * splat(zero)});
    for (int c = -8; c <= 8; c += 2) {
        const vf inverse = inverse_of(largest * splat(-1 / (zero + 0.1f * (float)c)));
        vf sum_qq = {0}, sum_qx = {0};
        for (size_t i = 0; i < group_of(format); i++) {
            const vf value = load(x + i * P), q = vmax(vmin(round_to_float(value * inverse), splat(zero - 1)), splat(-zero));
            const vf weight = importance_at(importance, i);
            sum_qq += weight * q * q, sum_qx += weight * q * value;
        }
        const vf candidate = sum_qx * inverse_of(sum_qq);
        const vf error = group_error(format, x, importance, (group_fit){candidate, candidate * splat(zero)});
        const vi better = error < least_error;
        scale = vselect(better, candidate, scale);
        least_error = vselect(better, error, least_error);
    }
    return (group_fit){scale, scale * splat(zero)};
}
// The same for levels. They end at different distances from zero, so that both signs of the scale are tried.
INLINE group_fit fit_levels(int format, const float *x, const float *importance) {
    const vf inverse_of_largest = inverse_of(largest_weight(format, x));
    vf scale = {0}, most_saved = {0};                                  // of Σ importance·x²
    for (int end = 0; end < 2; end++) {
        const float level = level_of(format, end ? 15 : 0);
        for (int c = -3; c <= 3; c++) {
            // The largest weight lies at 0.82 to 1.1 times the level.
            const vf inverse = inverse_of_largest * splat(level * (0.96f + 0.047f * (float)c));
            vf sum_qq = {0}, sum_qx = {0};
            for (size_t i = 0; i < group_of(format); i++) {
                const vf value = load(x + i * P), q = nearest_levels(format, value * inverse), weight = importance_at(importance, i);
                sum_qq += weight * q * q, sum_qx += weight * q * value;
            }
            const vf candidate = sum_qx * inverse_of(sum_qq), saved = candidate * sum_qx;
            const vi better = saved > most_saved;
            scale = vselect(better, candidate, scale);
            most_saved = vselect(better, saved, most_saved);
        }
    }
    return (group_fit){scale, {0}};
}
INLINE group_fit fit_group(int format, const float *x, const float *importance) {
    if (has_levels(format)) return fit_levels(format, x, importance);
    return has_minimum(format) ? fit_with_minimum(format, x, importance) : fit_around_zero(format, x, importance);
}

// The nearest f16.
static uint16_t f16_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);                    // NaN
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);                   // infinite, or rounded to it
    if (magnitude < 0x38800000) {                                                    // subnormal: in units of 2⁻²⁴
        const float units = (float)(x < 0 ? -x : x) * 16777216.0f;
        return (uint16_t)(sign | (uint32_t)((units + 8388608.0f) - 8388608.0f));
    }
    return (uint16_t)(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13));
}
static vf round_to_f16(vf x) {
    vf rounded = {0};
    for (int i = 0; i < W; i++) {
        const uint16_t bits = f16_bits(x[i]);
        rounded[i] = f16_at((const uint8_t *)&bits);
    }
    return rounded;
}

// The bytes of a group's scale and minimum, as floats, and what they stand for.
typedef struct { vf scale_byte, minimum_byte; group_fit fit; } stored_fit;

INLINE stored_fit better_fit(int format, const float *x, const float *importance, stored_fit a, stored_fit b) {
    const vi better = group_error(format, x, importance, b.fit) < group_error(format, x, importance, a.fit);
    return (stored_fit){
        vselect(better, b.scale_byte, a.scale_byte), vselect(better, b.minimum_byte, a.minimum_byte),
        {vselect(better, b.fit.scale, a.fit.scale), vselect(better, b.fit.minimum, a.fit.minimum)}};
}

// The largest byte of a scale, and that of a minimum.
static inline float largest_scale_byte(int format) {
    return is_affine(format) ? 255 : format == SLM_WEIGHTS_Q6_K ? 127 : format == SLM_WEIGHTS_IQ4_XS ? 31 : 63;
}
// IQ4_XS has one more below 0, which the largest scale gets.
static inline float lowest_scale_byte(int format) { return format == SLM_WEIGHTS_IQ4_XS ? -32 : -largest_scale_byte(format); }
// The minimum of formats that store none.
INLINE vf implied_minimum(int format, vf scale) { return has_levels(format) ? splat(0) : scale * splat((float)code_zero(format)); }

// The fit with a scale of `byte` units, and the nearest minimum, or the one above it.
INLINE stored_fit stored_with(int format, group_fit fit, group_fit unit, vf byte, bool above) {
    const vf scale = byte * unit.scale;
    if (has_signed_scales(format)) return (stored_fit){byte, {0}, {scale, implied_minimum(format, scale)}};
    const vf step = is_affine(format) ? scale * splat(minimum_unit(format)) : unit.minimum, exact = fit.minimum * inverse_of(step);
    vf minimum = round_to_float(exact);
    if (above) minimum += vselect(minimum < exact, splat(1), splat(-1));
    minimum = vmax(vmin(minimum, splat(largest_scale_byte(format))), splat(0));
    return (stored_fit){byte, minimum, {scale, minimum * step}};
}
// The numbers that the file can hold with which a group has the least error.
INLINE stored_fit store_fit(int format, const float *x, const float *importance, group_fit fit, group_fit unit) {
    if (has_f16_scales(format)) {
        const vf scale = round_to_f16(fit.scale);
        const vf minimum = has_minimum(format) ? round_to_f16(fit.minimum) : implied_minimum(format, scale);
        return (stored_fit){{0}, {0}, {scale, minimum}};
    }
    const vf most = splat(largest_scale_byte(format)), least = splat(lowest_scale_byte(format));
    const vf exact = fit.scale * inverse_of(unit.scale), nearest = vmax(vmin(round_to_float(exact), most), least);
    const vf other = vmax(vmin(nearest + vselect(nearest < exact, splat(1), splat(is_affine(format) ? 0 : -1)), most), least);
    stored_fit best = stored_with(format, fit, unit, nearest, false);
    best = better_fit(format, x, importance, best, stored_with(format, fit, unit, other, false));
    if (!has_blocks(format) || !has_minimum(format)) return best;
    best = better_fit(format, x, importance, best, stored_with(format, fit, unit, nearest, true));
    return better_fit(format, x, importance, best, stored_with(format, fit, unit, vmax(other, splat(0)), true));
}

// MARK: Rows of a file

static size_t quantized_row_bytes(int format, size_t I) {
    switch (format) {
    case SLM_WEIGHTS_INT8: return I;
    case SLM_WEIGHTS_INT6: case SLM_WEIGHTS_INT4: return affine_row_bytes(format, I);
    case SLM_WEIGHTS_Q4_K: return I / LARGE_BLOCK * 144;
    case SLM_WEIGHTS_Q5_K: return I / LARGE_BLOCK * 176;
    case SLM_WEIGHTS_Q6_K: return I / LARGE_BLOCK * 210;
    case SLM_WEIGHTS_Q2_K: return I / LARGE_BLOCK * 84;
    case SLM_WEIGHTS_Q3_K: return I / LARGE_BLOCK * 110;
    case SLM_WEIGHTS_IQ4_XS: return I / LARGE_BLOCK * 136;
    case SLM_WEIGHTS_MXFP4: return I / SMALL_GROUP * 17;
    default: return I / SMALL_GROUP * ((has_f16_minimum(format) ? 4 : 2) + SMALL_GROUP * (size_t)code_bits(format) / 8);
    }
}

// One output of a group: its bytes, what they stand for, and its codes as floats, `P` apart.
typedef struct { uint8_t scale_byte, minimum_byte; float scale, minimum; const float *codes; } output_group;

// Stores group g of a row that was filled with zeros.
static void put_affine_group(int format, output_group o, uint8_t *row, size_t g) {
    uint8_t *group = row + 4 + g * affine_group_bytes(format);
    group[0] = o.scale_byte, group[1] = o.minimum_byte;
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        const uint8_t q = (uint8_t)o.codes[i * P];
        group[2 + i / 8 * 4 + i % 4] |= (uint8_t)((q & 15) << (i % 8 < 4 ? 0 : 4));
        if (format == SLM_WEIGHTS_INT6) group[18 + i / 16 * 4 + i % 4] |= (uint8_t)((q >> 4) << (2 * (i / 4 % 4)));
    }
}
static void put_small_block(int format, output_group o, uint8_t *row, size_t g) {
    uint8_t *block = row + g * quantized_row_bytes(format, SMALL_GROUP), *fifth = block + (has_f16_minimum(format) ? 4 : 2);
    uint8_t *codes = fifth + (code_bits(format) == 5 ? 4 : 0);
    const uint16_t scale = f16_bits(o.scale), minimum = f16_bits(-o.minimum);
    memcpy(block, &scale, 2);
    if (has_f16_minimum(format)) memcpy(block + 2, &minimum, 2);
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        const uint8_t q = (uint8_t)o.codes[i * P];
        codes[i % 16] |= (uint8_t)((q & 15) << (i < 16 ? 0 : 4));
        if (code_bits(format) == 5) fifth[i / 8] |= (uint8_t)((q >> 4) << (i % 8));
    }
}
static void put_k_group(int format, output_group o, uint8_t *row, size_t g) {
    const bool has_fifth = format == SLM_WEIGHTS_Q5_K;
    uint8_t *block = row + g / 8 * (has_fifth ? 176 : 144), *scales = block + 4;
    g %= 8;
    if (g < 4) {
        scales[g] |= o.scale_byte, scales[g + 4] |= o.minimum_byte;
    } else {
        scales[g + 4] |= (uint8_t)((o.scale_byte & 15) | o.minimum_byte << 4);
        scales[g - 4] |= (uint8_t)(o.scale_byte >> 4 << 6);
        scales[g] |= (uint8_t)(o.minimum_byte >> 4 << 6);
    }
    uint8_t *codes = block + (has_fifth ? 48 : 16) + 32 * (g / 2);
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        const uint8_t q = (uint8_t)o.codes[i * P];
        codes[i] |= (uint8_t)((q & 15) << (g % 2 * 4));
        if (has_fifth) block[16 + i] |= (uint8_t)((q >> 4) << g);
    }
}
static void put_q6_group(output_group o, uint8_t *row, size_t g) {
    uint8_t *block = row + g / 16 * 210;
    g %= 16;
    block[192 + g] = o.scale_byte;
    const size_t half = g / 8, line = g % 8 / 2;
    uint8_t *low = block + 64 * half + 32 * (line % 2) + g % 2 * 16, *high = block + 128 + 32 * half + g % 2 * 16;
    for (size_t i = 0; i < 16; i++) {
        const uint8_t q = (uint8_t)o.codes[i * P];
        low[i] |= (uint8_t)((q & 15) << (line < 2 ? 0 : 4));
        high[i] |= (uint8_t)((q >> 4) << (2 * line));
    }
}
static void put_iq4_xs_group(output_group o, uint8_t *row, size_t g) {
    uint8_t *block = row + g / 8 * 136;
    g %= 8;
    const int scale = (int8_t)o.scale_byte + 32;
    block[2 + g / 4] |= (uint8_t)(scale >> 4 << (2 * (g % 4)));
    block[4 + g / 2] |= (uint8_t)((scale & 15) << (4 * (g % 2)));
    for (size_t i = 0; i < SMALL_GROUP; i++) block[8 + 16 * g + i % 16] |= (uint8_t)((uint8_t)o.codes[i * P] << (i < 16 ? 0 : 4));
}
INLINE void put_group(int format, output_group o, uint8_t *row, size_t g) {
    if (is_affine(format)) put_affine_group(format, o, row, g);
    else if (has_f16_scales(format)) put_small_block(format, o, row, g);
    else if (format == SLM_WEIGHTS_Q6_K) put_q6_group(o, row, g);
    else if (format == SLM_WEIGHTS_IQ4_XS) put_iq4_xs_group(o, row, g);
    else put_k_group(format, o, row, g);
}

// The units of the bytes of groups g0 ..< g1, for vector v. Weights that make up for errors may become larger.
INLINE group_fit group_units(int format, const float *x, const float *importance, size_t g0, size_t g1, size_t v, bool grow) {
    vf scale = {0}, minimum = {0};
    for (size_t g = g0; g < g1; g++) {
        const size_t first = g * group_of(format);
        const group_fit fit = fit_group(format, x + first * P + v * W, importance ? importance + first : NULL);
        scale = vselect(vabs(fit.scale) > vabs(scale), fit.scale, scale);
        minimum = vmax(fit.minimum, minimum);
    }
    const vf share = splat((grow ? 1.05f : 1.0f) / (has_levels(format) ? lowest_scale_byte(format) : largest_scale_byte(format)));
    if (is_affine(format)) return (group_fit){scale * share, {0}};
    return (group_fit){round_to_f16(scale * share), round_to_f16(minimum * share)};
}
// Stores the units of a block of 256 inputs, or of an output.
static inline void put_units(int format, float scale, float minimum, uint8_t *row, size_t block) {
    const uint16_t d = f16_bits(scale), m = f16_bits(minimum);
    if (is_affine(format)) memcpy(row, &scale, 4);
    else if (format == SLM_WEIGHTS_Q6_K) memcpy(row + block * 210 + 208, &d, 2);
    else if (format == SLM_WEIGHTS_IQ4_XS) memcpy(row + block * 136, &d, 2);
    else {
        uint8_t *to = row + block * (format == SLM_WEIGHTS_Q5_K ? 176 : 144);
        memcpy(to, &d, 2), memcpy(to + 2, &m, 2);
    }
}

// Subtracts from the weights x [j0 ..< j1][P] what the errors [inputs][P] of some inputs, from `first` on, make up for: GPTQ (Frantar et
// al. 2022). Row i of `factor` [I,I] has the upper Cholesky factor of the inverse Hessian from column i on.
INLINE void spread_errors(float *x, const float *errors, const float *factor, size_t I, size_t first, size_t inputs, size_t j0, size_t j1) {
    size_t j = j0;
    for (; j + 4 <= j1; j += 4) {
        vf sum[4][2] = {{{0}}};
        for (size_t i = 0; i < inputs; i++) {
            const float *row = factor + (first + i) * I + j;
            const vf a = load(errors + i * P), b = load(errors + i * P + W);
            for (size_t k = 0; k < 4; k++) sum[k][0] += splat(row[k]) * a, sum[k][1] += splat(row[k]) * b;
        }
        for (size_t k = 0; k < 4; k++)
            for (size_t v = 0; v < 2; v++) store(x + (j + k) * P + v * W, load(x + (j + k) * P + v * W) - sum[k][v]);
    }
    for (; j < j1; j++)
        for (size_t i = 0; i < inputs; i++)
            for (size_t v = 0; v < P; v += W)
                store(x + j * P + v, load(x + j * P + v) - splat(factor[(first + i) * I + j]) * load(errors + i * P + v));
}

// Quantizes weights x [I][P], filled up with zeros to whole groups, to rows of a file. With `factor`, later inputs make up for the errors
// of earlier ones, and x is overwritten.
INLINE void quantize_rows_as(int format, float *x, size_t I, const float *factor, const float *importance, uint8_t *rows) {
    const size_t size = group_of(format), groups = groups_in(format, I), row_bytes = quantized_row_bytes(format, I);
    const size_t together = has_blocks(format) ? groups_in_block(format) : groups;             // groups with the same units
    float codes[SMALL_GROUP * P], errors[SMALL_GROUP * P];
    group_fit unit[2] = {{{0}, {0}}, {{0}, {0}}};
    memset(rows, 0, P * row_bytes);
    for (size_t g = 0; g < groups; g++) {
        if (!has_f16_scales(format) && g % together == 0) {
            for (size_t v = 0; v < 2; v++) {
                vf broken = {0};
                for (size_t i = g * size; i < (g + together) * size; i++) broken += unless_finite(load(x + i * P + v * W));
                unit[v] = group_units(format, x, importance, g, g + together, v, factor != NULL);
                for (size_t i = 0; i < W; i++)
                    put_units(format, unit[v].scale[i] + broken[i], unit[v].minimum[i], rows + (v * W + i) * row_bytes, g / together);
            }
        }
        float *group = x + g * size * P;
        const float *of_group = importance ? importance + g * size : NULL;
        const size_t count = min_size(size, I - g * size);
        stored_fit best[2];
        for (size_t v = 0; v < 2; v++) {
            best[v] = store_fit(format, group + v * W, of_group, fit_group(format, group + v * W, of_group), unit[v]);
            const vf scale = best[v].fit.scale, minimum = best[v].fit.minimum, inverse = inverse_of(scale);
            for (size_t i = 0; i < size; i++) {
                const vf value = load(group + i * P + v * W), q = codes_of(format, value, minimum, inverse);
                store(codes + i * P + v * W, has_levels(format) ? indices_of_levels(format, q) : q);
                if (!factor) continue;
                const float *row = factor + (g * size + i) * I + g * size;
                const vf error = i < count ? (value - (q * scale - minimum)) * splat(1 / row[i]) : splat(0);
                store(errors + i * P + v * W, error);
                for (size_t j = i + 1; j < count; j++) store(group + j * P + v * W, load(group + j * P + v * W) - error * splat(row[j]));
            }
        }
        if (factor && count == size) spread_errors(x, errors, factor, I, g * size, size, (g + 1) * size, I);
        for (size_t lane = 0; lane < P; lane++) {
            const stored_fit *fit = best + lane / W;
            const size_t i = lane % W;
            const output_group output = {(uint8_t)(int)fit->scale_byte[i], (uint8_t)fit->minimum_byte[i], fit->fit.scale[i],
                                         fit->fit.minimum[i], codes + lane};
            put_group(format, output, rows + lane * row_bytes, g);
        }
    }
}
static void quantize_rows(int format, float *x, size_t I, const float *factor, const float *importance, uint8_t *rows) {
#define CASE(format) \
    case SLM_WEIGHTS_##format: \
        if (importance) quantize_rows_as(SLM_WEIGHTS_##format, x, I, NULL, importance, rows); \
        else quantize_rows_as(SLM_WEIGHTS_##format, x, I, factor, NULL, rows); \
        break;
    switch (format) { CASE(INT6) CASE(INT4) CASE(Q5_0) CASE(Q5_1) CASE(Q4_K) CASE(Q5_K) CASE(Q6_K) CASE(IQ4_NL) CASE(IQ4_XS) }
#undef CASE
}
