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
//
// A panel begins with the scales of its outputs, if there are any. Groups follow, in front of each 256 inputs of Q4_K, Q5_K and Q6_K their
// [P] scales d and [P] minimums m. A group has [P] scales, [P] minimums or zeros, and then for each output
//     bytes       [inputs/4] words: a quad of neighboring inputs
//     others      [inputs/8] words: the low halves of the bytes are the lower 4 bits of a quad, the high halves those of the next quad
//     5 bits      and a word: bit j of each byte is the upper bit of quad j
//     6 bits      and [inputs/16] words: the upper two bits of four quads, the first quad's lowest

// Formats with scales of the outputs, and with bytes in which the minimum is a fraction of a step.
static inline bool is_affine(int format) { return format == SLM_WEIGHTS_INT4 || format == SLM_WEIGHTS_INT6; }
// Formats of llama.cpp with scales for 256 inputs.
static inline bool has_blocks(int format) {
    return format == SLM_WEIGHTS_Q4_K || format == SLM_WEIGHTS_Q5_K || format == SLM_WEIGHTS_Q6_K;
}
// Whether the scale of a group is an f16, and not a byte or a bf16.
static inline bool has_f16_scales(int format) {
    return format == SLM_WEIGHTS_Q8_0 || format == SLM_WEIGHTS_Q4_0 || format == SLM_WEIGHTS_Q4_1 || format == SLM_WEIGHTS_Q5_0
        || format == SLM_WEIGHTS_Q5_1;
}
// Whether the minimum of a group is an f16.
static inline bool has_f16_minimum(int format) { return format == SLM_WEIGHTS_Q4_1 || format == SLM_WEIGHTS_Q5_1; }
// Whether a group has a minimum: a weight is its code times the group's scale, minus the minimum.
static inline bool has_minimum(int format) {
    return is_affine(format) || has_f16_minimum(format) || format == SLM_WEIGHTS_Q4_K || format == SLM_WEIGHTS_Q5_K;
}
// Whether a code is a byte, not a part of one.
static inline bool has_bytes(int format) { return format == SLM_WEIGHTS_INT8 || format == SLM_WEIGHTS_Q8_0; }
static inline bool is_bf16(int format) { return format == SLM_WEIGHTS_BF16 || format == SLM_WEIGHTS_BF12; }
static inline bool is_int(int format) { return format != SLM_WEIGHTS_F32 && !is_bf16(format); }
static inline int code_bits(int format) {
    switch (format) {
    case SLM_WEIGHTS_INT8: case SLM_WEIGHTS_Q8_0: return 8;
    case SLM_WEIGHTS_INT6: case SLM_WEIGHTS_Q6_K: return 6;
    case SLM_WEIGHTS_Q5_0: case SLM_WEIGHTS_Q5_1: case SLM_WEIGHTS_Q5_K: return 5;
    default: return 4;
    }
}
// Whether the largest quad of an input row's group may have two bytes an input. With smaller groups, fewer inputs suffer from it, and
// prompts would take 1.4 times as long (Documentation/decisions/k-quants.md).
static inline bool has_uppers(int format) { return has_bytes(format); }
// The code of weight 0 in formats without minimums, and what is therefore subtracted from products: 0 where bytes are multiplied signed.
static inline int32_t code_zero(int format) { return has_minimum(format) ? 0 : 1 << (code_bits(format) - 1); }
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
    return format == SLM_WEIGHTS_INT8 ? GROUP : format == SLM_WEIGHTS_Q6_K ? SMALL_GROUP / 2 : SMALL_GROUP;
}
static inline size_t groups_in(int format, size_t I) { return (I + group_of(format) - 1) / group_of(format); }
// Bytes of a group's scales and minimums, for all outputs of a panel.
static inline size_t scale_bytes(int format) { return P * (has_f16_minimum(format) ? 4 : format == SLM_WEIGHTS_Q6_K ? 1 : 2); }
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

// MARK: Codes and scales of a group, W outputs at once

// Quad q of a group, of vector v of the panel: four codes for each output, each in a byte.
INLINE vu quads_at(int format, const char *group, size_t q, size_t v) {
    const char *words = group + scale_bytes(format);
    if (has_bytes(format)) return ((const vu_any *)(words + 4 * q * P))[v];
    const vu low = (((const vu_any *)(words + 4 * (q / 2) * P))[v] >> (uint32_t)(4 * (q % 2))) & 0x0f0f0f0f;
    if (code_bits(format) == 4) return low;
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
        } else if (format == SLM_WEIGHTS_Q6_K) {
            s.scale[v] = load_f16(block + 2 * v * W) * load_signed_bytes(bytes);
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
