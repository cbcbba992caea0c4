// NEON: few_rows.h, with input rows that are loaded as vectors and multiplied lane by lane.

// Adds to the sums of R rows the products of the unit in lane `l` of each row with its weights. A lane of a vector of floats: for other
// types, the compiler copies the lane first.
INLINE void add_unit(int precision, int R, vf (*sum)[2], const vf *x, int l, vu a, vu b) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        sum[r][0] = add_units(precision, sum[r][0], splat(x[r][l]), a);
        sum[r][1] = add_units(precision, sum[r][1], splat(x[r][l]), b);
    }
}

// W units of each of R rows, `step` bytes apart, from unit i on.
INLINE void load_units(int R, const char *rows, size_t step, size_t i, vf *x) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) x[r] = load((const float *)(rows + (size_t)r * step) + i);
}

// tile[R][P] = the products of R rows and a panel, both f32 or bf16.
INLINE void packed_units(int precision, int R, const char *rows, size_t step, size_t units, const unit *panel, float *tile) {
    vf sum[R][2], x[R];
    clear_tile(R, sum);
    size_t i = 0;
    for (; i + W <= units; i += W, panel += W * P) {
        if (R > 1) prefetch_ahead(panel, 4 * W * P);
        load_units(R, rows, step, i, x);
#pragma clang loop unroll(full)
        for (int l = 0; l < W; l++)
            add_unit(precision, R, sum, x, l, *(const vu_any *)(panel + l * P), *(const vu_any *)(panel + l * P + W));
    }
    for (; i < units; i++, panel += P) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = splat(((const float *)(rows + (size_t)r * step))[i]);
        add_unit(precision, R, sum, x, 0, *(const vu_any *)panel, *(const vu_any *)(panel + W));
    }
    store_tile(R, sum, tile);
}

#ifdef SLM_NATIVE_BF16
// Writes the exceptions of a pair of inputs into its decompressed weights [P]. Returns the next exception.
static inline const exception *put_exceptions(const exception *e, const exception *end, unit *weights) {
    for (const size_t pair = next_pair(e, end); next_pair(e, end) == pair; e++) {
        const bf16 value = narrow1(e->value);
        memcpy((char *)(weights + e->output) + 2 * (e->input % 2), &value, 2);
    }
    return e;
}

INLINE void packed_bf12(int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    vf sum[R][2], x[R];
    clear_tile(R, sum);
    const uint8_t *from = (const uint8_t *)panel + bases_bytes(I);
    const uint8x16_t code_and_sign = {0, 1, 2, 3, 4, 5, 6, 7, 128, 129, 130, 131, 132, 133, 134, 135};
    const uint8x16_t is_coded = {0, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255};
    const exceptions *list = exceptions_of(panel, I);
    const exception *e = list->list, *end = e + list->count;
    size_t next = next_pair(e, end);
    for (size_t i = 0; i < I / 2; i += W) {
        load_units(R, rows, step, i, x);
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
                add_unit(SLM_BF16, R, sum, x, h + j, a, b);
            }
        }
    }
    store_tile(R, sum, tile);
}
#else
// Adds to the sums of R rows the products of the two inputs in lanes `l` and `l` + 1 of each row with their weights.
INLINE void add_widened(int R, vf (*even)[2], vf (*odd)[2], const vf *x, int l, const unit *pairs) {
    const vu a = *(const vu_any *)pairs, b = *(const vu_any *)(pairs + W);
    add_unit(SLM_F32, R, even, x, l, a << 16, b << 16);
    add_unit(SLM_F32, R, odd, x, l + 1, a & 0xffff0000, b & 0xffff0000);
}

// Widens the weights in registers. The rows are floats. Even and odd inputs have sums of their own, so that a multiply-add need not wait
// for the one before.
INLINE void packed_bf16(int R, const char *rows, size_t step, size_t I, const unit *panel, float *tile) {
    vf even[R][2], odd[R][2], x[R];
    clear_tile(R, even), clear_tile(R, odd);
    size_t i = 0;
    for (; i + W <= I; i += W, panel += W / 2 * P) {
        if (R > 1) prefetch_ahead(panel, 2 * W * P);
        load_units(R, rows, step, i, x);
#pragma clang loop unroll(full)
        for (int l = 0; l < W; l += 2) add_widened(R, even, odd, x, l, panel + l / 2 * P);
    }
    for (; i < I; i += 2, panel += P) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) x[r] = load_first((const float *)(rows + (size_t)r * step) + i, 2);
        add_widened(R, even, odd, x, 0, panel);
    }
    add_tile(R, even, odd);
    store_tile(R, even, tile);
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
