// Weights for inference, packed once and read many times. Inference multiplies few rows and reads every weight once per step, so speed
// depends on how few bytes a weight takes, and on reading them sequentially.
//
//   A panel holds P outputs with all their inputs:
//     f32    [I][P] floats
//     bf16   [I/2][P] pairs of neighboring inputs
//     bf12   bf16, losslessly compressed to 12 bits: bf12.h
//     int8   for each group of 64 inputs: [P] scales in bf16, then [16][P] quads of neighboring inputs, each input a byte: its value + 128
//     int4   [P] scales of the outputs in f32, then for each group of 32 inputs: [P] scales and [P] zeros in bytes, then [4][P] words:
//            the low halves of the bytes are the codes of a quad, the high halves those of the next quad: affine_weights.h
//     int6   the same with [2][P] words more: the upper two bits of the codes of four quads
//     Q8_0 … IQ4_XS  the codes and scales of llama.cpp's blocks, unchanged: weight_formats.h
//
// A weight matrix in int8, int6 or int4 may have a scale for each input: the weights of an input are divided by it before they are
// quantized, and multiplied with it in lookups; input rows are multiplied with it before they are quantized.
//
// With quantized weights, input rows are quantized too: each group to ±127 steps of its own scale. Products of bytes are summed exactly,
// in 32 bits; the sum of a group is then scaled and added to the sums of the others. The unsigned codes of formats without minimums are
// too large, which `offset`, in the initial value of a group's sum, corrects.
//
// With int8 and Q8_0, most of the loss would come from inputs that are far larger than the others of their group. If the largest one is
// larger than those of the other quads by LEAST_RATIO, they set the scale, and its quad has two bytes an input: the upper ones, in units of
// 128 steps, are multiplied first, and their sum is multiplied by 128 before the products of the lower bytes are added to it like those of
// the other quads (Documentation/decisions/int8.md).
//
// Every output of every row is summed in one lane, in the order of the inputs (bf16 without bf16 instructions: even and odd inputs in
// sums of their own): its bits do not depend on other rows or on the distribution of panels among threads.

#define P (2 * W)              // outputs of a panel
#define GROUP SLM_GROUP
#define QUADS (GROUP / 4)      // in a group
#define SMALL_GROUP 32         // inputs of a group of int4 and int6, and of most blocks of llama.cpp
#define LARGE_BLOCK 256        // inputs of a block of K-quants and IQ4_XS

// The hardware prefetcher does not look far enough ahead if several rows are multiplied, or bytes are unpacked, between two reads.
// With 12 rows and weights in main memory, software prefetch is 1.6 times as fast in f32 and bf16, and twice as fast in int8.
enum { AHEAD = 12 << 10 };
INLINE void prefetch_ahead(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)((uintptr_t)from + AHEAD + i));
}

#include "bodies/bf12.h"

#ifdef SLM_NATIVE_BF16
#define BF16_ROW_SIZE 2        // bytes of an input in a prepared row
#else
#define BF16_ROW_SIZE 4
#endif

// With SLM_SIGNED_BYTES, both factors of a product of bytes are signed: weights and keys are read minus 128, and need no offset.
#ifdef SLM_NEON
#define SLM_SIGNED_BYTES
#endif
#if defined(SLM_VNNI) || defined(SLM_SIGNED_BYTES)
#define ROW_BYTE_SIZE 1
#else
#define ROW_BYTE_SIZE 2        // bytes are widened to 16 bits, each quad in the order 0 2 1 3, because pairs of 16 bits are multiplied
#endif
// AVX2 and AVX-512 without a dot product of bytes can multiply unsigned and signed bytes, with sums of two products in 16 bits. Those of
// int8 and of levels do not fit. Those of codes of 6 bits do, and of codes of 4 bits the sums of 16 products.
#if ROW_BYTE_SIZE == 2 && (defined(SLM_AVX2) || defined(SLM_AVX512))
#define SLM_BYTE_PAIRS
#endif
#ifdef SLM_SIGNED_BYTES
#define BYTE_OFFSET 0
#else
#define BYTE_OFFSET 128        // by which the bytes of weights and keys are too large
#endif

#include "bodies/weight_formats.h"

// Bytes of an input in a prepared row of quantized numbers.
static inline size_t row_byte_size(int precision) {
#ifdef SLM_BYTE_PAIRS
    if (!has_bytes(precision) && !has_levels(precision)) return 1;
#else
    (void)precision;
#endif
    return ROW_BYTE_SIZE;
}

#ifdef SLM_VNNI
// sum + the products of the four unsigned bytes of each lane of a and the four signed bytes of b.
static inline vi multiply_quads(vi sum, vu a, vi b) {
#if W == 16
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    return (vi)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#endif
}
#elif ROW_BYTE_SIZE == 2
// a.low·b.low + a.high·b.high of the signed 16-bit halves of each lane.
static inline vi multiply_pairs(vi a, vi b) {
#if defined(SLM_AVX512)
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(SLM_AVX2)
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}
#endif

#ifdef SLM_BYTE_PAIRS
// The sums of two neighboring products of the unsigned bytes of a and the signed bytes of b, in 16 bits.
static inline vi multiply_bytes(vu a, vi b) {
#ifdef SLM_AVX512
    return (vi)_mm512_maddubs_epi16((__m512i)a, (__m512i)b);
#else
    return (vi)_mm256_maddubs_epi16((__m256i)a, (__m256i)b);
#endif
}
static inline vi add_halves(vi a, vi b) {                            // of 16 bits
#ifdef SLM_AVX512
    return (vi)_mm512_add_epi16((__m512i)a, (__m512i)b);
#else
    return (vi)_mm256_add_epi16((__m256i)a, (__m256i)b);
#endif
}
static inline vi sum_of_halves(vi a) { return multiply_pairs(a, (vi){0} + 0x00010001); }
#endif

static inline size_t panel_bytes(int precision, size_t I) {
    switch (precision) {
    case SLM_WEIGHTS_F32: return 4 * I * P;
    case SLM_WEIGHTS_BF16: return 4 * units_of(I, SLM_BF16) * P;
    case SLM_WEIGHTS_BF12: return bf12_bytes(I);
    default: return quantized_panel_bytes(precision, I);
    }
}
static size_t weights_bytes(int precision, size_t O, size_t I) { return (O + P - 1) / P * panel_bytes(precision, I); }

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
// Quantizes group g of an input row to bytes, and its largest quad to two bytes an input if that helps.
INLINE void quantize_group_with_uppers(int precision, const float *x, int8_row to, size_t g) {
    const size_t group = group_of(precision), size = row_byte_size(precision);
    vf lanes = {0}, broken = {0};
    for (size_t i = 0; i < group; i += W) lanes = vmax(vabs(load(x + i)), lanes), broken += unless_finite(load(x + i));
    if (sum_lanes(broken) != 0) return quantize_broken_group(precision, to, g);
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
    to.scales[g] = most / 127;
    const vf inverse = splat(most > 0 ? 127 / most : 0);
    char *bytes = to.bytes + g * group * size;
    vi sums = {0};
    for (size_t i = 0; i < group; i += W) {
        const vi steps = round_to_int(load(x + i) * inverse);
        sums += steps;
        put_row_bytes(size, bytes, i, steps);
    }
    put_offset(precision, to, g, sums);
    to.largest[g] = splits ? (int32_t)largest.quad : -1;
    if (!splits) return;
    // Lower and upper bytes, in the order of put_row_bytes.
    for (size_t i = 0; i < 4; i++) {
        const float steps = (x[4 * largest.quad + i] * inverse[0] + 12582912.0f) - 12582912.0f;
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

// Quantizes group g of an input row.
INLINE void quantize_group(int precision, const float *x, size_t count, int8_row to, size_t g) {
    const size_t group = group_of(precision), size = row_byte_size(precision);
    const float most = 127;
    float last_group[GROUP] = {0};
    const float *padded = x;
    if (count < group) memcpy(last_group, x, 4 * count), padded = last_group;
    if (has_uppers(precision)) return quantize_group_with_uppers(precision, padded, to, g);
    vf largest = {0}, broken = {0};
    for (size_t i = 0; i < group; i += W) largest = vmax(vabs(load(padded + i)), largest), broken += unless_finite(load(padded + i));
    if (sum_lanes(broken) != 0) return quantize_broken_group(precision, to, g);
    const float max = max_lanes(largest);
    to.scales[g] = max / most;
    const vf inverse = splat(max > 0 ? most / max : 0);
    vi sums = {0};
    for (size_t i = 0; i < group; i += W) {
        const vi steps = round_to_int(load(padded + i) * inverse);
        sums += steps;
        put_row_bytes(size, to.bytes + g * group * size, i, steps);
    }
    put_offset(precision, to, g, sums);
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
    case SLM_WEIGHTS_IQ4_NL: case SLM_WEIGHTS_IQ4_XS: quantize_row(SLM_WEIGHTS_IQ4_NL, x, I, NULL, row); break;
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

// MARK: Packing

// The scale of a group, rounded up to bf16 so that its largest value stays within 127 steps.
static inline vf scale_of(vf max) { return (vf)(((vu)(max * splat(1.0f / 127)) + 0xffff) & 0xffff0000); }
static inline vf inverse_of(vf scale) { return vselect(vabs(scale) > splat(0), splat(1) / scale, splat(0)); }
static inline void store_scales(uint16_t *to, vf scale) { *(vh_any *)to = __builtin_convertvector((vu)scale >> 16, vh); }

// The scale of `count` weights x [count][P], where a lane is an output; NaN if one of them is not finite.
static inline vf int8_scale(const float *x, size_t count) {
    vf max = {0}, broken = {0};
    for (size_t i = 0; i < count; i++) max = vmax(vabs(load(x + i * P)), max), broken += unless_finite(load(x + i * P));
    return scale_of(max) + broken;
}

// x is [GROUP][P]: a lane is an output.
static inline void pack_group_int8(const float *x, char *to) {
    for (size_t v = 0; v < P; v += W) {
        const vf scale = int8_scale(x + v, GROUP), inverse = inverse_of(scale);
        store_scales((uint16_t *)to + v, scale);
        for (size_t q = 0; q < QUADS; q++) {
            vu quad = {0};
            for (size_t i = 0; i < 4; i++)
                quad |= (vu)(round_to_int(load(x + (4 * q + i) * P + v) * inverse) + 128) << (uint32_t)(8 * i);
            *(vu_any *)(to + 2 * P + 4 * (q * P + v)) = quad;
        }
    }
}

#include "bodies/affine_weights.h"
#include "bodies/quantize.h"

// Bytes of the weights of a panel in f32, filled up with zeros to whole groups.
static inline size_t f32_panel_bytes(size_t I) { return round_up(4 * P * round_up(I, GROUP), 64); }
// For the weights in f32, and for rows as a file stores them.
static size_t weights_pack_scratch(size_t I) {
    const size_t int6 = affine_row_bytes(SLM_WEIGHTS_INT6, I), q6 = quantized_row_bytes(SLM_WEIGHTS_Q6_K, I);
    return f32_panel_bytes(I) + P * (int6 > q6 ? int6 : q6);
}

// x [I][P] = rows o0 ..< o1 of weights, whose rows are `stride` apart, divided by the scales of their inputs.
static inline void load_weights(const void *w, int type, size_t stride, size_t o0, size_t o1, size_t I, const float *input_scales,
                                float *x) {
    const slm_operand rows = {.data = w, .type = type, .outer = stride, .inner = 1};
    pack_plainly((unit *)x, &rows, SLM_F32, P, o0, o1, 0, I);
    memset(x + I * P, 0, 4 * P * (round_up(I, GROUP) - I));
    for (size_t i = 0; input_scales && i < I; i++) {
        const vf inverse = splat(1 / input_scales[i]);
        store(x + i * P, load(x + i * P) * inverse), store(x + i * P + W, load(x + i * P + W) * inverse);
    }
}

// Packs panels p0 ..< p1 of weights [O,I], whose rows are `stride` apart. `scratch` has weights_pack_scratch bytes.
static void weights_pack(int precision, const void *w, int type, size_t stride, size_t O, size_t I, const float *input_scales, size_t p0,
                         size_t p1, void *panels, void *scratch) {
    for (size_t p = p0; p < p1; p++) {
        char *to = (char *)panels + p * panel_bytes(precision, I);
        const size_t o0 = p * P, o1 = min_size(o0 + P, O);
        if (!is_int(precision)) {
            const slm_operand rows = {.data = w, .type = type, .outer = stride, .inner = 1};
            unit *units = precision == SLM_WEIGHTS_BF12 ? scratch : (unit *)to;
            pack_plainly(units, &rows, precision == SLM_WEIGHTS_F32 ? SLM_F32 : SLM_BF16, P, o0, o1, 0, I);
            if (precision == SLM_WEIGHTS_BF12) bf12_pack(units, I, to);
            continue;
        }
        float *x = scratch;
        load_weights(w, type, stride, o0, o1, I, input_scales, x);
        if (!is_affine(precision)) {
            for (size_t g = 0; g < groups_in(precision, I); g++, to += group_bytes(precision)) pack_group_int8(x + g * GROUP * P, to);
            continue;
        }
        uint8_t *rows = (uint8_t *)scratch + f32_panel_bytes(I);
        quantize_rows(precision, x, I, NULL, rows);
        const void *each[P];
        for (size_t lane = 0; lane < P; lane++) each[lane] = rows + lane * affine_row_bytes(precision, I);
        pack_affine(precision, each, o1 - o0, I, to);
    }
}
