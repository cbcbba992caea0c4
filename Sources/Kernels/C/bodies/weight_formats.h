// The formats of quantized weights: how many inputs share a scale, how many bits a code has, and what a code stands for.
//
//              codes          inputs of a group, and what it has for each output            a code q stands for
//     int8     bytes          64: scale s in bf16                                           s·(q − 128)
//     int6     6 bits         32: bytes c and z; a scale d of the output in f32             d·c·(q − z·64/256)
//     int4     4 bits         32: the same                                                  d·c·(q − z·16/256)
//     Q8_0     bytes          32: scale s in f16                                            s·(q − 128)
//     Q4_0     4 bits         32: scale s in f16                                            s·(q − 8)
//     Q4_1     4 bits         32: scale s and minimum m in f16                              s·q + m
//     Q5_0     5 bits         32: scale s in f16                                            s·(q − 16)
//     Q5_1     5 bits         32: scale s and minimum m in f16                              s·q + m
//     Q4_K     4 bits         32: bytes c and z; for each 256 inputs d and m in f16         d·c·q − m·z
//     Q5_K     5 bits         32: the same                                                  d·c·q − m·z
//     Q6_K     6 bits         16: signed byte c; for each 256 inputs d in f16               d·c·(q − 32)
//     Q3_K     3 bits         16: the same                                                  d·c·(q − 4)
//     Q2_K     2 bits         16: halves c and z of a byte; for each 256 inputs d and m     d·c·q − m·z
//     IQ4_NL   4 bits         32: scale s in f16                                            s·level(q)
//     IQ4_XS   4 bits         32: signed byte c; for each 256 inputs d in f16               d·c·level(q)
//     MXFP4    4 bits         32: byte e                                                    2^(e − 128)·level(q)
//
// A panel begins with the scales of its outputs, if there are any. Groups follow, in front of each 256 inputs of formats with blocks their
// [P] scales d and [P] minimums m. A group has [P] scales, [P] minimums or zeros, and then for each output
//     bytes       [inputs/4] words: a quad of neighboring inputs
//     others      [inputs/8] words: the low halves of the bytes are the lower 4 bits of a quad, the high halves those of the next quad
//     5 bits      and a word: bit j of each byte is the upper bit of quad j
//     6 bits      and [inputs/16] words: the upper two bits of four quads, the first quad's lowest
//     2 bits      [inputs/16] words: four quads, the first quad's bits lowest
//     3 bits      the same and a number of 16 bits: bit q of its part of 4 bits j is the upper bit of input j of quad q

// The formats of llama.cpp, for a switch that compiles a function for each.
#define SMALL_BLOCK_FORMATS(DO) DO(Q8_0) DO(Q4_0) DO(Q4_1) DO(Q5_0) DO(Q5_1) DO(IQ4_NL) DO(MXFP4)
#define LARGE_BLOCK_FORMATS(DO) DO(Q4_K) DO(Q5_K) DO(Q6_K) DO(Q2_K) DO(Q3_K) DO(IQ4_XS)

// Formats with scales of the outputs, and with bytes in which the minimum is a fraction of a step.
static inline bool is_affine(int format) { return format == SLM_WEIGHTS_INT4 || format == SLM_WEIGHTS_INT6; }
// Formats of llama.cpp with scales for 256 inputs.
static inline bool has_blocks(int format) {
    return format == SLM_WEIGHTS_Q4_K || format == SLM_WEIGHTS_Q5_K || format == SLM_WEIGHTS_Q6_K || format == SLM_WEIGHTS_Q2_K
        || format == SLM_WEIGHTS_Q3_K || format == SLM_WEIGHTS_IQ4_XS;
}
// Whether the scale of a group is an f16, and not a byte or a bf16.
static inline bool has_f16_scales(int format) {
    return format == SLM_WEIGHTS_Q8_0 || format == SLM_WEIGHTS_Q4_0 || format == SLM_WEIGHTS_Q4_1 || format == SLM_WEIGHTS_Q5_0
        || format == SLM_WEIGHTS_Q5_1 || format == SLM_WEIGHTS_IQ4_NL;
}
// Whether the scale of a group is a signed byte.
static inline bool has_signed_scales(int format) {
    return format == SLM_WEIGHTS_Q6_K || format == SLM_WEIGHTS_Q3_K || format == SLM_WEIGHTS_IQ4_XS;
}
// Whether the scale of a group is a power of two: a byte that is its exponent.
static inline bool has_exponents(int format) { return format == SLM_WEIGHTS_MXFP4; }
// Whether the minimum of a group is an f16.
static inline bool has_f16_minimum(int format) { return format == SLM_WEIGHTS_Q4_1 || format == SLM_WEIGHTS_Q5_1; }
// Whether a group has a minimum: a weight is its code times the group's scale, minus the minimum.
static inline bool has_minimum(int format) {
    return is_affine(format) || has_f16_minimum(format) || format == SLM_WEIGHTS_Q4_K || format == SLM_WEIGHTS_Q5_K
        || format == SLM_WEIGHTS_Q2_K;
}
// Whether a code is a byte, not a part of one.
static inline bool has_bytes(int format) { return format == SLM_WEIGHTS_INT8 || format == SLM_WEIGHTS_Q8_0; }
// Whether a code is the index of a level. Levels are multiplied like bytes.
static inline bool has_levels(int format) {
    return format == SLM_WEIGHTS_IQ4_NL || format == SLM_WEIGHTS_IQ4_XS || format == SLM_WEIGHTS_MXFP4;
}
static inline bool is_bf16(int format) { return format == SLM_WEIGHTS_BF16 || format == SLM_WEIGHTS_BF12; }
static inline bool is_int(int format) { return format != SLM_WEIGHTS_F32 && !is_bf16(format); }
static inline int code_bits(int format) {
    switch (format) {
    case SLM_WEIGHTS_INT8: case SLM_WEIGHTS_Q8_0: return 8;
    case SLM_WEIGHTS_INT6: case SLM_WEIGHTS_Q6_K: return 6;
    case SLM_WEIGHTS_Q5_0: case SLM_WEIGHTS_Q5_1: case SLM_WEIGHTS_Q5_K: return 5;
    case SLM_WEIGHTS_Q3_K: return 3;
    case SLM_WEIGHTS_Q2_K: return 2;
    default: return 4;
    }
}
// Whether the largest quad of an input row's group may have two bytes an input. With smaller groups, fewer inputs suffer from it, and
// prompts would take 1.4 times as long (Documentation/decisions/k-quants.md).
static inline bool has_uppers(int format) { return has_bytes(format); }
// The code of weight 0 in formats without minimums, and what is therefore subtracted from products: 0 where bytes are multiplied signed.
static inline int32_t code_zero(int format) { return has_minimum(format) ? 0 : 1 << ((has_levels(format) ? 8 : code_bits(format)) - 1); }
static inline int32_t code_offset(int format) {
#ifdef SLM_SIGNED_BYTES
    (void)format;
    return 0;
#else
    return code_zero(format);
#endif
}
// What a unit of a group's minimum subtracts from a weight: a fraction of a step, or 1, or −1 where it is added.
static inline float minimum_unit(int format) {
    return is_affine(format) ? (float)(1 << code_bits(format)) / 256 : has_f16_minimum(format) ? -1 : 1;
}

// Inputs of a group.
static inline size_t group_of(int format) {
    switch (format) {
    case SLM_WEIGHTS_INT8: return GROUP;
    case SLM_WEIGHTS_Q6_K: case SLM_WEIGHTS_Q3_K: case SLM_WEIGHTS_Q2_K: return SMALL_GROUP / 2;
    default: return SMALL_GROUP;
    }
}
static inline size_t groups_in(int format, size_t I) { return (I + group_of(format) - 1) / group_of(format); }
// Bytes of a group's scales and minimums, for all outputs of a panel.
static inline size_t scale_bytes(int format) {
    const bool is_byte = has_signed_scales(format) || has_exponents(format) || format == SLM_WEIGHTS_Q2_K;
    return P * (has_f16_minimum(format) ? 4 : is_byte ? 1 : 2);
}
// Bytes of a group, for all outputs of a panel.
static inline size_t group_bytes(int format) { return scale_bytes(format) + P * group_of(format) * (size_t)code_bits(format) / 8; }
// Bytes in front of the first group: the scales of the outputs.
static inline size_t header_bytes(int format) { return is_affine(format) ? 4 * P : 0; }
// Bytes in front of the groups of 256 inputs.
static inline size_t block_header_bytes(int format) { return has_blocks(format) ? P * (has_minimum(format) ? 4 : 2) : 0; }
static inline size_t groups_in_block(int format) { return LARGE_BLOCK / group_of(format); }
static inline size_t quantized_panel_bytes(int format, size_t I) {
    const size_t groups = groups_in(format, I);
    return header_bytes(format) + groups * group_bytes(format) + groups / groups_in_block(format) * block_header_bytes(format);
}
// Where in a panel the block begins that group g is in, or the group itself in formats without blocks.
INLINE const char *block_at(int format, const char *panel, size_t g) {
    if (!has_blocks(format)) return panel + header_bytes(format) + g * group_bytes(format);
    return panel + g / groups_in_block(format) * (block_header_bytes(format) + groups_in_block(format) * group_bytes(format));
}
INLINE const char *group_at(int format, const char *panel, size_t g) {
    const char *block = block_at(format, panel, g);
    return has_blocks(format) ? block + block_header_bytes(format) + g % groups_in_block(format) * group_bytes(format) : block;
}

// The levels of IQ4_NL and IQ4_XS, and of MXFP4: twice the numbers of 4 bits that have a sign and two bits of exponent. All plus 128.
static const uint8_t iq4_levels[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t mxfp4_levels[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};
static inline const uint8_t *levels_of(int format) { return format == SLM_WEIGHTS_MXFP4 ? mxfp4_levels : iq4_levels; }

// 2^(e − 128).
static inline float power_of_two(uint8_t e) {
    const uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return power;
}

// MARK: Codes and scales of a group, W outputs at once

// The level of each byte, an index.
INLINE vu levels_at(int format, vu indices) {
    const uint8_t *levels = levels_of(format);
#if defined(SLM_AVX512)
    return (vu)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)levels)), (__m512i)indices);
#elif defined(SLM_AVX2)
    return (vu)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)levels)), (__m256i)indices);
#elif defined(SLM_NEON)
    return (vu)vqtbl1q_u8(vld1q_u8(levels), (uint8x16_t)indices);
#else
    uint8_t bytes[4 * W];
    memcpy(bytes, &indices, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = levels[bytes[i]];
    memcpy(&indices, bytes, sizeof bytes);
    return indices;
#endif
}

// Quad q of a group, of vector v of the panel: four codes or levels for each output, each in a byte.
INLINE vu quads_at(int format, const char *group, size_t q, size_t v) {
    const char *words = group + scale_bytes(format);
    if (has_bytes(format)) return ((const vu_any *)(words + 4 * q * P))[v];
    if (code_bits(format) < 4) {
        const vu pairs = ((const vu_any *)words)[v] >> (uint32_t)(2 * q) & 0x03030303;
        if (code_bits(format) == 2) return pairs;
        vu upper = __builtin_convertvector(((const vh_any *)(words + 4 * P))[v], vu);
        upper = (upper | upper << 8) & 0x00ff00ff;
        upper = (upper | upper << 4) & 0x0f0f0f0f;
        return pairs | (upper >> (uint32_t)q & 0x01010101) << 2;
    }
    const vu low = (((const vu_any *)(words + 4 * (q / 2) * P))[v] >> (uint32_t)(4 * (q % 2))) & 0x0f0f0f0f;
    if (code_bits(format) == 4) return has_levels(format) ? levels_at(format, low) : low;
    const char *upper = words + 4 * (group_of(format) / 8) * P;
    if (code_bits(format) == 5) return low | (((const vu_any *)upper)[v] >> (uint32_t)q & 0x01010101) << 4;
    return low | (((const vu_any *)(upper + 4 * (q / 4) * P))[v] >> (uint32_t)(2 * (q % 4)) & 0x03030303) << 4;
}

// W bytes as floats.
INLINE vf load_bytes(const void *from) { return __builtin_convertvector(*(const vub_any *)from, vf); }
INLINE vf load_signed_bytes(const void *from) { return __builtin_convertvector(__builtin_convertvector(*(const vb_any *)from, vi), vf); }
// W numbers of 16 bits as floats.
INLINE vf load_f16(const void *from) {
#if defined(SLM_AVX512)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif defined(SLM_AVX2)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#elif defined(SLM_NEON)
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)from)));
#else
    vf numbers;
    for (size_t i = 0; i < W; i++) numbers[i] = f16_at((const uint8_t *)from + 2 * i);
    return numbers;
#endif
}

// The scales of a group's weights, and their minimums if they have any, for both vectors of outputs. Those of int6 and int4 are in units of
// the scales of the outputs.
typedef struct { vf scale[2], minimum[2]; } group_scales;
INLINE group_scales load_group_scales(int format, const char *panel, size_t g) {
    const char *block = block_at(format, panel, g), *group = group_at(format, panel, g);
    group_scales s;
    for (size_t v = 0; v < 2; v++) {
        const char *scales = group + 2 * v * W, *bytes = group + v * W;
        s.minimum[v] = (vf){0};
        if (has_f16_scales(format)) {
            s.scale[v] = load_f16(scales);
            if (has_f16_minimum(format)) s.minimum[v] = load_f16(scales + 2 * P);
        } else if (format == SLM_WEIGHTS_INT8) {
            s.scale[v] = load_bf16((const bf16 *)scales);
        } else if (is_affine(format)) {
            s.scale[v] = load_bytes(bytes);
            s.minimum[v] = s.scale[v] * load_bytes(bytes + P);
        } else if (has_exponents(format)) {
            const vi e = __builtin_convertvector(*(const vub_any *)bytes, vi);
            s.scale[v] = (vf)(e < 2 ? ((vi){0} + 0x00200000) << (e & 1) : (e - 1) << 23);
        } else if (has_signed_scales(format)) {
            s.scale[v] = load_f16(block + 2 * v * W) * load_signed_bytes(bytes);
        } else if (format == SLM_WEIGHTS_Q2_K) {
            const vu both = __builtin_convertvector(*(const vub_any *)bytes, vu);
            s.scale[v] = load_f16(block + 2 * v * W) * __builtin_convertvector(both & 15, vf);
            s.minimum[v] = load_f16(block + 2 * P + 2 * v * W) * __builtin_convertvector(both >> 4, vf);
        } else {
            s.scale[v] = load_f16(block + 2 * v * W) * load_bytes(bytes);
            s.minimum[v] = load_f16(block + 2 * P + 2 * v * W) * load_bytes(bytes + P);
        }
    }
    return s;
}
// The scales of the outputs of a panel, for vector v; 1 for formats that have none.
INLINE vf output_scale(int format, const char *panel, size_t v) {
    return is_affine(format) ? load((const float *)panel + v * W) : splat(1);
}
