// Access to single weights: quantized weights row by row, as files store them, and embedding lookup in packed weights. A row of quantized
// weights is a code for each weight (a byte, or in int4 half a byte, the first in the low half) and a scale for each group.

static inline size_t code_bytes(int precision, size_t I) { return precision == SLM_WEIGHTS_INT8 ? I : (I + 1) / 2; }

// The byte offset in a panel of the code of input i of output `lane`. In int4, `shift` selects the half of the byte.
static inline size_t offset_of_code(int precision, size_t lane, size_t i, int *shift) {
    const size_t g = i / group_of(precision), q = i % group_of(precision) / 4, j = i % 4;
    const size_t group = group_bytes(precision);
    *shift = has_bytes(precision) ? 0 : 4 * (int)(q % 2);
    return g * group + 2 * P + 4 * ((has_bytes(precision) ? q : q / 2) * P + lane) + j;
}
static inline bf16 *scale_at(int precision, char *panel, size_t lane, size_t g) {
    return (bf16 *)(panel + g * group_bytes(precision)) + lane;
}

// Copies rows o0 ..< o1 out of the panels; `codes` and `scales` begin at row o0.
static void weights_unpack_codes(int precision, const void *panels, size_t I, size_t o0, size_t o1, uint8_t *codes, float *scales) {
    const uint8_t mask = precision == SLM_WEIGHTS_INT8 ? 255 : 15;
    memset(codes, 0, (o1 - o0) * code_bytes(precision, I));
    for (size_t o = o0; o < o1; o++, codes += code_bytes(precision, I), scales += groups_of(I)) {
        char *panel = (char *)panels + o / P * panel_bytes(precision, I);
        for (size_t g = 0; g < groups_of(I); g++) scales[g] = widen1(*scale_at(precision, panel, o % P, g));
        for (size_t i = 0; i < I; i++) {
            int shift;
            const uint8_t code = (uint8_t)(((const uint8_t *)panel)[offset_of_code(precision, o % P, i, &shift)] >> shift) & mask;
            if (precision == SLM_WEIGHTS_INT8) codes[i] = code; else codes[i / 2] |= (uint8_t)(code << (4 * (i % 2)));
        }
    }
}

// The codes of four neighboring inputs in the low halves of the bytes, given in 16 bits.
static inline uint32_t spread_codes(uint32_t x) {
    x = (x | x << 8) & 0x00ff00ff;
    return (x | x << 4) & 0x0f0f0f0f;
}

// Packs panels p0 ..< p1; `codes` and `scales` hold all rows. Codes of outputs and inputs that do not exist are 0.
static void weights_pack_codes(int precision, const uint8_t *codes, const float *scales, size_t O, size_t I, size_t p0, size_t p1,
                               void *panels) {
    const size_t width = code_bytes(precision, I), group_width = precision == SLM_WEIGHTS_INT8 ? GROUP : GROUP / 2;
    for (size_t p = p0; p < p1; p++) {
        char *to = (char *)panels + p * panel_bytes(precision, I);
        const size_t o0 = p * P, lanes = min_size(P, O - o0);
        if (lanes < P) memset(to, 0, panel_bytes(precision, I));
        for (size_t g = 0; g < groups_of(I); g++, to += group_bytes(precision)) {
            uint32_t *quads = (uint32_t *)(to + 2 * P);
            for (size_t lane = 0; lane < lanes; lane++) {
                const size_t o = o0 + lane;
                ((bf16 *)to)[lane] = narrow1(scales[o * groups_of(I) + g]);
                uint32_t four[QUADS] = {0};                   // in int4, the codes of eight inputs each
                memcpy(four, codes + o * width + g * group_width, min_size(group_width, width - g * group_width));
                if (precision == SLM_WEIGHTS_INT8) {
                    for (size_t q = 0; q < QUADS; q++) quads[q * P + lane] = four[q];
                } else {
                    for (size_t q = 0; q < QUADS / 2; q++)
                        quads[q * P + lane] = spread_codes(four[q] & 0xffff) | spread_codes(four[q] >> 16) << 4;
                }
            }
        }
    }
}

// Packs a panel of llama.cpp's blocks: an f16 scale, then 32 signed bytes, or 16 bytes whose low halves are the first 16 codes.
static void weights_pack_blocks(int precision, const void *const *rows, size_t count, size_t I, void *panel) {
    const size_t block = precision == SLM_WEIGHTS_Q8_0 ? 34 : 18;
    if (count < P) memset(panel, 0, panel_bytes(precision, I));
    for (size_t lane = 0; lane < count; lane++) {
        const char *from = rows[lane];
        char *to = panel;
        for (size_t g = 0; g < I / GGUF_BLOCK; g++, from += block, to += group_bytes(precision)) {
            memcpy(to + 2 * lane, from, 2);
            char *quads = to + 2 * P + 4 * lane;
            uint32_t four[8] = {0};
            memcpy(four, from + 2, block - 2);
            if (precision == SLM_WEIGHTS_Q8_0) {
                for (size_t q = 0; q < 8; q++) four[q] ^= 0x80808080, memcpy(quads + 4 * q * P, four + q, 4);
                continue;
            }
            // The codes of quad q are the low halves of word q, or the high halves of word q - 4.
            for (size_t q = 0; q < 4; q++) {
                const uint32_t low = four[q % 2 * 2], high = four[q % 2 * 2 + 1], shift = q < 2 ? 0 : 4;
                const uint32_t pair = (low >> shift & 0x0f0f0f0f) | (high >> shift & 0x0f0f0f0f) << 4;
                memcpy(quads + 4 * q * P, &pair, 4);
            }
        }
    }
}

// w[at + i] = the weights that the `count` ≤ GROUP codes of a group stand for.
INLINE void dequantize_group(int precision, const uint8_t *codes, size_t count, float scale, const float *input_scales, void *w, int type,
                             size_t at) {
    uint8_t bytes[GROUP] __attribute__((aligned(64)));         // values + 128
    if (precision == SLM_WEIGHTS_INT8) memcpy(bytes, codes, count);
    else {
        for (size_t i = 0; i < (count + 1) / 2; i++) bytes[2 * i] = codes[i] & 15, bytes[2 * i + 1] = codes[i] >> 4;
        for (size_t i = count + count % 2; i < GROUP; i++) bytes[i] = 0;
        for (size_t i = 0; i < GROUP; i += 4 * W) *(vu_any *)(bytes + i) = levels_of(*(const vu_any *)(bytes + i));
    }
    size_t i = 0;
    for (; i + W <= count; i += W) {
        const vb steps = *(const vb_any *)(bytes + i) ^ (int8_t)-128;
        vf x = __builtin_convertvector(__builtin_convertvector(steps, vi), vf) * splat(scale);
        if (input_scales) x *= load(input_scales + i);
        put(w, type, at + i, x);
    }
    for (; i < count; i++) put1(w, type, at + i, (float)(bytes[i] - 128) * scale * (input_scales ? input_scales[i] : 1));
}

INLINE void dequantize_as(int precision, const uint8_t *codes, const float *scales, const float *input_scales, size_t N, size_t I,
                          size_t columns, void *w, int type) {
    const size_t bytes = precision == SLM_WEIGHTS_INT8 ? GROUP : GROUP / 2;
    for (size_t n = 0; n < N; n++, codes += code_bytes(precision, I), scales += groups_of(I))
        for (size_t g = 0, i = 0; i < columns; g++, i += GROUP)
            dequantize_group(precision, codes + g * bytes, min_size(GROUP, columns - i), scales[g], input_scales ? input_scales + i : NULL,
                             w, type, n * columns + i);
}

// w [N,columns] = the weights that the first `columns` codes of N rows of I codes stand for.
static void weights_dequantize(int precision, const uint8_t *codes, const float *scales, const float *input_scales, size_t N, size_t I,
                               size_t columns, void *w, int type) {
    const bool is_int8 = precision == SLM_WEIGHTS_INT8;
    if (is_int8 && type == SLM_F32) dequantize_as(SLM_WEIGHTS_INT8, codes, scales, input_scales, N, I, columns, w, SLM_F32);
    else if (is_int8) dequantize_as(SLM_WEIGHTS_INT8, codes, scales, input_scales, N, I, columns, w, SLM_BF16);
    else if (type == SLM_F32) dequantize_as(SLM_WEIGHTS_INT4, codes, scales, input_scales, N, I, columns, w, SLM_F32);
    else dequantize_as(SLM_WEIGHTS_INT4, codes, scales, input_scales, N, I, columns, w, SLM_BF16);
}

// y[n] = row ids[n] of packed weights (+ more[n]).
static void weights_lookup(int precision, const void *panels, size_t I, const float *input_scales, const int32_t *ids, const float *more,
                           float *y, size_t N) {
    for (size_t n = 0; n < N; n++, y += I, more = more ? more + I : NULL) {
        const size_t lane = (size_t)ids[n] % P;
        char *panel = (char *)panels + (size_t)ids[n] / P * panel_bytes(precision, I);
        if (precision == SLM_WEIGHTS_BF12) {
            bf12_row(panel, I, lane, y);
            for (size_t i = 0; more && i < I; i++) y[i] += more[i];
            continue;
        }
        for (size_t i = 0; i < I; i++) {
            float x;
            if (precision == SLM_WEIGHTS_F32) x = ((const float *)panel)[i * P + lane];
            else if (precision == SLM_WEIGHTS_BF16) x = widen1(((const bf16 *)panel)[2 * (i / 2 * P + lane) + i % 2]);
            else {
                int shift;
                const uint8_t code = ((const uint8_t *)panel)[offset_of_code(precision, lane, i, &shift)];
                const bf16 *scale = scale_at(precision, panel, lane, i / group_of(precision));
                const int level = has_bytes(precision) ? code - 128
                    : precision == SLM_WEIGHTS_Q4_0 ? (code >> shift & 15) - 8 : int4_levels[code >> shift & 15];
                x = (float)level * (is_block(precision) ? f16_at((const uint8_t *)scale) : widen1(*scale));
                if (input_scales) x *= input_scales[i];
            }
            y[i] = more ? x + more[i] : x;
        }
    }
}
