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
//     Q8_0 … MXFP4   the codes and scales of llama.cpp's blocks, unchanged: weight_formats.h
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

#include "bodies/input_rows.h"

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
        quantize_rows(precision, x, I, NULL, NULL, rows);
        const void *each[P];
        for (size_t lane = 0; lane < P; lane++) each[lane] = rows + lane * affine_row_bytes(precision, I);
        pack_affine(precision, each, o1 - o0, I, to);
    }
}
