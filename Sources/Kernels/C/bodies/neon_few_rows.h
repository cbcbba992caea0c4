// NEON: few_rows.h, with input rows that are loaded as vectors and multiplied lane by lane.

// tile[R][P] = the products of R rows, `step` bytes apart, and a panel.
INLINE void packed_f32(int R, const char *rows, size_t step, size_t I, const float *panel, float *tile) {
    vf sum[R][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = (vf){0};
    size_t i = 0;
    for (; i + W <= I; i += W, panel += W * P) {
        if (R > 1) prefetch_ahead(panel, 4 * W * P);
        vf x[R];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load((const float *)(rows + (size_t)r * step) + i);
#pragma clang loop unroll(full)
        for (int l = 0; l < W; l++) {
            const vf a = load(panel + l * P), b = load(panel + l * P + W);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) sum[r][0] += splat(x[r][l]) * a, sum[r][1] += splat(x[r][l]) * b;
        }
    }
    for (; i < I; i++, panel += P) {
        const vf a = load(panel), b = load(panel + W);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const vf x = splat(((const float *)(rows + (size_t)r * step))[i]);
            sum[r][0] += x * a, sum[r][1] += x * b;
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(tile + r * P, sum[r][0]), store(tile + r * P + W, sum[r][1]);
}

#ifdef SLM_NATIVE_BF16
// sum + a.low·b.low + a.high·b.high
static inline vf dot_pairs(vf sum, vu a, vu b) { return (vf)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)a, (bfloat16x8_t)b); }

// Adds to the sums of R rows the products of the pair of inputs in lane `l` of each row with their weights.
INLINE void add_pair(int R, vf (*sum)[2], const vf *x, int l, vu a, vu b) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        // The lane of a vector of floats: for other types, the compiler copies the lane first.
        const bfloat16x8_t pair = (bfloat16x8_t)splat(x[r][l]);
        sum[r][0] = (vf)vbfdotq_f32((float32x4_t)sum[r][0], (bfloat16x8_t)a, pair);
        sum[r][1] = (vf)vbfdotq_f32((float32x4_t)sum[r][1], (bfloat16x8_t)b, pair);
    }
}

INLINE void packed_bf16(int R, const char *rows, size_t step, size_t I, const unit *panel, float *tile) {
    vf sum[R][2];
    vf x[R];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = (vf){0};
    const size_t pairs = (I + 1) / 2;
    size_t i = 0;
    for (; i + W <= pairs; i += W, panel += W * P) {
        if (R > 1) prefetch_ahead(panel, 4 * W * P);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load((const float *)(rows + (size_t)r * step) + i);
#pragma clang loop unroll(full)
        for (int l = 0; l < W; l++) add_pair(R, sum, x, l, *(const vu_any *)(panel + l * P), *(const vu_any *)(panel + l * P + W));
    }
    for (; i < pairs; i++, panel += P) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = splat(((const float *)(rows + (size_t)r * step))[i]);
        add_pair(R, sum, x, 0, *(const vu_any *)panel, *(const vu_any *)(panel + W));
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(tile + r * P, sum[r][0]), store(tile + r * P + W, sum[r][1]);
}

// Writes the exceptions of a pair of inputs into its decompressed weights [P]. Returns the next exception.
static inline const exception *put_exceptions(const exception *e, const exception *end, unit *weights) {
    for (const size_t pair = next_pair(e, end); next_pair(e, end) == pair; e++) {
        const bf16 value = narrow1(e->value);
        memcpy((char *)(weights + e->output) + 2 * (e->input % 2), &value, 2);
    }
    return e;
}

INLINE void packed_bf12(int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    vf sum[R][2];
    vf x[R];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = (vf){0};
    const uint8_t *from = (const uint8_t *)panel + bases_bytes(I);
    const uint8x16_t code_and_sign = {0, 1, 2, 3, 4, 5, 6, 7, 128, 129, 130, 131, 132, 133, 134, 135};
    const uint8x16_t is_coded = {0, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255};
    const exceptions *list = exceptions_of(panel, I);
    const exception *e = list->list, *end = e + list->count;
    size_t next = next_pair(e, end);
    for (size_t i = 0; i < I / 2; i += W) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load((const float *)(rows + (size_t)r * step) + i);
#pragma clang loop unroll(full)
        for (int h = 0; h < W; h += 2, from += BYTES_PER_4_INPUTS) {
            prefetch_ahead(from, BYTES_PER_4_INPUTS);
            // The upper bytes that the 16 codes stand for.
            const uint8x16_t base = vdupq_n_u8((uint8_t)panel[(i + (size_t)h) / 2]);
            const uint8x16_t uppers = vaddq_u8(code_and_sign, vandq_u8(base, is_coded)), codes = vld1q_u8(from);
#pragma clang loop unroll(full)
            for (int j = 0; j < 2; j++) {
                const uint8x16_t lower = vld1q_u8(from + 16 * (1 + j));
                const uint8x16_t upper = vqtbl1q_u8(uppers, j == 0 ? vandq_u8(codes, vdupq_n_u8(15)) : vshrq_n_u8(codes, 4));
                vu a = (vu)vzip1q_u8(lower, upper), b = (vu)vzip2q_u8(lower, upper);
                if (__builtin_expect(i + (size_t)(h + j) == next, 0)) {
                    unit weights[P];
                    *(vu_any *)weights = a, *(vu_any *)(weights + W) = b;
                    e = put_exceptions(e, end, weights);
                    next = next_pair(e, end);
                    a = *(const vu_any *)weights, b = *(const vu_any *)(weights + W);
                }
                add_pair(R, sum, x, h + j, a, b);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(tile + r * P, sum[r][0]), store(tile + r * P + W, sum[r][1]);
}
#else
// Adds to the sums of R rows the products of the two inputs in lanes `l` and `l` + 1 of each row with their weights.
INLINE void add_pair(int R, vf (*even)[2], vf (*odd)[2], const vf *x, int l, const unit *pairs) {
    for (int v = 0; v < 2; v++) {
        const vu weights = *(const vu_any *)(pairs + v * W);
        const vf low = (vf)(weights << 16), high = (vf)(weights & 0xffff0000);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) even[r][v] += splat(x[r][l]) * low, odd[r][v] += splat(x[r][l + 1]) * high;
    }
}

// Widens the weights in registers. The rows are floats. Even and odd inputs have sums of their own, so that a multiply-add need not wait
// for the one before.
INLINE void packed_bf16(int R, const char *rows, size_t step, size_t I, const unit *panel, float *tile) {
    vf even[R][2], odd[R][2], x[R];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) even[r][0] = even[r][1] = odd[r][0] = odd[r][1] = (vf){0};
    size_t i = 0;
    for (; i + W <= I; i += W, panel += W / 2 * P) {
        if (R > 1) prefetch_ahead(panel, 2 * W * P);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load((const float *)(rows + (size_t)r * step) + i);
#pragma clang loop unroll(full)
        for (int l = 0; l < W; l += 2) add_pair(R, even, odd, x, l, panel + l / 2 * P);
    }
    for (; i < I; i += 2, panel += P) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load_first((const float *)(rows + (size_t)r * step) + i, 2);
        add_pair(R, even, odd, x, 0, panel);
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(tile + r * P, even[r][0] + odd[r][0]), store(tile + r * P + W, even[r][1] + odd[r][1]);
}
INLINE void packed_bf12(int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    (void)R, (void)rows, (void)step, (void)I, (void)panel, (void)tile;
    __builtin_trap();   // the Swift caller has checked has_native_bf16
}
#endif

// sum + quads of signed bytes · quads of signed bytes. Without dot products, a sum of two products must fit into 16 bits.
static inline vi dot_quads(vi sum, vi a, vi b) {
#ifdef SLM_DOTPROD
    return (vi)vdotq_s32((int32x4_t)sum, (int8x16_t)a, (int8x16_t)b);
#else
    const int16x8_t low = vmull_s8(vget_low_s8((int8x16_t)a), vget_low_s8((int8x16_t)b));
    return (vi)vpadalq_s16((int32x4_t)sum, vpaddq_s16(low, vmull_high_s8((int8x16_t)a, (int8x16_t)b)));
#endif
}
// sum + quads of unsigned bytes, each 128 too large, · the quad of row bytes at x
static inline vi add_quads(int precision, vi sum, vu quads, const char *x) {
    (void)precision;
    int32_t row;
    memcpy(&row, x, 4);
    return dot_quads(sum, (vi)(quads ^ 0x80808080), (vi){0} + row);
}

// Quad q of a group, of vector v of the panel, as signed bytes.
INLINE vi signed_quads_at(int precision, const char *group, size_t q, size_t v) {
    const vu codes = quads_at(precision, group, q, v);
    if (has_bytes(precision) || has_levels(precision)) return (vi)(codes ^ 0x80808080);
    return (vi)vsubq_s8((int8x16_t)codes, vdupq_n_s8((int8_t)code_zero(precision)));
}

// The sums of all groups stay in `tile`: registers hold those of one group.
INLINE void packed_int(int precision, int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    memset(tile, 0, sizeof(float) * (size_t)R * P);
    const int8_row first = int8_row_at(precision, rows, I);
    const char *bytes = first.bytes;
    vi part[INT_ROWS][2], x[INT_ROWS];
    for (size_t g = 0; g < groups_in(precision, I); g++, bytes += group_of(precision)) {
        const char *group = group_at(precision, panel, g);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            part[r][0] = part[r][1] = (vi){0};
            const int32_t q = quad_with_uppers(precision, first, (size_t)r * step, g);
            if (q < 0) continue;
            int32_t upper;
            memcpy(&upper, first.uppers + 4 * g + (size_t)r * step, 4);
            for (size_t v = 0; v < 2; v++)
                part[r][v] = dot_quads(part[r][v], signed_quads_at(precision, group, (size_t)q, v), (vi){0} + upper) * UPPER;
        }
#pragma clang loop unroll(disable)
        for (int q = 0; q < (int)group_of(precision) / 4; q += W) {
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) x[r] = *(const vi_any *)(bytes + (size_t)r * step + 4 * q);
            if (R > 1) prefetch_ahead(group + scale_bytes(precision) + 4 * q * P / (has_bytes(precision) ? 1 : 2),
                                      4 * W * P / (has_bytes(precision) ? 1 : 2));
#pragma clang loop unroll(full)
            for (int l = 0; l < W; l++) {
                vi quads[2];
                for (size_t v = 0; v < 2; v++) quads[v] = signed_quads_at(precision, group, (size_t)(q + l), v);
#pragma clang loop unroll(full)
                for (int r = 0; r < R; r++)
                    for (int v = 0; v < 2; v++) part[r][v] = dot_quads(part[r][v], quads[v], (vi){0} + x[r][l]);
            }
        }
        const group_scales scales = load_group_scales(precision, panel, g);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++)
            for (size_t v = 0; v < 2; v++) {
                float *sum = tile + (size_t)r * P + v * W;
                store(sum, add_scaled(precision, load(sum), part[r][v], first, (size_t)r * step, g, &scales, v));
            }
    }
    for (size_t i = 0; is_affine(precision) && i < (size_t)R * P; i += W)
        store(tile + i, load(tile + i) * load((const float *)panel + i % P));
}
