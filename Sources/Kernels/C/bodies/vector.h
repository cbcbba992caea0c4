// A vector type and the basic operations on it that all kernels are written in.
//
// The including file (kernels_*.c) enables an instruction set and defines W, the floats in a vector of it: the same source is
// compiled for AVX-512, AVX2 and the compiler's baseline.

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Contracts a multiplication and an addition to one FMA where the CPU has it. The compiler does not reorder sums, so that a result
// has the same bits in every build for an instruction set.
#pragma clang fp contract(fast)

typedef float vf __attribute__((ext_vector_type(W)));
typedef int32_t vi __attribute__((ext_vector_type(W)));
typedef uint32_t vu __attribute__((ext_vector_type(W)));
typedef uint16_t vh __attribute__((ext_vector_type(W)));
typedef int8_t vb __attribute__((ext_vector_type(W)));
typedef vb vb_any __attribute__((aligned(1), may_alias));
typedef uint8_t vub __attribute__((ext_vector_type(W)));
typedef vub vub_any __attribute__((aligned(1), may_alias));
typedef vf vf_any __attribute__((aligned(1), may_alias));
typedef vu vu_any __attribute__((aligned(1), may_alias));
typedef vi vi_any __attribute__((aligned(1), may_alias));
typedef vh vh_any __attribute__((aligned(1), may_alias));
typedef uint16_t bf16;

static inline vf load(const float *p) { return *(const vf_any *)p; }
static inline void store(float *p, vf v) { *(vf_any *)p = v; }
static inline vf splat(float x) { return x - (vf){0}; }
static inline vf vselect(vi mask, vf yes, vf no) { return mask ? yes : no; }   // lane by lane
static inline vf vmax(vf a, vf b) { return vselect(a > b, a, b); }             // b where one of them is NaN
static inline vf vmin(vf a, vf b) { return vselect(a < b, a, b); }

// 0, or NaN in lanes that are NaN or infinite. Added to a scale, it keeps a broken number from becoming one that looks sound.
static inline vf unless_finite(vf x) { return x - x; }

// Pairwise, so that the order is the same for every compiler.
static inline float sum_lanes(vf v) {
    float part[W];
    memcpy(part, &v, sizeof part);
    for (int width = W / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) part[i] += part[i + width];
    return part[0];
}

typedef float vf4 __attribute__((ext_vector_type(4)));
static inline vf4 max4(vf4 a, vf4 b) { return a > b ? a : b; }
static inline float max_lanes(vf v) {
#if W == 16
    const vf4 a = max4(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7));
    const vf4 x = max4(a, max4(__builtin_shufflevector(v, v, 8, 9, 10, 11), __builtin_shufflevector(v, v, 12, 13, 14, 15)));
#elif W == 8
    const vf4 x = max4(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7));
#else
    const vf4 x = v;
#endif
    const vf4 y = max4(x, __builtin_shufflevector(x, x, 2, 3, 0, 1)), z = max4(y, __builtin_shufflevector(y, y, 1, 0, 3, 2));
    return z[0];
}

// A bf16 is the upper half of an f32.
static inline vf widen(vh h) { return (vf)(__builtin_convertvector(h, vu) << 16); }
static inline float widen1(bf16 h) {
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

// The f16 in two bytes.
static inline float f16_at(const uint8_t *p) {
    // The exponent is moved by a multiplication, which is exact; numbers without a leading 1 by a subtraction.
    const uint32_t w = ((uint32_t)p[0] | (uint32_t)p[1] << 8) << 16, twice = w + w;
    const uint32_t normal_bits = (twice >> 4) + 0x70000000u, small_bits = (twice >> 17) | 0x3f000000u;
    float normal, small;
    memcpy(&normal, &normal_bits, 4);
    memcpy(&small, &small_bits, 4);
    normal *= 0x1.0p-112f;
    small -= 0.5f;
    uint32_t a, b;
    memcpy(&a, &normal, 4);
    memcpy(&b, &small, 4);
    const uint32_t bits = (w & 0x80000000u) | (twice < 0x08000000u ? b : a);
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

// Rounds each float to the nearest bf16, ties to even, and leaves it in the upper 16 bits; the lower 16 are undefined.
// NaN stays NaN: rounding alone could carry over into infinity.
static inline vu round_to_bf16(vf x) {
    vu bits = (vu)x;
    vu rounded = bits + 0x7fff + ((bits >> 16) & 1);
    vu nan = (vu)(x != x);
    return (nan & (bits | 0x00400000)) | (~nan & rounded);
}
static inline bf16 narrow1(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (x != x) return (bf16)((bits >> 16) | 0x0040);
    return (bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
static inline vh narrow(vf x) { return (vh)vcvt_bf16_f32((float32x4_t)x); }
#elif defined(SLM_NATIVE_BF16)
static inline vh narrow(vf x) { return (vh)_mm512_cvtneps_pbh((__m512)x); }
#else
static inline vh narrow(vf x) { return __builtin_convertvector(round_to_bf16(x) >> 16, vh); }
#endif

// Rounds two vectors to pairs of bf16 in 32-bit units. A pair is element i of both vectors …
static inline vu pair_across(vf low, vf high) {
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    return (vu)__builtin_shufflevector(narrow(low), narrow(high), 0, 4, 1, 5, 2, 6, 3, 7);
#elif defined(SLM_NATIVE_BF16)
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                           23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (vu)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
#else
    return round_to_bf16(low) >> 16 | (round_to_bf16(high) & 0xffff0000);
#endif
}
// … or two neighbors of one vector.
static inline vu pair_along(vf first, vf second) {
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    return (vu)vcvtq_high_bf16_f32(vcvtq_low_bf16_f32((float32x4_t)first), (float32x4_t)second);
#elif defined(SLM_NATIVE_BF16)
    return (vu)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
#else
    const vu a = round_to_bf16(first), b = round_to_bf16(second);
#if W == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif W == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#endif
    return __builtin_shufflevector(a, b, EVEN) >> 16 | (__builtin_shufflevector(a, b, ODD) & 0xffff0000);
#endif
}

// Shuffles within every 128 bits: INTERLEAVE(0) alternates the lower two elements of a and b, INTERLEAVE(2) the upper two;
// HALVES(0) concatenates the lower halves of a and b, HALVES(2) the upper ones.
#if W == 16
#define INTERLEAVE(i) i, 16 + i, i + 1, 17 + i, i + 4, 20 + i, i + 5, 21 + i, i + 8, 24 + i, i + 9, 25 + i, i + 12, 28 + i, i + 13, 29 + i
#define HALVES(i) i, i + 1, 16 + i, 17 + i, i + 4, i + 5, 20 + i, 21 + i, i + 8, i + 9, 24 + i, 25 + i, i + 12, i + 13, 28 + i, 29 + i
#elif W == 8
#define INTERLEAVE(i) i, 8 + i, i + 1, 9 + i, i + 4, 12 + i, i + 5, 13 + i
#define HALVES(i) i, i + 1, 8 + i, 9 + i, i + 4, i + 5, 12 + i, 13 + i
#else
#define INTERLEAVE(i) i, 4 + i, i + 1, 5 + i
#define HALVES(i) i, i + 1, 4 + i, 5 + i
#endif

static inline vf load_bf16(const bf16 *p) { return widen(*(const vh_any *)p); }
static inline void store_bf16(bf16 *p, vf v) { *(vh_any *)p = narrow(v); }

// The first `count` ≤ W elements; the other lanes are 0.
static inline vf load_first(const float *p, size_t count) {
    if (count == W) return load(p);
    vf v = {0};
    memcpy(&v, p, 4 * count);
    return v;
}
static inline void store_first(float *p, vf v, size_t count) {
    if (count == W) store(p, v); else memcpy(p, &v, 4 * count);
}

// Loads and stores elements of either type. `type` is a constant after inlining.
static inline vf get(const void *p, int type, size_t i) {
    return type == SLM_F32 ? load((const float *)p + i) : load_bf16((const bf16 *)p + i);
}
static inline void put(void *p, int type, size_t i, vf v) {
    if (type == SLM_F32) store((float *)p + i, v); else store_bf16((bf16 *)p + i, v);
}
static inline vf get_first(const void *p, int type, size_t i, size_t count) {
    if (count == W) return get(p, type, i);
    if (type == SLM_F32) return load_first((const float *)p + i, count);
    vh h = {0};
    memcpy(&h, (const bf16 *)p + i, 2 * count);
    return widen(h);
}
static inline void put_first(void *p, int type, size_t i, vf v, size_t count) {
    if (count == W) { put(p, type, i, v); return; }
    if (type == SLM_F32) { store_first((float *)p + i, v, count); return; }
    vh h = narrow(v);
    memcpy((bf16 *)p + i, &h, 2 * count);
}
static inline float get1(const void *p, int type, size_t i) {
    return type == SLM_F32 ? ((const float *)p)[i] : widen1(((const bf16 *)p)[i]);
}
static inline void put1(void *p, int type, size_t i, float v) {
    if (type == SLM_F32) ((float *)p)[i] = v; else ((bf16 *)p)[i] = narrow1(v);
}
