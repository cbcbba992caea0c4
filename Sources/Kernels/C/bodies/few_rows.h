// Products of few rows and a panel of packed weights (packed_weights.h): as many rows as have registers for their sums. Each weight is
// read once.

// The sums of R rows in registers, for both vectors of a panel.
INLINE void clear_tile(int R, vf (*sum)[2]) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = (vf){0};
}
INLINE void add_tile(int R, vf (*sum)[2], vf (*more)[2]) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] += more[r][0], sum[r][1] += more[r][1];
}
INLINE void store_tile(int R, vf (*sum)[2], float *tile) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) store(tile + r * P, sum[r][0]), store(tile + r * P + W, sum[r][1]);
}

#ifdef SLM_NEON
#include "bodies/neon_few_rows.h"
#else
// Adds to the sums of R rows, `step` bytes apart, the products of their unit i with its weights, in both vectors of a panel.
INLINE void add_unit(int precision, int R, vf (*sum)[2], const char *rows, size_t step, size_t i, vu a, vu b) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        const vf x = splat_unit(((const unit_any *)(rows + (size_t)r * step))[i]);
        sum[r][0] = add_units(precision, sum[r][0], x, a);
        sum[r][1] = add_units(precision, sum[r][1], x, b);
    }
}

// tile[R][P] = the products of R rows and a panel, both f32 or bf16.
INLINE void packed_units(int precision, int R, const char *rows, size_t step, size_t units, const unit *panel, float *tile) {
    vf sum[R][2];
    clear_tile(R, sum);
    for (size_t i = 0; i < units; i++, panel += P) {
        if (R > 1) prefetch_ahead(panel, 4 * P);
        add_unit(precision, R, sum, rows, step, i, *(const vu_any *)panel, *(const vu_any *)(panel + W));
    }
    store_tile(R, sum, tile);
}

#ifdef SLM_NATIVE_BF16
// Decompresses pair j of the two pairs of inputs at `from`, without exceptions, into both vectors of a panel.
INLINE void bf12_pair(const __m512i *from, char base, size_t j, __m512i *a, __m512i *b) {
    const __m512i code_and_sign =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -128, -127, -126, -125, -124, -123, -122, -121));
    // The upper bytes that the 16 codes stand for.
    const __m512i uppers = _mm512_mask_add_epi8(code_and_sign, 0xfefefefefefefefe, code_and_sign, _mm512_set1_epi8(base));
    const __m512i codes = _mm512_loadu_si512(from), lower = _mm512_loadu_si512(from + 1 + j), half = _mm512_set1_epi8(15);
    const __m512i upper = _mm512_shuffle_epi8(uppers, _mm512_and_si512(j == 0 ? codes : _mm512_srli_epi16(codes, 4), half));
    *a = _mm512_unpacklo_epi8(lower, upper), *b = _mm512_unpackhi_epi8(lower, upper);
}

// Writes an exception into the decompressed weights of its pair of inputs. Without a store, on whose end a load of the vector would wait.
INLINE void put_exception(const exception *e, __m512i *a, __m512i *b) {
    const __mmask32 lane = 1u << (2 * (e->output % W) + e->input % 2);
    const short value = (short)narrow1(e->value);
    *a = _mm512_mask_set1_epi16(*a, e->output < W ? lane : 0, value);
    *b = _mm512_mask_set1_epi16(*b, e->output < W ? 0 : lane, value);
}

INLINE void packed_bf12(int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    vf sum[R][2];
    clear_tile(R, sum);
    const __m512i *from = (const __m512i *)(panel + bases_bytes(I));
    const exceptions *list = exceptions_of(panel, I);
    const exception *e = list->list, *const end = e + list->count;
    for (size_t i = 0; i < I / 2;) {
        const size_t next = min_size(next_pair(e, end) / 2 * 2, I / 2);
        for (; i < next; i += 2, from += 3) {
            prefetch_ahead(from, BYTES_PER_4_INPUTS);
#pragma clang loop unroll(full)
            for (size_t j = 0; j < 2; j++) {
                __m512i a, b;
                bf12_pair(from, panel[i / 2], j, &a, &b);
                add_unit(SLM_BF16, R, sum, rows, step, i + j, (vu)a, (vu)b);
            }
        }
        if (i == I / 2) break;
        // Two pairs with exceptions. A loop of its own, so that the common one keeps all registers.
#pragma clang loop unroll(disable)
        for (size_t j = 0; j < 2; j++) {
            __m512i a, b;
            bf12_pair(from, panel[i / 2], j, &a, &b);
            for (; next_pair(e, end) == i + j; e++) put_exception(e, &a, &b);
            add_unit(SLM_BF16, R, sum, rows, step, i + j, (vu)a, (vu)b);
        }
        i += 2, from += 3;
    }
    store_tile(R, sum, tile);
}
#else
// Widens the weights in registers. The rows are floats. Even and odd inputs have sums of their own, so that a multiply-add need not wait
// for the one before.
INLINE void packed_bf16(int R, const char *rows, size_t step, size_t I, const unit *panel, float *tile) {
    vf even[R][2], odd[R][2];
    clear_tile(R, even), clear_tile(R, odd);
    for (size_t i = 0; i < I; i += 2, panel += P) {
        if (R > 1) prefetch_ahead(panel, 4 * P);
        const vu a = *(const vu_any *)panel, b = *(const vu_any *)(panel + W);
        add_unit(SLM_F32, R, even, rows, step, i, a << 16, b << 16);
        add_unit(SLM_F32, R, odd, rows, step, i + 1, a & 0xffff0000, b & 0xffff0000);
    }
    add_tile(R, even, odd);
    store_tile(R, even, tile);
}
#endif

// sum + quads of unsigned bytes · the quad of row bytes at x
static inline vi add_quads(int precision, vi sum, vu quads, const char *x) {
#ifdef SLM_VNNI
    (void)precision;
    int32_t row;
    memcpy(&row, x, 4);
    return multiply_quads(sum, quads, (vi){0} + row);
#else
    int32_t row[2];
#ifdef SLM_BYTE_PAIRS
    if (row_byte_size(precision) == 1) {
        memcpy(row, x, 4);
        return sum + sum_of_halves(multiply_bytes(quads, (vi){0} + row[0]));
    }
#else
    (void)precision;
#endif
    memcpy(row, x, 8);
    const vi even = multiply_pairs((vi)(quads & 0x00ff00ff), (vi){0} + row[0]);
    return sum + even + multiply_pairs((vi)((quads >> 8) & 0x00ff00ff), (vi){0} + row[1]);
#endif
}

INLINE void packed_int(int precision, int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    vf sum[R][2];
    clear_tile(R, sum);
    const int8_row first = int8_row_at(precision, rows, I);
    const char *bytes = first.bytes;
    for (size_t g = 0; g < groups_in(precision, I); g++, bytes += group_of(precision) * row_byte_size(precision)) {
        const char *group = group_at(precision, panel, g);
        vi part[R][2];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            part[r][0] = part[r][1] = first_sum(precision, first, (size_t)r * step, g);
            const int32_t q = quad_with_uppers(precision, first, (size_t)r * step, g);
            if (q < 0) continue;
            const char *upper = first.uppers + g * 4 * row_byte_size(precision) + (size_t)r * step;
            for (size_t v = 0; v < 2; v++)
                part[r][v] += add_quads(precision, (vi){0}, quads_at(precision, group, (size_t)q, v), upper) * UPPER;
        }
#pragma clang loop unroll(full)
        for (int q = 0; q < (int)group_of(precision) / 4; q++) {
            if (R > 1 && has_bytes(precision)) prefetch_ahead(group + 2 * P + 4 * q * P, 4 * P);
            else if (R > 1 && q % 2 == 0) prefetch_ahead(group + 2 * P + 2 * q * P, 4 * P);
            const vu quads[2] = {quads_at(precision, group, (size_t)q, 0), quads_at(precision, group, (size_t)q, 1)};
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++)
                for (int v = 0; v < 2; v++)
                    part[r][v] = add_quads(precision, part[r][v], quads[v],
                                           bytes + (size_t)r * step + 4 * (size_t)q * row_byte_size(precision));
        }
        const group_scales scales = load_group_scales(precision, panel, g);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++)
            for (size_t v = 0; v < 2; v++) sum[r][v] = add_scaled(precision, sum[r][v], part[r][v], first, (size_t)r * step, g, &scales, v);
    }
    const vf output[2] = {output_scale(precision, panel, 0), output_scale(precision, panel, 1)};
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
        for (size_t v = 0; v < 2; v++) store(tile + r * P + v * W, is_affine(precision) ? sum[r][v] * output[v] : sum[r][v]);
}

#endif   // SLM_NEON

INLINE void packed_tile(int precision, int R, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    switch (precision) {
    case SLM_WEIGHTS_F32: packed_units(SLM_F32, R, rows, step, I, (const unit *)(const void *)panel, tile); break;
#ifdef SLM_NATIVE_BF16
    case SLM_WEIGHTS_BF16: packed_units(SLM_BF16, R, rows, step, (I + 1) / 2, (const unit *)(const void *)panel, tile); break;
    case SLM_WEIGHTS_BF12: packed_bf12(R, rows, step, I, panel, tile); break;
#else
    case SLM_WEIGHTS_BF16: packed_bf16(R, rows, step, I, (const unit *)(const void *)panel, tile); break;
    case SLM_WEIGHTS_BF12: __builtin_trap();                  // the Swift caller has checked has_native_bf16
#endif
    default: packed_int(precision, R, rows, step, I, panel, tile);
    }
}

// Rows that are multiplied together: as many as have registers for their sums. A sum of int8 or int4 needs two registers, and one of
// bf16 without bf16 instructions.
#ifdef SLM_NATIVE_BF16
#define BF16_ROWS FLOAT_ROWS
#else
#define BF16_ROWS (FLOAT_ROWS / 2)
#endif
#define MAX_ROWS(precision) (is_int(precision) ? INT_ROWS : is_bf16(precision) ? BF16_ROWS : FLOAT_ROWS)

// Multiplies some of the `left` rows with a panel. Returns how many.
INLINE size_t few_rows(int precision, size_t left, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
    if (left >= 12 && MAX_ROWS(precision) >= 12) { packed_tile(precision, 12, rows, step, I, panel, tile); return 12; }
    if (left >= 8 && MAX_ROWS(precision) >= 8) { packed_tile(precision, 8, rows, step, I, panel, tile); return 8; }
    if (left >= 6 && MAX_ROWS(precision) >= 6) { packed_tile(precision, 6, rows, step, I, panel, tile); return 6; }
    if (left >= 4 && MAX_ROWS(precision) >= 4) { packed_tile(precision, 4, rows, step, I, panel, tile); return 4; }
    if (left >= 3 && MAX_ROWS(precision) >= 3) { packed_tile(precision, 3, rows, step, I, panel, tile); return 3; }
    if (left >= 2) { packed_tile(precision, 2, rows, step, I, panel, tile); return 2; }
    packed_tile(precision, 1, rows, step, I, panel, tile);
    return 1;
}
