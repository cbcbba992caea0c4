// Products with weights that were packed once and are read many times: what answering does. There, rows are few and every weight is read once a
// step, so what counts is how few bytes it takes and that they come in the order in which they are read.
//
//   A panel: P outputs and all their inputs
//     f32    [I][P] floats
//     bf16   [I/2][P] pairs of neighbouring inputs
//     twelve the same in twelve bits each: twelve.h
//     int8   for each group of 64 inputs: [P] scales in bf16, then [16][P] quads of neighbouring inputs, each input a byte: its value + 128
//     int4   the same with [8][P] quads: the low halves of the bytes are the first quad's places in `int4_levels`, the high halves the next quad's
//
// For int8 and int4 a row is rounded, too: in each group to ±127 steps of its own. The products of bytes are summed in 32 bits, exactly; a group's sum is
// then scaled and added to the others'. The unsigned bytes of the weights are 128 too large each: `offset`, where a group's sum begins, takes that off.
//
// Every output of every row is summed in one lane, in the order of the inputs (of `twelve` its exceptions last): its bits do not depend on the other rows, or on how panels are shared out.

#define P (2 * W)
#define GROUP SLM_GROUP
#define QUADS (GROUP / 4)

// The machine guesses what is read next, but not far enough where several rows are multiplied between one read and the next, or where bytes are unpacked: there,
// what is read a little later is asked for. With 12 rows whose weights come from memory that is 1.6 times as fast in f32 and bf16, and twice in int8.
enum { AHEAD = 12 << 10 };
INLINE void ask_ahead(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)((uintptr_t)from + AHEAD + i));
}

#include "bodies/twelve.h"

#ifdef SLM_VNNI
#define ROW_BYTE_SIZE 1
#else
#define ROW_BYTE_SIZE 2        // pairs of 16 bits are multiplied: in each quad in the order 0 2 1 3
#endif

// What four bits stand for, in 1/127 of a group's scale: the levels of the least squared error for weights that are spread normally.
static const int8_t int4_levels[16] = {-127, -97, -77, -61, -48, -35, -23, -10, 2, 13, 25, 37, 50, 64, 81, 104};

// The levels + 128 of the places 0 ..< 16 in each byte.
static inline vu levels_of(vu places) {
#if defined(SLM_AVX512)
    const __m128i levels = _mm_add_epi8(_mm_loadu_si128((const __m128i *)int4_levels), _mm_set1_epi8((char)128));
    return (vu)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), (__m512i)places);
#elif defined(SLM_AVX2)
    const __m128i levels = _mm_add_epi8(_mm_loadu_si128((const __m128i *)int4_levels), _mm_set1_epi8((char)128));
    return (vu)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), (__m256i)places);
#else
    uint8_t bytes[4 * W];
    memcpy(bytes, &places, sizeof bytes);
    for (size_t i = 0; i < 4 * W; i++) bytes[i] = (uint8_t)(int4_levels[bytes[i]] + 128);
    memcpy(&places, bytes, sizeof bytes);
    return places;
#endif
}

#ifndef SLM_VNNI
// The sum of the products of both signed halves.
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

static inline size_t groups_of(size_t I) { return (I + GROUP - 1) / GROUP; }
// Of int8 and int4: a group's scales and its quads, for all outputs of a panel.
static inline size_t group_bytes(int form) { return P * (2 + (form == SLM_WEIGHTS_INT8 ? GROUP : GROUP / 2)); }
static inline size_t panel_bytes(int form, size_t I) {
    switch (form) {
    case SLM_WEIGHTS_F32: return 4 * I * P;
    case SLM_WEIGHTS_BF16: return 4 * ((I + 1) / 2) * P;
    case SLM_WEIGHTS_TWELVE: return twelve_bytes(I);
    default: return groups_of(I) * group_bytes(form);
    }
}
static size_t weights_bytes(int form, size_t O, size_t I) { return (O + P - 1) / P * panel_bytes(form, I); }

// A row as the products read it.
//   f32, bf16   its numbers, and in bf16 those of `twelve`
//   int8, int4  [groups] scales, [groups] offsets, then the bytes
static inline bool is_half(int form) { return form == SLM_WEIGHTS_BF16 || form == SLM_WEIGHTS_TWELVE; }
static inline bool is_int(int form) { return form == SLM_WEIGHTS_INT8 || form == SLM_WEIGHTS_INT4; }
static size_t weights_row_bytes(int form, size_t I) {
    if (form == SLM_WEIGHTS_F32) return round_up(4 * I, 64);
    if (is_half(form)) return round_up(2 * I, 64);
    return round_up(groups_of(I) * (8 + GROUP * ROW_BYTE_SIZE), 64);
}
typedef struct { float *scales; int32_t *offsets; char *bytes; } int_row;
static inline int_row int_row_at(const void *row, size_t I) {
    float *scales = (float *)row;
    return (int_row){scales, (int32_t *)(scales + groups_of(I)), (char *)(scales + 2 * groups_of(I))};
}

static inline vi round_to_int(vf x) {                                // |x| < 2²²
    const vf magic = all(12582912.0f);
    return (vi)(x + magic) - (vi)magic;
}

// Byte i of a row, or the 16 bits that stand for it.
static inline void put_row_byte(char *row, size_t i, int32_t value) {
#ifdef SLM_VNNI
    row[i] = (char)value;
#else
    static const size_t place[4] = {0, 2, 1, 3};
    const int16_t wide = (int16_t)value;
    memcpy(row + 2 * (i / 4 * 4 + place[i % 4]), &wide, 2);
#endif
}

static inline void round_group(const float *x, size_t count, float *scale, int32_t *offset, char *bytes) {
    float rest[GROUP] = {0};
    const float *padded = x;
    if (count < GROUP) memcpy(rest, x, 4 * count), padded = rest;
    vf largest = {0};
    for (size_t i = 0; i < GROUP; i += W) largest = vmax(vabs(load(padded + i)), largest);
    const float most = max_of(largest);
    *scale = most / 127;
    const vf inverse = all(most > 0 ? 127 / most : 0);
    vi sums = {0};
    for (size_t i = 0; i < GROUP; i += W) {
        const vi steps = round_to_int(load(padded + i) * inverse);
        sums += steps;
#ifdef SLM_VNNI
        *(vb_any *)(bytes + i) = __builtin_convertvector(steps, vb);
#else
        for (size_t j = 0; j < W; j++) put_row_byte(bytes, i + j, steps[j]);
#endif
    }
    int32_t sum = 0;
    for (int i = 0; i < W; i++) sum += sums[i];
    *offset = -128 * sum;
}

// N rows of x, each I floats, into rows of weights_row_bytes.
static void weights_rows_prepare(int form, const float *x, size_t N, size_t I, void *rows) {
    const size_t step = weights_row_bytes(form, I);
    for (size_t n = 0; n < N; n++, x += I) {
        char *row = (char *)rows + n * step;
        if (form == SLM_WEIGHTS_F32) memcpy(row, x, 4 * I);
        else if (is_half(form)) {
            size_t i = 0;
            for (; i + W <= I; i += W) store_bf16((bf16 *)row + i, load(x + i));
            for (; i < round_up(I, 2); i++) ((bf16 *)row)[i] = i < I ? narrow1(x[i]) : 0;
        } else {
            const int_row to = int_row_at(row, I);
            for (size_t g = 0; g < groups_of(I); g++)
                round_group(x + g * GROUP, least(GROUP, I - g * GROUP), to.scales + g, to.offsets + g, to.bytes + g * GROUP * ROW_BYTE_SIZE);
        }
    }
}

// MARK: Packing

// The scale of a group in bf16, and no smaller than it has to be for its largest value to stay within 127 steps.
static inline vf scale_of(vf most) { return (vf)(((vu)(most * all(1.0f / 127)) + 0xffff) & 0xffff0000); }
static inline vf inverse_of(vf scale) { return pick(vabs(scale) > all(0), all(1) / scale, all(0)); }
static inline void store_scales(uint16_t *to, vf scale) { *(vh_any *)to = __builtin_convertvector((vu)scale >> 16, vh); }

// `x` is [GROUP][P]: a lane is an output.
static inline void pack_group_int8(const float *x, char *to) {
    for (size_t v = 0; v < P; v += W) {
        vf most = {0};
        for (size_t i = 0; i < GROUP; i++) most = vmax(vabs(load(x + i * P + v)), most);
        const vf scale = scale_of(most), inverse = inverse_of(scale);
        store_scales((uint16_t *)to + v, scale);
        for (size_t q = 0; q < QUADS; q++) {
            vu quad = {0};
            for (size_t i = 0; i < 4; i++)
                quad |= (vu)(round_to_int(load(x + (4 * q + i) * P + v) * inverse) + 128) << (uint32_t)(8 * i);
            *(vu_any *)(to + 2 * P + 4 * (q * P + v)) = quad;
        }
    }
}

// The nearest level of each x, as its place, and what it stands for.
static inline vi nearest_level(vf x, vf *value) {
    vi place = {0};
    vf found = all(int4_levels[0]);
    for (int i = 1; i < 16; i++) {
        const vi above = x > all(0.5f * (float)(int4_levels[i - 1] + int4_levels[i]));
        place -= above;
        found = pick(above, all(int4_levels[i]), found);
    }
    *value = found;
    return place;
}

// Of several scales the one whose rounded weights are nearest to what they were.
static inline vf best_int4_scale(const float *x, size_t v) {
    vf most = {0}, extreme = {0};
    for (size_t i = 0; i < GROUP; i++) {
        const vf w = load(x + i * P + v);
        extreme = pick(vabs(w) > most, w, extreme);
        most = vmax(vabs(w), most);
    }
    vf best = {0}, least_error = all(INFINITY);
    // The outermost weight may lie at the lower end, or at the upper one, or a little beyond: the others then have finer steps.
    static const float reach[] = {1.0f, 0.94f, 0.88f, 0.82f, 0.76f, -1.0f, -0.94f, -0.88f, -0.82f};
    for (size_t c = 0; c < sizeof reach / sizeof *reach; c++) {
        const float end = reach[c] > 0 ? int4_levels[0] : -int4_levels[15];
        const vf scale = (vf)(((vu)(extreme * all(reach[c] / end)) + 0x8000) & 0xffff0000);
        const vf inverse = inverse_of(scale);
        vf error = {0};
        for (size_t i = 0; i < GROUP; i++) {
            const vf w = load(x + i * P + v);
            vf value;
            nearest_level(w * inverse, &value);
            const vf off = w - value * scale;
            error += off * off;
        }
        best = pick(error < least_error, scale, best);
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
                    quad |= (vu)nearest_level(load(x + (4 * (q + half) + i) * P + v) * inverse, &value) << (uint32_t)(8 * i + 4 * half);
                }
            *(vu_any *)(to + 2 * P + 4 * (q / 2 * P + v)) = quad;
        }
    }
}

// Panels p0 ..< p1 of weights [O,I], whose rows are `stride` apart. `scratch` has weights_pack_scratch bytes.
static size_t weights_pack_scratch(size_t I) { return 4 * P * round_up(I, GROUP); }
static void weights_pack(int form, const float *w, size_t stride, size_t O, size_t I, size_t p0, size_t p1, void *panels, void *scratch) {
    const slm_operand rows = {.data = w, .type = SLM_F32, .outer = stride, .inner = 1};
    for (size_t p = p0; p < p1; p++) {
        char *to = (char *)panels + p * panel_bytes(form, I);
        const size_t o0 = p * P, o1 = least(o0 + P, O);
        if (!is_int(form)) {
            unit *units = form == SLM_WEIGHTS_TWELVE ? scratch : (unit *)to;
            pack(units, &rows, form == SLM_WEIGHTS_F32 ? SLM_F32 : SLM_BF16, P, o0, o1, 0, I);
            if (form == SLM_WEIGHTS_TWELVE) pack_twelve(units, I, to);
            continue;
        }
        float *x = scratch;
        pack((unit *)x, &rows, SLM_F32, P, o0, o1, 0, I);
        memset(x + I * P, 0, 4 * P * (round_up(I, GROUP) - I));
        for (size_t g = 0; g < groups_of(I); g++, to += group_bytes(form)) {
            if (form == SLM_WEIGHTS_INT8) pack_group_int8(x + g * GROUP * P, to); else pack_group_int4(x + g * GROUP * P, to);
        }
    }
}
