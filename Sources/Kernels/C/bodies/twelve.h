// bf16 in twelve bits, and yet the same numbers. The exponent's eight bits say little: nearly all weights that lie together have one of fourteen exponents in a
// row. Of a weight's upper byte, which is its sign and the exponent without its last bit, a code of four bits stays: the sign, and which of seven neighbours the
// rest is, or none: then the weight is a 0, or one of the few that stand in the panel's list of exceptions with all their bits.
//
//   A panel: [I/4] bases: for each two pairs of inputs what is below the seven
//            [I/4] times two pairs: [2P] codes, those of the second pair in the upper halves, and [2][2P] lower bytes
//            the exceptions, with room for one in 256 weights
//   Bytes stand where two unpacking instructions find them: the pairs of outputs o … o + 3 and of W + o … W + o + 3 in 16 of them.
//
// Only for I that is a multiple of 64, and where there are instructions for products of bf16: wherever there are, W is 16.

typedef struct { uint16_t input, output; float value; } exception;
typedef struct { uint64_t count; exception list[]; } exceptions;

#define TWO_PAIRS (6 * P)                                                                      // bytes
#define TOO_MANY UINT64_MAX
static inline size_t most_exceptions(size_t I) { return I * P / 256; }
static inline size_t bases_bytes(size_t I) { return round_up(I / 4, 64); }
static inline size_t twelve_bytes(size_t I) {
    return bases_bytes(I) + I / 4 * TWO_PAIRS + round_up(sizeof(exceptions) + most_exceptions(I) * sizeof(exception), 64);
}
static inline exceptions *exceptions_of(const char *panel, size_t I) { return (exceptions *)(panel + bases_bytes(I) + I / 4 * TWO_PAIRS); }

// Whether all panels had room for their exceptions: otherwise they are to be kept as bf16.
static bool weights_fit(int form, const void *panels, size_t O, size_t I) {
    for (size_t p = 0; form == SLM_WEIGHTS_TWELVE && p < (O + P - 1) / P; p++)
        if (exceptions_of((const char *)panels + p * twelve_bytes(I), I)->count == TOO_MANY) return false;
    return true;
}

#ifdef SLM_NATIVE_BF16

// Of which output, and of the first or second input of a pair, byte `i` of 2P is.
static inline size_t output_of(size_t i) { return i % 16 / 8 * W + i / 16 * 4 + i % 8 / 2; }

// A pair's 2P weights: their upper bytes without the sign, their signs, their lower bytes, and which are not 0.
typedef struct { __m512i upper, sign, lower; __mmask64 is_set; } apart;
static inline apart take_apart(const unit *pair) {
    const __m512i low_byte = _mm512_set1_epi16(255), low_bits = _mm512_set1_epi8(127);
    const __m512i a = _mm512_loadu_si512(pair), b = _mm512_loadu_si512(pair + W);
    const __m512i upper = _mm512_packus_epi16(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8));
    apart result = {.upper = _mm512_and_si512(upper, low_bits), .sign = _mm512_andnot_si512(low_bits, upper),
                    .lower = _mm512_packus_epi16(_mm512_and_si512(a, low_byte), _mm512_and_si512(b, low_byte))};
    const __m512i all_but_sign = _mm512_or_si512(result.upper, result.lower);
    result.is_set = _mm512_test_epi8_mask(all_but_sign, all_but_sign);
    return result;
}

// Those that are one of the seven above `base`, and which.
static inline __mmask64 codes_above(uint8_t base, __m512i upper, __m512i *code) {
    *code = _mm512_sub_epi8(upper, _mm512_set1_epi8((char)base));
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(*code, _mm512_set1_epi8(1)), _mm512_set1_epi8(6));
}
static inline int left_out(uint8_t base, const apart *pairs) {
    int count = 0;
    for (int j = 0; j < 2; j++) {
        __m512i code;
        count += __builtin_popcountll(pairs[j].is_set & ~codes_above(base, pairs[j].upper, &code));
    }
    return count;
}

static inline uint8_t largest_below(uint8_t bound, const apart *pairs) {
    const __m512i limit = _mm512_set1_epi8((char)bound);
    __m512i most = _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(pairs[0].upper, limit), pairs[0].upper);
    most = _mm512_max_epu8(most, _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(pairs[1].upper, limit), pairs[1].upper));
    const __m256i half = _mm256_max_epu8(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
    const __m128i quarter = _mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    uint8_t each[16], result = 0;
    _mm_storeu_si128((__m128i *)each, quarter);
    for (size_t i = 0; i < 16; i++) result = each[i] > result ? each[i] : result;
    return result;
}

// What is below the seven that leave out the fewest: mostly the largest and those below it, unless a few are much larger than all others.
static inline uint8_t best_base(const apart *pairs) {
    uint8_t best = 0, bound = 128;
    int fewest = 2 * 2 * P + 1;
    for (int tries = 0; tries < 8 && fewest > 0 && bound > 7; tries++) {
        bound = largest_below(bound, pairs);
        const uint8_t base = bound > 7 ? bound - 7 : 0;
        const int count = left_out(base, pairs);
        if (count < fewest) fewest = count, best = base;
    }
    return best;
}

static inline void add_exceptions(exceptions *to, size_t I, __mmask64 which, const unit *pair, size_t input) {
    for (; which; which &= which - 1) {
        const size_t i = (size_t)__builtin_ctzll(which), output = output_of(i);
        if (to->count >= most_exceptions(I)) to->count = TOO_MANY;
        if (to->count == TOO_MANY) return;
        const float value = widen1((bf16)(pair[output] >> (16 * (i % 2))));
        to->list[to->count++] = (exception){(uint16_t)(input + i % 2), (uint16_t)output, value};
    }
}

// A panel of pairs [I/2][P].
static void pack_twelve(const unit *pairs, size_t I, char *panel) {
    exceptions *rest = exceptions_of(panel, I);
    rest->count = 0;
    __m512i *to = (__m512i *)(panel + bases_bytes(I));
    for (size_t i = 0; i < I; i += 4, pairs += 2 * P, to += 3) {
        const apart two[2] = {take_apart(pairs), take_apart(pairs + P)};
        const uint8_t base = best_base(two);
        panel[i / 4] = (char)base;
        __m512i both = _mm512_setzero_si512();
        for (size_t j = 0; j < 2; j++) {
            __m512i code;
            const __mmask64 coded = codes_above(base, two[j].upper, &code), is_exception = two[j].is_set & ~coded;
            add_exceptions(rest, I, is_exception, pairs + j * P, i + 2 * j);
            const __m512i sign = _mm512_maskz_mov_epi8(~is_exception, _mm512_srli_epi16(two[j].sign, 4));
            both = _mm512_or_si512(both, _mm512_slli_epi16(_mm512_or_si512(sign, _mm512_maskz_mov_epi8(coded, code)), 4 * (unsigned)j));
            _mm512_storeu_si512(to + 1 + j, _mm512_maskz_mov_epi8(~is_exception, two[j].lower));
        }
        _mm512_storeu_si512(to, both);
    }
}

#else   // the Swift side never packs bf16 where there are no bf16 instructions
static void pack_twelve(const unit *pairs, size_t I, char *panel) { (void)pairs, (void)I, (void)panel; __builtin_trap(); }
#endif

// The weights of one output.
static void twelve_row(const char *panel, size_t I, size_t lane, float *y) {
    const char *pairs = panel + bases_bytes(I);
    const size_t place = lane % W / 4 * 16 + lane / W * 8 + lane % 4 * 2;
    for (size_t i = 0; i < I; i++) {
        const char *two = pairs + i / 4 * TWO_PAIRS;
        const size_t j = i % 4 / 2, at = place + i % 2, code = (uint8_t)two[at] >> (4 * j) & 15;
        const int upper = (code % 8 ? (uint8_t)panel[i / 4] + (int)code % 8 : 0) | (int)(code / 8 * 128);
        y[i] = widen1((bf16)(upper << 8 | (uint8_t)two[(1 + j) * 2 * P + at]));
    }
    const exceptions *rest = exceptions_of(panel, I);
    for (const exception *e = rest->list; e < rest->list + rest->count; e++) if (e->output == lane) y[e->input] = e->value;
}
