// Weights for inference, packed once and read many times. Inference multiplies few rows and reads every weight once per step, so speed
// depends on how few bytes a weight takes, and on reading them sequentially.
//
//   A panel holds P outputs with all their inputs:
//     f32    [I][P] floats
//     bf16   [I/2][P] pairs of neighboring inputs
//     bf12   bf16, losslessly compressed to 12 bits: bf12.h
//     int8   for each group of 64 inputs: [P] scales in bf16, then [16][P] quads of neighboring inputs, each input a byte: its value + 128
//     int4   the same with [8][P] quads of codes, which are indices in `int4_levels`: the low halves of the bytes are the first quad's
//            codes, the high halves the next quad's
//     Q8_0   like int8, with groups of 32 and scales in f16: llama.cpp's blocks
//     Q4_0   like int4, with groups of 32, scales in f16, and codes that are 8 larger than the weight's steps: llama.cpp's blocks
//
// A weight matrix in int8 or int4 may have a scale for each input: the weights of an input are divided by it before they are quantized,
// and multiplied with it in lookups; input rows are multiplied with it before they are quantized.
//
// With int8, int4, Q8_0 and Q4_0 weights, input rows are quantized too: each group to ±127 steps of its own scale, or to fewer with int4
// (INT4_STEPS). Products of bytes are summed exactly, in 32 bits; the sum of a group is then scaled and added to the sums of the others.
// The unsigned bytes of the weights are 128 too large, which `offset`, the initial value of a group's sum, corrects.
//
// Every output of every row is summed in one lane, in the order of the inputs (bf16 without bf16 instructions: even and odd inputs in
// sums of their own): its bits do not depend on other rows or on the distribution of panels among threads.

#define P (2 * W)              // outputs of a panel
#define GROUP SLM_GROUP
#define QUADS (GROUP / 4)      // in a group
#define GGUF_BLOCK 32               // inputs of a block of llama.cpp

static inline bool is_block(int precision) { return precision == SLM_WEIGHTS_Q8_0 || precision == SLM_WEIGHTS_Q4_0; }
// Whether a code is a byte, not half a byte.
static inline bool has_bytes(int precision) { return precision == SLM_WEIGHTS_INT8 || precision == SLM_WEIGHTS_Q8_0; }

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
// int8 do not fit. Those of int4, whose unsigned levels are at most 232, do if inputs have at most 70 steps: this loses less than the
// weights do, and is 1.35 times as fast as pairs of 16 bits. Of Q4_0, whose codes are at most 15, the sums of 16 products fit.
#if ROW_BYTE_SIZE == 2 && (defined(SLM_AVX2) || defined(SLM_AVX512))
#define SLM_BYTE_PAIRS
#define INT4_STEPS 70
#else
#define INT4_STEPS 127
#endif
// Bytes of an input in a prepared row of int8, int4, Q8_0 or Q4_0.
static inline size_t row_byte_size(int precision) {
#ifdef SLM_BYTE_PAIRS
    if (precision == SLM_WEIGHTS_INT4 || precision == SLM_WEIGHTS_Q4_0) return 1;
#endif
    return ROW_BYTE_SIZE;
}

#ifdef SLM_SIGNED_BYTES
#define BYTE_OFFSET 0
#define SMALL_OFFSET 0
#else
#define BYTE_OFFSET 128        // by which the bytes of weights and keys are too large
#define SMALL_OFFSET 8         // by which the codes of Q4_0 are too large
#endif

// The values of the 16 codes of int4, in units of a group's scale: levels with the least squared error for normally distributed weights.
static const int8_t int4_levels[16] = {-127, -97, -77, -61, -48, -35, -23, -10, 2, 13, 25, 37, 50, 64, 81, 104};

// The scales of a group, for a vector of outputs: f16 in blocks of llama.cpp, else bf16.
INLINE vf load_scales(int precision, const void *from) {
    if (!is_block(precision)) return load_bf16((const bf16 *)from);
#if defined(SLM_AVX512)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif defined(SLM_AVX2)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#elif defined(SLM_NEON)
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)from)));
#else
    vf scales;
    for (size_t i = 0; i < W; i++) scales[i] = f16_at((const uint8_t *)from + 2 * i);
    return scales;
#endif
}

// Maps the code 0 ..< 16 in each byte to its level + 128.
static inline vu levels_of(vu codes) {
#if defined(SLM_AVX512)
    const __m128i levels = _mm_add_epi8(_mm_loadu_si128((const __m128i *)int4_levels), _mm_set1_epi8((char)128));
    return (vu)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), (__m512i)codes);
#elif defined(SLM_AVX2)
    const __m128i levels = _mm_add_epi8(_mm_loadu_si128((const __m128i *)int4_levels), _mm_set1_epi8((char)128));
    return (vu)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), (__m256i)codes);
#else
    uint8_t bytes[4 * W];
    memcpy(bytes, &codes, sizeof bytes);
    for (size_t i = 0; i < 4 * W; i++) bytes[i] = (uint8_t)(int4_levels[bytes[i]] + 128);
    memcpy(&codes, bytes, sizeof bytes);
    return codes;
#endif
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

// Inputs of a group.
static inline size_t group_of(int precision) { return is_block(precision) ? GGUF_BLOCK : GROUP; }
static inline size_t groups_of(size_t I) { return (I + GROUP - 1) / GROUP; }
static inline size_t groups_in(int precision, size_t I) { return is_block(precision) ? I / GGUF_BLOCK : groups_of(I); }
// Bytes of a group's scales and quads, for all outputs of a panel.
static inline size_t group_bytes(int precision) { return P * (2 + group_of(precision) / (has_bytes(precision) ? 1 : 2)); }
static inline size_t panel_bytes(int precision, size_t I) {
    switch (precision) {
    case SLM_WEIGHTS_F32: return 4 * I * P;
    case SLM_WEIGHTS_BF16: return 4 * units_of(I, SLM_BF16) * P;
    case SLM_WEIGHTS_BF12: return bf12_bytes(I);
    default: return groups_in(precision, I) * group_bytes(precision);
    }
}
static size_t weights_bytes(int precision, size_t O, size_t I) { return (O + P - 1) / P * panel_bytes(precision, I); }

// The layout of a prepared input row:
//   f32               floats
//   bf16, bf12        bf16; without bf16 instructions floats, rounded to bf16
//   others            [groups] scales, [groups] offsets, then the bytes
static inline bool is_bf16(int precision) { return precision == SLM_WEIGHTS_BF16 || precision == SLM_WEIGHTS_BF12; }
static inline bool is_int(int precision) {
    return precision == SLM_WEIGHTS_INT8 || precision == SLM_WEIGHTS_INT4 || is_block(precision);
}
static size_t weights_input_bytes(int precision, size_t I) {
    if (precision == SLM_WEIGHTS_F32) return round_up(4 * I, 64);
    if (is_bf16(precision)) return round_up(BF16_ROW_SIZE * round_up(I, 2), 64);
    return round_up(groups_in(precision, I) * (8 + group_of(precision) * row_byte_size(precision)), 64);
}
typedef struct { float *scales; int32_t *offsets; char *bytes; } int8_row;
static inline int8_row int8_row_at(int precision, const void *row, size_t I) {
    float *scales = (float *)row;
    const size_t groups = groups_in(precision, I);
    return (int8_row){scales, (int32_t *)(scales + groups), (char *)(scales + 2 * groups)};
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

// Quantizes group g of an input row. Its offset is what the sum of its products with unsigned codes begins with.
INLINE void quantize_group(int precision, const float *x, size_t count, int8_row to, size_t g) {
    const size_t group = group_of(precision), size = row_byte_size(precision);
    const float most = precision == SLM_WEIGHTS_INT4 ? INT4_STEPS : 127;
    float last_group[GROUP] = {0};
    const float *padded = x;
    if (count < group) memcpy(last_group, x, 4 * count), padded = last_group;
    vf largest = {0};
    for (size_t i = 0; i < group; i += W) largest = vmax(vabs(load(padded + i)), largest);
    const float max = max_lanes(largest);
    to.scales[g] = max / most;
    const vf inverse = splat(max > 0 ? most / max : 0);
    vi sums = {0};
    for (size_t i = 0; i < group; i += W) {
        const vi steps = round_to_int(load(padded + i) * inverse);
        sums += steps;
        put_row_bytes(size, to.bytes + g * group * size, i, steps);
    }
    int32_t sum = 0;
    for (int i = 0; i < W; i++) sum += sums[i];
    to.offsets[g] = -(precision == SLM_WEIGHTS_Q4_0 ? SMALL_OFFSET : BYTE_OFFSET) * sum;
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
        } else if (precision == SLM_WEIGHTS_INT8) quantize_row(SLM_WEIGHTS_INT8, x, I, input_scales, row);
        else if (precision == SLM_WEIGHTS_INT4) quantize_row(SLM_WEIGHTS_INT4, x, I, input_scales, row);
        else if (precision == SLM_WEIGHTS_Q8_0) quantize_row(SLM_WEIGHTS_Q8_0, x, I, NULL, row);
        else quantize_row(SLM_WEIGHTS_Q4_0, x, I, NULL, row);
    }
}

// MARK: Packing

// The scale of a group, rounded up to bf16 so that its largest value stays within 127 steps.
static inline vf scale_of(vf max) { return (vf)(((vu)(max * splat(1.0f / 127)) + 0xffff) & 0xffff0000); }
static inline vf inverse_of(vf scale) { return vselect(vabs(scale) > splat(0), splat(1) / scale, splat(0)); }
static inline void store_scales(uint16_t *to, vf scale) { *(vh_any *)to = __builtin_convertvector((vu)scale >> 16, vh); }

// x is [GROUP][P]: a lane is an output.
static inline void pack_group_int8(const float *x, char *to) {
    for (size_t v = 0; v < P; v += W) {
        vf max = {0};
        for (size_t i = 0; i < GROUP; i++) max = vmax(vabs(load(x + i * P + v)), max);
        const vf scale = scale_of(max), inverse = inverse_of(scale);
        store_scales((uint16_t *)to + v, scale);
        for (size_t q = 0; q < QUADS; q++) {
            vu quad = {0};
            for (size_t i = 0; i < 4; i++)
                quad |= (vu)(round_to_int(load(x + (4 * q + i) * P + v) * inverse) + 128) << (uint32_t)(8 * i);
            *(vu_any *)(to + 2 * P + 4 * (q * P + v)) = quad;
        }
    }
}

// The code of the level that is nearest to each x; *value is that level.
static inline vi nearest_code(vf x, vf *value) {
    vi code = {0};
    vf level = splat(int4_levels[0]);
    for (int i = 1; i < 16; i++) {
        const vi above = x > splat(0.5f * (float)(int4_levels[i - 1] + int4_levels[i]));
        code -= above;
        level = vselect(above, splat(int4_levels[i]), level);
    }
    *value = level;
    return code;
}

// The scale, of several candidates, with the least squared error of the quantized weights.
static inline vf best_int4_scale(const float *x, size_t v) {
    vf max = {0}, extreme = {0};
    for (size_t i = 0; i < GROUP; i++) {
        const vf w = load(x + i * P + v);
        extreme = vselect(vabs(w) > max, w, extreme);
        max = vmax(vabs(w), max);
    }
    vf best = {0}, least_error = splat(INFINITY);
    // Candidates map the weight of the largest magnitude to the lowest level or to the highest one, or a little beyond it, which gives
    // the other weights finer steps.
    static const float reach[] = {1.0f, 0.94f, 0.88f, 0.82f, 0.76f, -1.0f, -0.94f, -0.88f, -0.82f};
    for (size_t c = 0; c < sizeof reach / sizeof *reach; c++) {
        const float end = reach[c] > 0 ? int4_levels[0] : -int4_levels[15];
        const vf scale = (vf)(((vu)(extreme * splat(reach[c] / end)) + 0x8000) & 0xffff0000);
        const vf inverse = inverse_of(scale);
        vf error = {0};
        for (size_t i = 0; i < GROUP; i++) {
            const vf w = load(x + i * P + v);
            vf value;
            nearest_code(w * inverse, &value);
            const vf difference = w - value * scale;
            error += difference * difference;
        }
        best = vselect(error < least_error, scale, best);
        least_error = vmin(error, least_error);
    }
    return best;
}

static inline void pack_group_int4(const float *x, char *to) {
    for (size_t v = 0; v < P; v += W) {
        const vf scale = best_int4_scale(x, v), inverse = inverse_of(scale);
        store_scales((uint16_t *)to + v, scale);
        for (size_t q = 0; q < QUADS; q += 2) {
            vu quad = {0};
            for (size_t half = 0; half < 2; half++)
                for (size_t i = 0; i < 4; i++) {
                    vf value;
                    quad |= (vu)nearest_code(load(x + (4 * (q + half) + i) * P + v) * inverse, &value) << (uint32_t)(8 * i + 4 * half);
                }
            *(vu_any *)(to + 2 * P + 4 * (q / 2 * P + v)) = quad;
        }
    }
}

static size_t weights_pack_scratch(size_t I) { return 4 * P * round_up(I, GROUP); }
// Packs panels p0 ..< p1 of weights [O,I], whose rows are `stride` apart. `scratch` has weights_pack_scratch bytes.
static void weights_pack(int precision, const void *w, int type, size_t stride, size_t O, size_t I, const float *input_scales, size_t p0,
                         size_t p1, void *panels, void *scratch) {
    const slm_operand rows = {.data = w, .type = type, .outer = stride, .inner = 1};
    for (size_t p = p0; p < p1; p++) {
        char *to = (char *)panels + p * panel_bytes(precision, I);
        const size_t o0 = p * P, o1 = min_size(o0 + P, O);
        if (!is_int(precision)) {
            unit *units = precision == SLM_WEIGHTS_BF12 ? scratch : (unit *)to;
            pack_plainly(units, &rows, precision == SLM_WEIGHTS_F32 ? SLM_F32 : SLM_BF16, P, o0, o1, 0, I);
            if (precision == SLM_WEIGHTS_BF12) bf12_pack(units, I, to);
            continue;
        }
        float *x = scratch;
        pack_plainly((unit *)x, &rows, SLM_F32, P, o0, o1, 0, I);
        memset(x + I * P, 0, 4 * P * (round_up(I, GROUP) - I));
        for (size_t i = 0; input_scales && i < I; i++) {
            const vf inverse = splat(1 / input_scales[i]);
            store(x + i * P, load(x + i * P) * inverse), store(x + i * P + W, load(x + i * P + W) * inverse);
        }
        for (size_t g = 0; g < groups_of(I); g++, to += group_bytes(precision)) {
            if (precision == SLM_WEIGHTS_INT8) pack_group_int8(x + g * GROUP * P, to); else pack_group_int4(x + g * GROUP * P, to);
        }
    }
}
