// Weights in codes of 4 or 6 bits with a scale and a minimum for each group of 32 inputs: int4 and int6.
//
// A file stores them row by row: the f32 scale d of the output, then for each group
//     scale      a byte c
//     zero       a byte z: the code of weight 0, in fractions of a step
//     words [4]  in byte j of word k, the code of input 8k + j in the low half, and that of input 8k + 4 + j in the high half
//     words [2]  int6 only: in byte j of word k, the upper two bits of the codes of inputs 16k + 4t + j, t = 0 … 3, lowest first
// The code q of a weight stands for d·c·(q − z·2ᵇ/256), b = 4 or 6. The last group of a row is filled up with codes that no input has.

static inline size_t affine_group_bytes(int precision) { return precision == SLM_WEIGHTS_INT6 ? 26 : 18; }
static size_t affine_row_bytes(int precision, size_t I) { return 4 + groups_in(precision, I) * affine_group_bytes(precision); }

// Packs a panel from the rows of a file.
static void pack_affine(int precision, const void *const *rows, size_t count, size_t I, char *panel) {
    const size_t words = affine_group_bytes(precision) / 4;
    if (count < P) memset(panel, 0, panel_bytes(precision, I));
    for (size_t lane = 0; lane < count; lane++) {
        const uint8_t *from = rows[lane];
        memcpy(panel + 4 * lane, from, 4);
        from += 4;
        char *to = panel + header_bytes(precision);
        for (size_t g = 0; g < groups_in(precision, I); g++, from += affine_group_bytes(precision), to += group_bytes(precision)) {
            to[lane] = (char)from[0], to[P + lane] = (char)from[1];
            for (size_t k = 0; k < words; k++) memcpy(to + 2 * P + 4 * (k * P + lane), from + 2 + 4 * k, 4);
        }
    }
}

// The codes of a group, in the order of the inputs.
INLINE void affine_group_codes(int precision, const uint8_t *group, uint8_t *codes) {
    for (size_t i = 0; i < SMALL_GROUP; i++) {
        codes[i] = group[2 + i / 8 * 4 + i % 4] >> (i % 8 < 4 ? 0 : 4) & 15;
        if (precision == SLM_WEIGHTS_INT6) codes[i] |= (uint8_t)((group[18 + i / 16 * 4 + i % 4] >> (2 * (i / 4 % 4)) & 3) << 4);
    }
}

// w[at + i] = the first `count` weights of a group of a row whose scale is d.
INLINE void dequantize_affine_group(int precision, const uint8_t *group, float d, size_t count, const float *input_scales, void *w,
                                    int type, size_t at) {
    uint8_t codes[SMALL_GROUP];
    affine_group_codes(precision, group, codes);
    const float scale = d * (float)group[0], minimum = scale * (float)group[1] * minimum_unit(precision);
    float values[SMALL_GROUP];
    for (size_t i = 0; i < SMALL_GROUP; i += W)
        store(values + i, load_bytes(codes + i) * splat(scale) - splat(minimum));
    size_t i = 0;
    for (; i + W <= count; i += W) {
        vf x = load(values + i);
        if (input_scales) x *= load(input_scales + i);
        put(w, type, at + i, x);
    }
    for (; i < count; i++) put1(w, type, at + i, values[i] * (input_scales ? input_scales[i] : 1));
}
