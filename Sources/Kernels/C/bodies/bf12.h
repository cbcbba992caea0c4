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
typedef uint8_t pair_bytes __attribute__((ext_vector_type(2 * P)));                // a byte for each weight of a pair of inputs
typedef pair_bytes pair_bytes_any __attribute__((aligned(1), may_alias));

// The output that byte i belongs to. Even bytes belong to the first input of a pair, odd bytes to the second.
static inline size_t output_of_byte(size_t i) { return i % 16 / 8 * W + i / 16 * 4 + i % 8 / 2; }

// The lower bytes of the halves of both vectors.
static inline pair_bytes lower_bytes(vu a, vu b) {
#ifdef SLM_NEON
    return (pair_bytes)vuzp1q_u8((uint8x16_t)a, (uint8x16_t)b);
#else
    return (pair_bytes)_mm512_packus_epi16((__m512i)(a & 0x00ff00ff), (__m512i)(b & 0x00ff00ff));
#endif
}

// Upper bytes without the sign, signs, lower bytes, and 255 for each weight that is not 0.
typedef struct { pair_bytes upper, sign, lower, is_set; } byte_planes;
static inline byte_planes split_bytes(const unit *pair) {
    const vu a = *(const vu_any *)pair, b = *(const vu_any *)(pair + W);
    const pair_bytes upper = lower_bytes(a >> 8, b >> 8), lower = lower_bytes(a, b);
    return (byte_planes){upper & 127, upper & 128, lower, (pair_bytes)(((upper & 127) | lower) != 0)};
}

// The codes of upper bytes; 0 for those that are not among the seven above `base`.
static inline pair_bytes encode(uint8_t base, pair_bytes upper) {
    const pair_bytes code = upper - base;
    return code & (pair_bytes)(code <= 7);
}
// 255 for each weight that is an exception.
static inline pair_bytes exceptions_among(const byte_planes *pair, pair_bytes codes) { return pair->is_set & (pair_bytes)(codes == 0); }

// The base with the fewest exceptions in two pairs: usually the one that covers the largest upper byte, unless a few weights are much
// larger than the others.
static inline uint8_t best_base(const byte_planes *pairs) {
    uint8_t best = 0, bound = 128;
    int fewest = 2 * 2 * P + 1;
    for (int tries = 0; tries < 8 && fewest > 0 && bound > 7; tries++) {
        pair_bytes largest = {0};
        for (int j = 0; j < 2; j++)
            largest = __builtin_elementwise_max(largest, pairs[j].upper & (pair_bytes)(pairs[j].upper < bound));
        bound = __builtin_reduce_max(largest);
        const uint8_t base = bound > 7 ? bound - 7 : 0;
        int count = 0;
        for (int j = 0; j < 2; j++) count += __builtin_reduce_add(exceptions_among(pairs + j, encode(base, pairs[j].upper)) & 1);
        if (count < fewest) fewest = count, best = base;
    }
    return best;
}

static inline void add_exceptions(exceptions *to, size_t I, pair_bytes which, const unit *pair, size_t input) {
    uint64_t words[2 * P / 8];                                                      // with a bit for each exception
    which &= 1;
    memcpy(words, &which, sizeof words);
    for (size_t w = 0; w < 2 * P / 8; w++)
        for (; words[w]; words[w] &= words[w] - 1) {
            const size_t i = 8 * w + (size_t)__builtin_ctzll(words[w]) / 8, output = output_of_byte(i);
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
    pair_bytes_any *to = (pair_bytes_any *)(panel + bases_bytes(I));
    for (size_t i = 0; i < I; i += 4, pairs += 2 * P, to += 3) {
        const byte_planes two[2] = {split_bytes(pairs), split_bytes(pairs + P)};
        const uint8_t base = best_base(two);
        panel[i / 4] = (char)base;
        pair_bytes codes = {0};
        for (size_t j = 0; j < 2; j++) {
            const pair_bytes code = encode(base, two[j].upper), is_exception = exceptions_among(two + j, code);
            add_exceptions(list, I, is_exception, pairs + j * P, i + 2 * j);
            codes |= (code | (two[j].sign >> 4 & ~is_exception)) << (uint8_t)(4 * j);
            to[1 + j] = two[j].lower & ~is_exception;
        }
        to[0] = codes;
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
