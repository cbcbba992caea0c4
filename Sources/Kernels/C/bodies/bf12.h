// bf12: lossless compression of bf16 weights to 12 bits. The 8 bits of an exponent carry little information: nearly all neighboring
// weights have one of 14 consecutive exponents. The upper byte of a bf16 holds the sign and the exponent without its last bit. bf12
// replaces it with a code of 4 bits: the sign, and 1 … 7 for the seven values above a base. Code 0 is the weight 0, or an exception:
// one of the few weights that the panel stores in full in a list. A product has the bits of one with bf16 weights.
//
//   A panel: [I/4] bases, one for two pairs of inputs
//            [I/4] times two pairs: [2P] codes, those of the second pair in the upper halves, and [2][2P] lower bytes
//            the exceptions, at most one in 256 weights, in the order of the pairs of inputs
//   The order of the bytes is that of the two unpack instructions: 16 bytes hold the pairs of outputs o … o + 3 and W + o … W + o + 3.
//
// Only for I that is a multiple of 64, and with native bf16 matmul, where W is 16 (AVX-512) or 4 (NEON).

typedef struct { uint16_t input, output; float value; } exception;
typedef struct { uint64_t count; exception list[]; } exceptions;

#define BYTES_PER_4_INPUTS (6 * P)
#define TOO_MANY_EXCEPTIONS UINT64_MAX
static inline size_t max_exceptions(size_t I) { return I * P / 256; }
static inline size_t bases_bytes(size_t I) { return round_up(I / 4, 64); }
static inline size_t bf12_bytes(size_t I) {
    return bases_bytes(I) + I / 4 * BYTES_PER_4_INPUTS + round_up(sizeof(exceptions) + max_exceptions(I) * sizeof(exception), 64);
}
static inline exceptions *exceptions_of(const char *panel, size_t I) {
    return (exceptions *)(panel + bases_bytes(I) + I / 4 * BYTES_PER_4_INPUTS);
}

// The pair of inputs of the next exception; SIZE_MAX if there is none.
static inline size_t next_pair(const exception *e, const exception *end) { return e < end ? e->input / 2 : SIZE_MAX; }

// Whether no panel has too many exceptions. Otherwise the weights must be packed as bf16.
static bool weights_fit(int precision, const void *panels, size_t O, size_t I) {
    for (size_t p = 0; precision == SLM_WEIGHTS_BF12 && p < (O + P - 1) / P; p++)
        if (exceptions_of((const char *)panels + p * bf12_bytes(I), I)->count == TOO_MANY_EXCEPTIONS) return false;
    return true;
}

#ifdef SLM_NATIVE_BF16
// The bytes of the weights of a pair of inputs.
typedef struct byte_planes byte_planes;
static inline int count_exceptions(uint8_t base, const byte_planes *pairs);
static inline uint8_t largest_below(uint8_t bound, const byte_planes *pairs);

// The base with the fewest exceptions: usually the one that covers the largest upper byte, unless a few weights are much larger
// than the others.
static inline uint8_t best_base(const byte_planes *pairs) {
    uint8_t best = 0, bound = 128;
    int fewest = 2 * 2 * P + 1;
    for (int tries = 0; tries < 8 && fewest > 0 && bound > 7; tries++) {
        bound = largest_below(bound, pairs);
        const uint8_t base = bound > 7 ? bound - 7 : 0;
        const int count = count_exceptions(base, pairs);
        if (count < fewest) fewest = count, best = base;
    }
    return best;
}

#endif

#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
#include "bodies/neon_bf12.h"
#elif defined(SLM_NATIVE_BF16)

// The output that byte i of 2P belongs to. Even bytes belong to the first input of a pair, odd bytes to the second.
static inline size_t output_of_byte(size_t i) { return i % 16 / 8 * W + i / 16 * 4 + i % 8 / 2; }

// The 2P weights of a pair of inputs: upper bytes without the sign, signs, lower bytes, and which weights are not 0.
struct byte_planes { __m512i upper, sign, lower; __mmask64 is_set; };
static inline byte_planes split_bytes(const unit *pair) {
    const __m512i low_byte = _mm512_set1_epi16(255), low_bits = _mm512_set1_epi8(127);
    const __m512i a = _mm512_loadu_si512(pair), b = _mm512_loadu_si512(pair + W);
    const __m512i upper = _mm512_packus_epi16(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8));
    byte_planes result = {.upper = _mm512_and_si512(upper, low_bits), .sign = _mm512_andnot_si512(low_bits, upper),
                    .lower = _mm512_packus_epi16(_mm512_and_si512(a, low_byte), _mm512_and_si512(b, low_byte))};
    const __m512i all_but_sign = _mm512_or_si512(result.upper, result.lower);
    result.is_set = _mm512_test_epi8_mask(all_but_sign, all_but_sign);
    return result;
}

// Which upper bytes are among the seven above `base`, and their codes.
static inline __mmask64 encode(uint8_t base, __m512i upper, __m512i *code) {
    *code = _mm512_sub_epi8(upper, _mm512_set1_epi8((char)base));
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(*code, _mm512_set1_epi8(1)), _mm512_set1_epi8(6));
}
static inline int count_exceptions(uint8_t base, const byte_planes *pairs) {
    int count = 0;
    for (int j = 0; j < 2; j++) {
        __m512i code;
        count += __builtin_popcountll(pairs[j].is_set & ~encode(base, pairs[j].upper, &code));
    }
    return count;
}

// The largest upper byte of two pairs that is less than `bound`.
static inline uint8_t largest_below(uint8_t bound, const byte_planes *pairs) {
    const __m512i limit = _mm512_set1_epi8((char)bound);
    __m512i largest = _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(pairs[0].upper, limit), pairs[0].upper);
    largest = _mm512_max_epu8(largest, _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(pairs[1].upper, limit), pairs[1].upper));
    const __m256i half = _mm256_max_epu8(_mm512_castsi512_si256(largest), _mm512_extracti64x4_epi64(largest, 1));
    const __m128i quarter = _mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    uint8_t lanes[16], result = 0;
    _mm_storeu_si128((__m128i *)lanes, quarter);
    for (size_t i = 0; i < 16; i++) result = lanes[i] > result ? lanes[i] : result;
    return result;
}

static inline void add_exceptions(exceptions *to, size_t I, __mmask64 which, const unit *pair, size_t input) {
    for (; which; which &= which - 1) {
        const size_t i = (size_t)__builtin_ctzll(which), output = output_of_byte(i);
        if (to->count >= max_exceptions(I)) to->count = TOO_MANY_EXCEPTIONS;
        if (to->count == TOO_MANY_EXCEPTIONS) return;
        const float value = widen1((bf16)(pair[output] >> (16 * (i % 2))));
        to->list[to->count++] = (exception){(uint16_t)(input + i % 2), (uint16_t)output, value};
    }
}

// Compresses a bf16 panel, pairs [I/2][P].
static void bf12_pack(const unit *pairs, size_t I, char *panel) {
    exceptions *list = exceptions_of(panel, I);
    list->count = 0;
    __m512i *to = (__m512i *)(panel + bases_bytes(I));
    for (size_t i = 0; i < I; i += 4, pairs += 2 * P, to += 3) {
        const byte_planes two[2] = {split_bytes(pairs), split_bytes(pairs + P)};
        const uint8_t base = best_base(two);
        panel[i / 4] = (char)base;
        __m512i codes = _mm512_setzero_si512();
        for (size_t j = 0; j < 2; j++) {
            __m512i code;
            const __mmask64 coded = encode(base, two[j].upper, &code), is_exception = two[j].is_set & ~coded;
            add_exceptions(list, I, is_exception, pairs + j * P, i + 2 * j);
            const __m512i sign = _mm512_maskz_mov_epi8(~is_exception, _mm512_srli_epi16(two[j].sign, 4));
            codes = _mm512_or_si512(codes, _mm512_slli_epi16(_mm512_or_si512(sign, _mm512_maskz_mov_epi8(coded, code)), 4 * (unsigned)j));
            _mm512_storeu_si512(to + 1 + j, _mm512_maskz_mov_epi8(~is_exception, two[j].lower));
        }
        _mm512_storeu_si512(to, codes);
    }
}

#else   // never called: the Swift caller has checked has_native_bf16
static void bf12_pack(const unit *pairs, size_t I, char *panel) { (void)pairs, (void)I, (void)panel; __builtin_trap(); }
#endif

// Decompresses the weights of one output.
static void bf12_row(const char *panel, size_t I, size_t lane, float *y) {
    const char *pairs = panel + bases_bytes(I);
    const size_t byte = lane % W / 4 * 16 + lane / W * 8 + lane % 4 * 2;
    for (size_t i = 0; i < I; i++) {
        const char *two = pairs + i / 4 * BYTES_PER_4_INPUTS;
        const size_t j = i % 4 / 2, at = byte + i % 2, code = (uint8_t)two[at] >> (4 * j) & 15;
        const int upper = (code % 8 ? (uint8_t)panel[i / 4] + (int)code % 8 : 0) | (int)(code / 8 * 128);
        y[i] = widen1((bf16)(upper << 8 | (uint8_t)two[(1 + j) * 2 * P + at]));
    }
    const exceptions *list = exceptions_of(panel, I);
    for (const exception *e = list->list; e < list->list + list->count; e++) if (e->output == lane) y[e->input] = e->value;
}
