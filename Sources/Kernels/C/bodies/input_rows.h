// Input rows of packed matmuls: converted to bf16 or quantized to bytes, as the weights are (packed_weights.h).

// The layout of a prepared input row:
//   f32               floats
//   bf16, bf12        bf16; without bf16 instructions floats, rounded to bf16
//   others            [groups] scales, [groups] offsets, for formats with upper bytes [groups] indices and quads of them, then the bytes.
//                     The offset is an integer; of formats with minimums a float: what a unit of a weight's minimum adds to a sum
static size_t weights_input_bytes(int precision, size_t I) {
    if (precision == SLM_WEIGHTS_F32) return round_up(4 * I, 64);
    if (is_bf16(precision)) return round_up(BF16_ROW_SIZE * round_up(I, 2), 64);
    const size_t size = row_byte_size(precision), upper = has_uppers(precision) ? 4 + 4 * size : 0;
    return round_up(groups_in(precision, I) * (8 + upper + group_of(precision) * size), 64);
}
// `largest` has the index of the quad whose upper bytes are in `uppers`, for each group; −1 if none has upper bytes.
typedef struct { float *scales; int32_t *offsets, *largest; char *uppers, *bytes; } int8_row;
static inline int8_row int8_row_at(int precision, const void *row, size_t I) {
    const size_t groups = groups_in(precision, I);
    float *scales = (float *)row;
    int32_t *offsets = (int32_t *)(scales + groups);
    if (!has_uppers(precision)) return (int8_row){scales, offsets, NULL, NULL, (char *)(offsets + groups)};
    char *uppers = (char *)(offsets + 2 * groups);
    return (int8_row){scales, offsets, offsets + groups, uppers, uppers + groups * 4 * row_byte_size(precision)};
}

static inline vi round_to_int(vf x) {                                // |x| < 2²²
    const vf magic = splat(12582912.0f);
    return (vi)(x + magic) - (vi)magic;
}

// Stores W bytes of a row, from byte i on, a multiple of 4: widened to 16 bits if `size` is 2.
static inline void put_row_bytes(size_t size, char *row, size_t i, vi values) {
    if (size == 1) {
        *(vb_any *)(row + i) = __builtin_convertvector(values, vb);
        return;
    }
    quad_u quads[W / 4];
    memcpy(quads, &values, sizeof quads);
    for (size_t q = 0; q < W / 4; q++) {
        const quad_u pairs = (quads[q] & 0xffff) | __builtin_shufflevector(quads[q], quads[q], 2, 3, 2, 3) << 16;
        memcpy(row + 2 * i + 8 * q, &pairs, 8);
    }
}

static inline vf largest_of_quad(vf x) {                             // in each lane
#if W == 16
    x = vmax(x, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    return vmax(x, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
#elif W == 8
    x = vmax(x, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6));
    return vmax(x, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5));
#else
    x = vmax(x, __builtin_shufflevector(x, x, 1, 0, 3, 2));
    return vmax(x, __builtin_shufflevector(x, x, 2, 3, 0, 1));
#endif
}

// The quad of a group with the largest input, that input, and the largest one of the other quads.
typedef struct { size_t quad; float first, second; } largest_inputs;
INLINE largest_inputs find_largest(const float *x, size_t count) {
    vf first = {0}, second = {0};
    vi at = {0};
    for (size_t i = 0; i < count; i += W) {
        const vf most = largest_of_quad(vabs(load(x + i)));
        const vi above = most > first;
        second = vmax(second, vmin(first, most));
        at = above ? (vi){0} + (int32_t)(i / 4) : at;
        first = vselect(above, most, first);
    }
    largest_inputs found = {0, 0, 0};
    for (int lane = 0; lane < W; lane += 4) {
        const float value = first[lane];
        if (value > found.first) {
            found.second = found.first > second[lane] ? found.first : second[lane];
            found.first = value, found.quad = (size_t)at[lane] + (size_t)lane / 4;
        } else {
            found.second = value > found.second ? value : found.second;
            found.second = second[lane] > found.second ? second[lane] : found.second;
        }
    }
    return found;
}

// Makes all products of a group NaN, because one of its inputs is not finite.
static inline void quantize_broken_group(int precision, int8_row to, size_t g) {
    const size_t bytes = group_of(precision) * row_byte_size(precision);
    to.scales[g] = NAN;
    to.offsets[g] = 0;
    memset(to.bytes + g * bytes, 0, bytes);
    if (has_uppers(precision)) to.largest[g] = -1;
    if (has_minimum(precision)) memcpy(to.offsets + g, to.scales + g, 4);
}

static inline void put_offset(int precision, int8_row to, size_t g, vi sums) {
    int32_t sum = 0;
    for (int i = 0; i < W; i++) sum += sums[i];
    if (has_minimum(precision)) {
        const float offset = -minimum_unit(precision) * to.scales[g] * (float)sum;
        memcpy(to.offsets + g, &offset, 4);
    } else to.offsets[g] = -code_offset(precision) * sum;
}

enum { UPPER = 128 };          // steps of the upper bytes of a quad
#define LEAST_RATIO 1.25f      // of the largest input to those of the other quads
// Quantizes group g of an input row to bytes of which `most` has 127 steps. Returns the steps of a unit.
INLINE float quantize_bytes(int precision, const float *x, float most, int8_row to, size_t g) {
    const size_t group = group_of(precision), size = row_byte_size(precision);
    const float inverse = most > 0 ? 127 / most : 0;
    to.scales[g] = most / 127;
    vi sums = {0};
    for (size_t i = 0; i < group; i += W) {
        const vi steps = round_to_int(load(x + i) * splat(inverse));
        sums += steps;
        put_row_bytes(size, to.bytes + g * group * size, i, steps);
    }
    put_offset(precision, to, g, sums);
    return inverse;
}

// The same, and its largest quad to two bytes an input if that helps. `lanes` has the largest input of each lane.
INLINE void quantize_with_uppers(int precision, const float *x, vf lanes, int8_row to, size_t g) {
    const size_t group = group_of(precision), size = row_byte_size(precision);
    largest_inputs largest = {0, max_lanes(lanes), 0};
    // Without the lanes of the largest input's quad, which are those of other quads too, the largest one may be smaller, but not larger.
    largest.second = max_lanes(vselect(largest_of_quad(lanes) < splat(largest.first), lanes, splat(0)));
    bool splits = largest.first > LEAST_RATIO * largest.second;
    if (splits) {
        largest = find_largest(x, group);
        splits = largest.first > LEAST_RATIO * largest.second;
    }
    // The largest input has at most 127 · 128 steps.
    const float most = !splits ? largest.first : largest.second * UPPER > largest.first ? largest.second : largest.first / UPPER;
    const float inverse = quantize_bytes(precision, x, most, to, g);
    to.largest[g] = splits ? (int32_t)largest.quad : -1;
    if (!splits) return;
    // Lower and upper bytes, in the order of put_row_bytes.
    char *bytes = to.bytes + g * group * size;
    for (size_t i = 0; i < 4; i++) {
        const float steps = (x[4 * largest.quad + i] * inverse + 12582912.0f) - 12582912.0f;
        const int32_t upper = steps > -1e6f && steps < 1e6f ? (int32_t)((steps + (steps < 0 ? -64 : 64)) / UPPER) : 0;
        const int32_t lower = steps > -1e6f && steps < 1e6f ? (int32_t)steps - UPPER * upper : 0;
        if (size == 1) {
            bytes[4 * largest.quad + i] = (char)lower, to.uppers[4 * g + i] = (char)upper;
        } else {
            const size_t place = i == 1 ? 2 : i == 2 ? 1 : i;
            ((int16_t *)(void *)(bytes + 8 * largest.quad))[place] = (int16_t)lower;
            ((int16_t *)(void *)(to.uppers + 8 * g))[place] = (int16_t)upper;
        }
    }
}

// Quantizes group g of an input row, of which `count` inputs exist.
INLINE void quantize_group(int precision, const float *x, size_t count, int8_row to, size_t g) {
    const size_t group = group_of(precision);
    float last_group[GROUP] = {0};
    if (count < group) memcpy(last_group, x, 4 * count), x = last_group;
    vf largest = {0}, broken = {0};
    for (size_t i = 0; i < group; i += W) largest = vmax(vabs(load(x + i)), largest), broken += unless_finite(load(x + i));
    if (sum_lanes(broken) != 0) return quantize_broken_group(precision, to, g);
    if (has_uppers(precision)) quantize_with_uppers(precision, x, largest, to, g);
    else quantize_bytes(precision, x, max_lanes(largest), to, g);
}
// The quad of group g of a row that has upper bytes; below 0 if none has.
INLINE int32_t quad_with_uppers(int precision, int8_row first, size_t step, size_t g) {
    return has_uppers(precision) ? *(const int32_t *)((const char *)(first.largest + g) + step) : -1;
}
// What the sum of the products of group g of a row, which is `step` bytes after `first`, begins with.
INLINE vi first_sum(int precision, int8_row first, size_t step, size_t g) {
    return (vi){0} + (has_minimum(precision) ? 0 : *(const int32_t *)((const char *)(first.offsets + g) + step));
}

// Adds the scaled products of group g of a row, which is `step` bytes after `first`, with the weights of vector v.
INLINE vf add_scaled(int precision, vf sum, vi part, int8_row first, size_t step, size_t g, const group_scales *s, size_t v) {
    const vf x = splat(*(const float *)((const char *)(first.scales + g) + step));
    sum += __builtin_convertvector(part, vf) * x * s->scale[v];
    if (has_minimum(precision)) sum += splat(*(const float *)((const char *)(first.offsets + g) + step)) * s->minimum[v];
    return sum;
}

INLINE void quantize_row(int precision, const float *x, size_t I, const float *input_scales, void *row) {
    const int8_row to = int8_row_at(precision, row, I);
    for (size_t g = 0, start = 0; g < groups_in(precision, I); g++, start += group_of(precision)) {
        const float *group = x + start;
        const size_t count = min_size(group_of(precision), I - start);
        float scaled[GROUP];
        if (input_scales) {
            for (size_t i = 0; i < count; i++) scaled[i] = group[i] * input_scales[start + i];
            group = scaled;
        }
        quantize_group(precision, group, count, to, g);
    }
}

static void quantize_row_as(int precision, const float *x, size_t I, const float *input_scales, void *row) {
    switch (precision) {
    case SLM_WEIGHTS_INT8: quantize_row(SLM_WEIGHTS_INT8, x, I, input_scales, row); break;
    case SLM_WEIGHTS_INT6: quantize_row(SLM_WEIGHTS_INT6, x, I, input_scales, row); break;
    case SLM_WEIGHTS_INT4: quantize_row(SLM_WEIGHTS_INT4, x, I, input_scales, row); break;
    case SLM_WEIGHTS_Q8_0: quantize_row(SLM_WEIGHTS_Q8_0, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q4_0: quantize_row(SLM_WEIGHTS_Q4_0, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q4_1: case SLM_WEIGHTS_Q5_1: quantize_row(SLM_WEIGHTS_Q4_1, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q5_0: quantize_row(SLM_WEIGHTS_Q5_0, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q4_K: case SLM_WEIGHTS_Q5_K: quantize_row(SLM_WEIGHTS_Q4_K, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q2_K: quantize_row(SLM_WEIGHTS_Q2_K, x, I, NULL, row); break;
    case SLM_WEIGHTS_Q3_K: quantize_row(SLM_WEIGHTS_Q3_K, x, I, NULL, row); break;
    case SLM_WEIGHTS_IQ4_NL: case SLM_WEIGHTS_IQ4_XS: case SLM_WEIGHTS_MXFP4: quantize_row(SLM_WEIGHTS_IQ4_NL, x, I, NULL, row); break;
    default: quantize_row(SLM_WEIGHTS_Q6_K, x, I, NULL, row);
    }
}

// Converts N rows of x, each I floats, to rows of weights_input_bytes.
static void weights_prepare_input(int precision, const float *x, size_t N, size_t I, const float *input_scales, void *rows) {
    const size_t step = weights_input_bytes(precision, I);
    for (size_t n = 0; n < N; n++, x += I) {
        char *row = (char *)rows + n * step;
        if (precision == SLM_WEIGHTS_F32) memcpy(row, x, 4 * I);
        else if (is_bf16(precision)) {
            size_t i = 0;
#ifdef SLM_NATIVE_BF16
            for (; i + W <= I; i += W) store_bf16((bf16 *)row + i, load(x + i));
            for (; i < round_up(I, 2); i++) ((bf16 *)row)[i] = i < I ? narrow1(x[i]) : 0;
#else
            for (; i + W <= I; i += W) store((float *)row + i, (vf)(round_to_bf16(load(x + i)) & 0xffff0000));
            for (; i < round_up(I, 2); i++) ((float *)row)[i] = i < I ? widen1(narrow1(x[i])) : 0;
#endif
        } else quantize_row_as(precision, x, I, input_scales, row);
    }
}
