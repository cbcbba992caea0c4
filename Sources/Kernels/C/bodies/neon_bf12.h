// NEON: compression of bf16 weights to bf12, see bf12.h.

// The output that byte i of 2P belongs to. Even bytes belong to the first input of a pair, odd bytes to the second.
static inline size_t output_of_byte(size_t i) { return i / 2; }

// The 2P weights of a pair of inputs: upper bytes without the sign, signs, lower bytes, and which weights are not 0.
struct byte_planes { uint8x16_t upper, sign, lower, is_set; };
static inline byte_planes split_bytes(const unit *pair) {
    const uint8x16_t a = vld1q_u8((const uint8_t *)pair), b = vld1q_u8((const uint8_t *)(pair + W)), low_bits = vdupq_n_u8(127);
    const uint8x16_t upper = vuzp2q_u8(a, b), lower = vuzp1q_u8(a, b), all_but_sign = vorrq_u8(vandq_u8(upper, low_bits), lower);
    return (byte_planes){vandq_u8(upper, low_bits), vbicq_u8(upper, low_bits), lower, vtstq_u8(all_but_sign, all_but_sign)};
}

// Which upper bytes are among the seven above `base`, and their codes.
static inline uint8x16_t encode(uint8_t base, uint8x16_t upper, uint8x16_t *code) {
    *code = vsubq_u8(upper, vdupq_n_u8(base));
    return vcleq_u8(vsubq_u8(*code, vdupq_n_u8(1)), vdupq_n_u8(6));
}
static inline int count_exceptions(uint8_t base, const byte_planes *pairs) {
    int count = 0;
    for (int j = 0; j < 2; j++) {
        uint8x16_t code;
        const uint8x16_t coded = encode(base, pairs[j].upper, &code);
        count += vaddvq_u8(vshrq_n_u8(vbicq_u8(pairs[j].is_set, coded), 7));
    }
    return count;
}

// The largest upper byte of two pairs that is less than `bound`.
static inline uint8_t largest_below(uint8_t bound, const byte_planes *pairs) {
    uint8x16_t below[2];
    for (int j = 0; j < 2; j++) below[j] = vandq_u8(pairs[j].upper, vcltq_u8(pairs[j].upper, vdupq_n_u8(bound)));
    return vmaxvq_u8(vmaxq_u8(below[0], below[1]));
}

static inline void add_exceptions(exceptions *to, size_t I, uint8x16_t which, const unit *pair, size_t input) {
    if (vmaxvq_u8(which) == 0) return;
    for (size_t i = 0; i < 2 * P; i++) {
        if (!which[i]) continue;
        if (to->count >= max_exceptions(I)) to->count = TOO_MANY_EXCEPTIONS;
        if (to->count == TOO_MANY_EXCEPTIONS) return;
        const size_t output = output_of_byte(i);
        const float value = widen1((bf16)(pair[output] >> (16 * (i % 2))));
        to->list[to->count++] = (exception){(uint16_t)(input + i % 2), (uint16_t)output, value};
    }
}

// Compresses a bf16 panel, pairs [I/2][P].
static void bf12_pack(const unit *pairs, size_t I, char *panel) {
    exceptions *list = exceptions_of(panel, I);
    list->count = 0;
    uint8_t *to = (uint8_t *)panel + bases_bytes(I);
    for (size_t i = 0; i < I; i += 4, pairs += 2 * P, to += BYTES_PER_4_INPUTS) {
        const byte_planes two[2] = {split_bytes(pairs), split_bytes(pairs + P)};
        const uint8_t base = best_base(two);
        panel[i / 4] = (char)base;
        uint8x16_t nibbles[2];
        for (size_t j = 0; j < 2; j++) {
            uint8x16_t code;
            const uint8x16_t coded = encode(base, two[j].upper, &code), is_exception = vbicq_u8(two[j].is_set, coded);
            add_exceptions(list, I, is_exception, pairs + j * P, i + 2 * j);
            nibbles[j] = vorrq_u8(vbicq_u8(vshrq_n_u8(two[j].sign, 4), is_exception), vandq_u8(code, coded));
            vst1q_u8(to + 16 * (1 + j), vbicq_u8(two[j].lower, is_exception));
        }
        vst1q_u8(to, vorrq_u8(nibbles[0], vshlq_n_u8(nibbles[1], 4)));
    }
}
