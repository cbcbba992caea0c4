// Reads the number formats of other programs' files: plain numbers, and llama.cpp's blocks. Arithmetic and rounding are those of
// llama.cpp's plain C, so that equal bytes give equal numbers.

// 32 numbers: the lower halves of 16 bytes, then the upper halves. `fifth` is where the 32 fifth bits are, or NULL; `zero` the code of 0.
INLINE void read_halves(const uint8_t *codes, const uint8_t *fifth, int zero, float scale, float minimum, float *to) {
#pragma clang fp contract(off)
    uint32_t bits = 0;
    if (fifth) memcpy(&bits, fifth, 4);
    for (size_t i = 0; i < 16; i++) {
        const int low = (codes[i] & 15) | (int)(bits >> i & 1) << 4, high = codes[i] >> 4 | (int)(bits >> (i + 16) & 1) << 4;
        to[i] = (float)(low - zero) * scale + minimum;
        to[16 + i] = (float)(high - zero) * scale + minimum;
    }
}

// The scale and the minimum of a group of a block of Q4_K or Q5_K, of 6 bits each.
typedef struct { uint8_t scale, minimum; } k_scales;
static inline k_scales k_scales_at(const uint8_t *block, size_t group) {
    const uint8_t *scales = block + 4;
    if (group < 4) return (k_scales){scales[group] & 63, scales[group + 4] & 63};
    return (k_scales){(uint8_t)((scales[group + 4] & 15) | scales[group - 4] >> 6 << 4),
                      (uint8_t)(scales[group + 4] >> 4 | scales[group] >> 6 << 4)};
}

// 256 numbers of 4 or 5 bits. Each group of 32 has a scale and a minimum; two groups share 32 bytes.
static inline void read_k(const uint8_t *from, const uint8_t *fifth, float *to) {
#pragma clang fp contract(off)
    const uint8_t *codes = from + (fifth ? 48 : 16);
    for (size_t group = 0; group < 8; group++) {
        const k_scales scales = k_scales_at(from, group);
        const float d = f16_at(from) * (float)scales.scale, m = f16_at(from + 2) * (float)scales.minimum;
        const uint8_t *own = codes + 32 * (group / 2);
        for (size_t i = 0; i < 32; i++) {
            int code = own[i] >> (group % 2 * 4) & 15;
            if (fifth) code |= (fifth[i] >> group & 1) << 4;
            to[32 * group + i] = d * (float)code - m;
        }
    }
}

// 256 numbers of 6 bits. In each half, four rows of 32 numbers share 64 bytes of lower bits and 32 bytes of upper bits.
static inline void read_q6(const uint8_t *from, float *to) {
#pragma clang fp contract(off)
    const float d = f16_at(from + 208);
    for (size_t half = 0; half < 2; half++)
        for (size_t row = 0; row < 4; row++)
            for (size_t i = 0; i < 32; i++) {
                const int low = from[64 * half + 32 * (row % 2) + i] >> (row < 2 ? 0 : 4) & 15;
                const int high = from[128 + 32 * half + i] >> (2 * row) & 3;
                const float scale = (float)(int8_t)from[192 + 8 * half + 2 * row + i / 16];
                to[128 * half + 32 * row + i] = d * scale * (float)((low | high << 4) - 32);
            }
}

// 256 numbers of 2 bits, in groups of 16. In each half, four rows of 32 numbers share 32 bytes.
static inline void read_q2(const uint8_t *from, float *to) {
#pragma clang fp contract(off)
    const float d = f16_at(from + 80), m = f16_at(from + 82);
    for (size_t i = 0; i < 256; i++) {
        const size_t row = i % 128 / 32, group = i / 16;
        const int code = from[16 + 32 * (i / 128) + i % 32] >> (2 * row) & 3;
        to[i] = d * (float)(from[group] & 15) * (float)code - m * (float)(from[group] >> 4);
    }
}

// The scale of a group of a block of Q3_K: 4 bits, and two more behind those of all groups.
static inline int8_t q3_scale_at(const uint8_t *block, size_t group) {
    const uint8_t *scales = block + 96;
    const int low = scales[group % 8] >> (group < 8 ? 0 : 4) & 15, high = scales[8 + group % 4] >> (2 * (group / 4)) & 3;
    return (int8_t)((low | high << 4) - 32);
}

// 256 numbers of 3 bits, in groups of 16. Bit `row` of 32 bytes is the third bit of a row of 32 numbers.
static inline void read_q3(const uint8_t *from, float *to) {
#pragma clang fp contract(off)
    const float d = f16_at(from + 108);
    for (size_t i = 0; i < 256; i++) {
        const size_t row = i / 32;
        const int code = (from[32 + 32 * (i / 128) + i % 32] >> (2 * (row % 4)) & 3) | (from[i % 32] >> row & 1) << 2;
        to[i] = d * (float)q3_scale_at(from, i / 16) * (float)(code - 4);
    }
}

// The scale of a group of 32 numbers of a block of IQ4_XS, of 6 bits.
static inline int8_t iq4_scale_at(const uint8_t *block, size_t group) {
    const int low = block[4 + group / 2] >> (4 * (group % 2)) & 15, high = block[2 + group / 4] >> (2 * (group % 4)) & 3;
    return (int8_t)((low | high << 4) - 32);
}

// 32 numbers: the levels of the lower halves of 16 bytes, then of the upper halves.
static inline void read_levels(const uint8_t *levels, const uint8_t *codes, float scale, float *to) {
#pragma clang fp contract(off)
    for (size_t i = 0; i < 16; i++) {
        to[i] = scale * (float)(levels[codes[i] & 15] - 128);
        to[16 + i] = scale * (float)(levels[codes[i] >> 4] - 128);
    }
}

static inline void read_iq4_xs(const uint8_t *from, float *to) {
    for (size_t g = 0; g < 8; g++)
        read_levels(iq4_levels, from + 8 + 16 * g, f16_at(from) * (float)iq4_scale_at(from, g), to + 32 * g);
}

// Returns where the blocks end.
static const uint8_t *read_stored_as_f32(int format, const uint8_t *from, size_t count, float *to) {
#pragma clang fp contract(off)
    switch (format) {
    case SLM_STORED_F32: memcpy(to, from, 4 * count); return from + 4 * count;
    case SLM_STORED_F16: for (size_t i = 0; i < count; i++) to[i] = f16_at(from + 2 * i); return from + 2 * count;
    case SLM_STORED_BF16: {
        size_t i = 0;
        for (; i + W <= count; i += W) store(to + i, load_bf16((const bf16 *)(const void *)(from + 2 * i)));
        for (; i < count; i++) {
            bf16 x;
            memcpy(&x, from + 2 * i, 2);
            to[i] = widen1(x);
        }
        return from + 2 * count;
    }
    case SLM_STORED_Q8_0:
        for (; count >= 32; count -= 32, from += 34, to += 32) {
            const float d = f16_at(from);
            for (size_t i = 0; i < 32; i++) to[i] = (float)(int8_t)from[2 + i] * d;
        }
        break;
    case SLM_STORED_Q4_0:
        for (; count >= 32; count -= 32, from += 18, to += 32) read_halves(from + 2, NULL, 8, f16_at(from), -0.0f, to);
        break;
    case SLM_STORED_Q4_1:
        for (; count >= 32; count -= 32, from += 20, to += 32) read_halves(from + 4, NULL, 0, f16_at(from), f16_at(from + 2), to);
        break;
    case SLM_STORED_Q5_0:
        for (; count >= 32; count -= 32, from += 22, to += 32) read_halves(from + 6, from + 2, 16, f16_at(from), -0.0f, to);
        break;
    case SLM_STORED_Q5_1:
        for (; count >= 32; count -= 32, from += 24, to += 32) read_halves(from + 8, from + 4, 0, f16_at(from), f16_at(from + 2), to);
        break;
    case SLM_STORED_Q4_K: for (; count >= 256; count -= 256, from += 144, to += 256) read_k(from, NULL, to); break;
    case SLM_STORED_Q5_K: for (; count >= 256; count -= 256, from += 176, to += 256) read_k(from, from + 16, to); break;
    case SLM_STORED_Q2_K: for (; count >= 256; count -= 256, from += 84, to += 256) read_q2(from, to); break;
    case SLM_STORED_Q3_K: for (; count >= 256; count -= 256, from += 110, to += 256) read_q3(from, to); break;
    case SLM_STORED_IQ4_NL:
        for (; count >= 32; count -= 32, from += 18, to += 32) read_levels(iq4_levels, from + 2, f16_at(from), to);
        break;
    case SLM_STORED_MXFP4:
        for (; count >= 32; count -= 32, from += 17, to += 32) read_levels(mxfp4_levels, from + 1, power_of_two(*from), to);
        break;
    case SLM_STORED_IQ4_XS: for (; count >= 256; count -= 256, from += 136, to += 256) read_iq4_xs(from, to); break;
    default: for (; count >= 256; count -= 256, from += 210, to += 256) read_q6(from, to);
    }
    return from;
}

// Reads `count` numbers, whole blocks, from `bytes`, and rounds them to bf16 if that is `type`.
static void read_stored(int format, const void *bytes, size_t count, void *to, int type) {
    if (type == SLM_F32) {
        read_stored_as_f32(format, bytes, count, to);
        return;
    }
    if (format == SLM_STORED_BF16) {
        memcpy(to, bytes, 2 * count);
        return;
    }
    const uint8_t *from = bytes;
    float part[256] __attribute__((aligned(64)));
    for (size_t first = 0; first < count; first += 256) {            // whole blocks of every format
        const size_t n = min_size(256, count - first);
        size_t i = 0;
        from = read_stored_as_f32(format, from, n, part);
        for (; i + W <= n; i += W) put(to, SLM_BF16, first + i, load(part + i));
        for (; i < n; i++) put1(to, SLM_BF16, first + i, part[i]);
    }
}
