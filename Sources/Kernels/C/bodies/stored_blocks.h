// Packs weights of llama.cpp's blocks with their codes and scales as they are. How blocks lie in a file is in stored_numbers.h, how a panel
// holds them in weight_formats.h.

// The lowest bit of each byte = bits first ..< first + 4 of `bits`.
static inline uint32_t spread_bits(uint32_t bits, size_t first) { return (bits >> first & 15) * 0x00204081 & 0x01010101; }

static inline uint32_t word_at(const uint8_t *bytes, size_t i) {
    uint32_t word;
    memcpy(&word, bytes + 4 * i, 4);
    return word;
}

// The codes of a block of 32 numbers, which begin at `from`.
static inline void small_block_quads(int format, const uint8_t *from, uint32_t *quads) {
    if (format == SLM_WEIGHTS_Q8_0) {
        for (size_t q = 0; q < 8; q++) quads[q] = word_at(from, q) ^ 0x80808080;
        return;
    }
    uint32_t fifth = 0;
    if (code_bits(format) == 5) memcpy(&fifth, from, 4), from += 4;
    for (size_t q = 0; q < 8; q++)
        quads[q] = (word_at(from, q % 4) >> (q < 4 ? 0 : 4) & 0x0f0f0f0f) | spread_bits(fifth, 4 * q) << 4;
}

// Group g of a block of Q4_K or Q5_K.
static inline void k_block_quads(int format, const uint8_t *block, size_t g, uint32_t *quads) {
    const bool has_fifth = format == SLM_WEIGHTS_Q5_K;
    const uint8_t *fifth = block + 16, *from = block + (has_fifth ? 48 : 16) + 32 * (g / 2);
    for (size_t q = 0; q < 8; q++) {
        quads[q] = word_at(from, q) >> (g % 2 * 4) & 0x0f0f0f0f;
        if (has_fifth) quads[q] |= (word_at(fifth, q) >> g & 0x01010101) << 4;
    }
}

// Group g, of 16 numbers, of a block of Q6_K.
static inline void q6_block_quads(const uint8_t *block, size_t g, uint32_t *quads) {
    const size_t half = g / 8, row = g % 8 / 2;
    const uint8_t *low = block + 64 * half + 32 * (row % 2) + g % 2 * 16, *high = block + 128 + 32 * half + g % 2 * 16;
    for (size_t q = 0; q < 4; q++)
        quads[q] = (word_at(low, q) >> (row < 2 ? 0 : 4) & 0x0f0f0f0f) | (word_at(high, q) >> (2 * row) & 0x03030303) << 4;
}

// Group g, of 16 numbers, of a block of Q2_K or Q3_K.
static inline void small_k_block_quads(int format, const uint8_t *block, size_t g, uint32_t *quads) {
    const bool has_third = format == SLM_WEIGHTS_Q3_K;
    const size_t half = g / 8, row = g % 8 / 2, first = g % 2 * 16;
    const uint8_t *low = block + (has_third ? 32 : 16) + 32 * half + first, *third = block + first;
    for (size_t q = 0; q < 4; q++) {
        quads[q] = word_at(low, q) >> (2 * row) & 0x03030303;
        if (has_third) quads[q] |= (word_at(third, q) >> (4 * half + row) & 0x01010101) << 2;
    }
}

// Stores the quads of one output of a group, whose codes begin at `codes`.
INLINE void put_quads(int format, const uint32_t *quads, size_t lane, char *codes) {
    const size_t count = group_of(format) / 4;
    char *to = codes + 4 * lane;
    if (has_bytes(format)) {
        for (size_t q = 0; q < count; q++) memcpy(to + 4 * q * P, quads + q, 4);
        return;
    }
    if (code_bits(format) < 4) {
        uint32_t pairs = 0;
        uint16_t upper = 0;
        for (size_t q = 0; q < count; q++) {
            pairs |= (quads[q] & 0x03030303) << (2 * q);
            for (size_t j = 0; j < 4; j++) upper |= (uint16_t)((quads[q] >> (8 * j + 2) & 1) << (4 * j + q));
        }
        memcpy(to, &pairs, 4);
        if (code_bits(format) == 3) memcpy(codes + 4 * P + 2 * lane, &upper, 2);
        return;
    }
    for (size_t q = 0; q < count; q += 2, to += 4 * P) {
        const uint32_t pair = (quads[q] & 0x0f0f0f0f) | (quads[q + 1] & 0x0f0f0f0f) << 4;
        memcpy(to, &pair, 4);
    }
    if (code_bits(format) == 4) return;
    const size_t bits = (size_t)code_bits(format) - 4, together = 8 / bits;
    for (size_t first = 0; first < count; first += together, to += 4 * P) {
        uint32_t upper = 0;
        for (size_t q = 0; q < together; q++) upper |= (quads[first + q] >> 4 & 0x03030303) << (bits * q);
        memcpy(to, &upper, 4);
    }
}

INLINE void pack_small_blocks(int format, const void *const *rows, size_t count, size_t I, char *panel) {
    const size_t size = quantized_row_bytes(format, SMALL_GROUP);
    for (size_t lane = 0; lane < count; lane++) {
        const uint8_t *block = rows[lane];
        for (size_t g = 0; g < I / SMALL_GROUP; g++, block += size) {
            char *group = panel + g * group_bytes(format);
            if (has_exponents(format)) group[lane] = (char)block[0];
            else memcpy(group + 2 * lane, block, 2);
            if (has_f16_minimum(format)) memcpy(group + 2 * P + 2 * lane, block + 2, 2);
            uint32_t quads[8];
            small_block_quads(format, block + (has_f16_minimum(format) ? 4 : has_exponents(format) ? 1 : 2), quads);
            put_quads(format, quads, lane, group + scale_bytes(format));
        }
    }
}

// Where the f16 scale of a block of 256 numbers is; its minimum, if it has one, follows.
static inline size_t scale_of_block(int format) {
    switch (format) {
    case SLM_WEIGHTS_Q6_K: return 208;
    case SLM_WEIGHTS_Q3_K: return 108;
    case SLM_WEIGHTS_Q2_K: return 80;
    default: return 0;
    }
}

INLINE void pack_large_blocks(int format, const void *const *rows, size_t count, size_t I, char *panel) {
    const size_t size = quantized_row_bytes(format, LARGE_BLOCK), groups = groups_in_block(format);
    const size_t scale = scale_of_block(format);
    for (size_t lane = 0; lane < count; lane++) {
        const uint8_t *block = rows[lane];
        char *to = panel;
        for (size_t b = 0; b < I / LARGE_BLOCK; b++, block += size) {
            memcpy(to + 2 * lane, block + scale, 2);
            if (has_minimum(format)) memcpy(to + 2 * P + 2 * lane, block + scale + 2, 2);
            to += block_header_bytes(format);
            for (size_t g = 0; g < groups; g++, to += group_bytes(format)) {
                uint32_t quads[8];
                if (format == SLM_WEIGHTS_Q6_K) {
                    to[lane] = (char)block[192 + g];
                    q6_block_quads(block, g, quads);
                } else if (format == SLM_WEIGHTS_Q3_K || format == SLM_WEIGHTS_Q2_K) {
                    to[lane] = format == SLM_WEIGHTS_Q2_K ? (char)block[g] : (char)q3_scale_at(block, g);
                    small_k_block_quads(format, block, g, quads);
                } else if (format == SLM_WEIGHTS_IQ4_XS) {
                    to[lane] = (char)iq4_scale_at(block, g);
                    small_block_quads(format, block + 8 + 16 * g, quads);
                } else {
                    const k_scales scales = k_scales_at(block, g);
                    to[lane] = (char)scales.scale, to[P + lane] = (char)scales.minimum;
                    k_block_quads(format, block, g, quads);
                }
                put_quads(format, quads, lane, to + scale_bytes(format));
            }
        }
    }
}

// Packs a panel from `count` rows of a file.
static void pack_blocks(int format, const void *const *rows, size_t count, size_t I, char *panel) {
    if (count < P) memset(panel, 0, panel_bytes(format, I));
#define SMALL(format) case SLM_WEIGHTS_##format: pack_small_blocks(SLM_WEIGHTS_##format, rows, count, I, panel); break;
#define LARGE(format) case SLM_WEIGHTS_##format: pack_large_blocks(SLM_WEIGHTS_##format, rows, count, I, panel); break;
    switch (format) { SMALL_BLOCK_FORMATS(SMALL) LARGE_BLOCK_FORMATS(LARGE) }
#undef SMALL
#undef LARGE
}
