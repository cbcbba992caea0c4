// Products of packed weights with the tiles of AMX (amx_matmul.h). A panel of bf16 is a right operand as it is, and a group of quantized
// weights is two tiles of quads once its codes are bytes; input rows are left operands as they are.

#ifdef SLM_AMX
// Decompresses the next `units` pairs of inputs of a panel of bf12, from pair i on, with their exceptions, of which *e is the next.
INLINE void bf12_units(const char *panel, size_t I, size_t i, size_t units, const exception **e, unit *to) {
    const exceptions *list = exceptions_of(panel, I);
    const __m512i *from = (const __m512i *)(const void *)(panel + bases_bytes(I) + BYTES_PER_4_INPUTS * (i / 2));
    for (size_t u = 0; u < units; u += 2, from += 3) {
        prefetch_ahead(from, BYTES_PER_4_INPUTS);
#pragma clang loop unroll(full)
        for (size_t j = 0; j < 2; j++) {
            __m512i a, b;
            bf12_pair(from, panel[(i + u) / 2], j, &a, &b);
            _mm512_store_si512(to + (u + j) * P, a), _mm512_store_si512(to + (u + j) * P + W, b);
        }
    }
    for (; next_pair(*e, list->list + list->count) < i + units; (*e)++)
        ((bf16 *)to)[2 * (((*e)->input / 2 - i) * P + (*e)->output) + (*e)->input % 2] = narrow1((*e)->value);
}

// tile[rows][P] = the products of `rows` ≤ TILED_ROWS rows of bf16, `step` bytes apart, and a panel of bf16 or bf12.
INLINE void tiled_bf16(int precision, bool tall, const char *from, size_t step, size_t rows, size_t I, const char *panel, float *tile) {
    // bf12 is decompressed one tile ahead, because a tile cannot be loaded before all its bytes have left the store buffer.
    unit decompressed[2][TILE_UNITS * P] __attribute__((aligned(64)));
    const size_t units = units_of(I, SLM_BF16), whole = units / TILE_UNITS * TILE_UNITS;
    tile_operand left = {(const unit *)(const void *)from, step / 4, 16 * step / 4, TILE_UNITS};
    tile_operand right = {(const unit *)(const void *)panel, P, W, TILE_UNITS * P};
    size_tiles(rows, TILE_UNITS);
    clear_sums(tall, true);
    if (precision == SLM_WEIGHTS_BF12) {
        const exception *e = exceptions_of(panel, I)->list;
        bf12_units(panel, I, 0, TILE_UNITS, &e, decompressed[0]);
        for (size_t u = 0; u < whole; u += TILE_UNITS, left.first += left.step) {
            right.first = decompressed[u / TILE_UNITS % 2];
            if (u + TILE_UNITS < whole) bf12_units(panel, I, u + TILE_UNITS, TILE_UNITS, &e, decompressed[(u / TILE_UNITS + 1) % 2]);
            add_tile_products(TILE_UNITS, left, right, tall, true);
        }
    } else {
        add_tile_products(whole, left, right, tall, true);
    }
    store_sums(tall, true, tile, P);
    if (whole == units) return;
    size_tiles(rows, units - whole);
    load_sums(tall, true, tile, P);
    left.first += whole, right.first += whole * P;
    add_tile_products(units - whole, left, right, tall, true);
    store_sums(tall, true, tile, P);
}

// Adds the products of unit u of a row and a pair of inputs' weights, those of the first input to `even`.
INLINE void add_even_and_odd(const char *row, size_t u, vu a, vu b, vf even[2], vf odd[2]) {
    const vu x = (vu){0} + ((const uint32_t *)(const void *)row)[u];
    const vf first = (vf)(x << 16), second = (vf)(x & 0xffff0000);
    even[0] += first * (vf)(a << 16), odd[0] += second * (vf)(a & 0xffff0000);
    even[1] += first * (vf)(b << 16), odd[1] += second * (vf)(b & 0xffff0000);
}

// The same for one row and bf12, which is multiplied faster than it is stored for tiles. The sums are those of the tiles, bit by bit unless
// one is below 2⁻¹²⁶: the products of 16 units are summed alone, those of even and of odd inputs in sums of their own.
INLINE void one_row_of_bf12(const char *row, size_t I, const char *panel, float *tile) {
    unit weights[TILE_UNITS * P] __attribute__((aligned(64)));
    const exceptions *list = exceptions_of(panel, I);
    const exception *e = list->list, *const end = e + list->count;
    const __m512i *from = (const __m512i *)(const void *)(panel + bases_bytes(I));
    vf sum[2] = {0};
    for (size_t u = 0; u < I / 2; u += TILE_UNITS, from += 3 * TILE_UNITS / 2) {
        vf even[2] = {0}, odd[2] = {0};
        if (next_pair(e, end) < u + TILE_UNITS) {
            bf12_units(panel, I, u, TILE_UNITS, &e, weights);
            for (size_t k = 0; k < TILE_UNITS; k++)
                add_even_and_odd(row, u + k, *(vu *)(weights + k * P), *(vu *)(weights + k * P + W), even, odd);
        } else {
#pragma clang loop unroll(full)
            for (size_t k = 0; k < TILE_UNITS; k++) {
                __m512i a, b;
                if (k % 2 == 0) prefetch_ahead(from + 3 * (k / 2), BYTES_PER_4_INPUTS);
                bf12_pair(from + 3 * (k / 2), panel[(u + k) / 2], k % 2, &a, &b);
                add_even_and_odd(row, u + k, (vu)a, (vu)b, even, odd);
            }
        }
        for (size_t v = 0; v < 2; v++) sum[v] += even[v] + odd[v];
    }
    store(tile, sum[0]), store(tile + W, sum[1]);
}

enum { UNITS_AT_ONCE = 128 };                  // 16 KB of a panel, which stay in the first-level cache

// The same for a multiple of TILED_ROWS rows: a part of the panel is decompressed and multiplied with all of them before the next one. The
// sums are in memory meanwhile.
INLINE void tiled_bf16_blocks(int precision, const char *from, size_t step, size_t rows, size_t I, const char *panel, float *sums) {
    unit decompressed[UNITS_AT_ONCE * P] __attribute__((aligned(64)));
    const size_t units = units_of(I, SLM_BF16), whole = units / TILE_UNITS * TILE_UNITS;
    const exception *e = precision == SLM_WEIGHTS_BF12 ? exceptions_of(panel, I)->list : NULL;
    memset(sums, 0, 4 * rows * P);
    size_tiles(TILED_ROWS, TILE_UNITS);
    for (size_t u = 0, count; u < units; u += count) {
        count = u < whole ? min_size(UNITS_AT_ONCE, whole - u) : units - whole;
        if (u == whole) size_tiles(TILED_ROWS, count);
        tile_operand right = {(const unit *)(const void *)panel + u * P, P, W, TILE_UNITS * P};
        if (precision == SLM_WEIGHTS_BF12) bf12_units(panel, I, u, count, &e, decompressed), right.first = decompressed;
        for (size_t m = 0; m < rows; m += TILED_ROWS) {
            const tile_operand left = {(const unit *)(const void *)(from + m * step) + u, step / 4, 16 * step / 4, TILE_UNITS};
            load_sums(true, true, sums + m * P, P);
            add_tile_products(count, left, right, true, true);
            store_sums(true, true, sums + m * P, P);
        }
    }
}

INLINE void add_byte_products(bool tall, const char *bytes, size_t step, const vu_any *weights) {
    _tile_loadd(4, bytes, step);
    _tile_loadd(6, weights, 4 * P);
    _tile_dpbsud(0, 4, 6);
    _tile_loadd(7, weights + 1, 4 * P);
    _tile_dpbsud(1, 4, 7);
    if (!tall) return;
    _tile_loadd(5, bytes + 16 * step, step);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
}

// sums[rows][P] += the scaled products of group g of the rows and its weights, of which `part` has the products of the bytes.
INLINE void add_scaled_rows(int precision, size_t rows, const char *from, size_t step, size_t I, size_t g, const vu_any *weights,
                            const group_scales *scales, const vi *part, float *sums) {
    const int8_row first = int8_row_at(precision, from, I);
    for (size_t r = 0; r < rows; r++) {
        const vi start = first_sum(precision, first, r * step, g);
        vi products[2] = {part[2 * r] + start, part[2 * r + 1] + start};
        const int32_t q = quad_with_uppers(precision, first, r * step, g);
        if (q >= 0) {
            const char *upper = first.uppers + g * 4 + r * step;
            for (size_t v = 0; v < 2; v++)
                products[v] += add_quads(precision, (vi){0}, weights[2 * (size_t)q + v], upper) * UPPER;
        }
        for (size_t v = 0; v < 2; v++) {
            float *sum = sums + r * P + v * W;
            store(sum, add_scaled(precision, load(sum), products[v], first, r * step, g, scales, v));
        }
    }
}

// Multiplies `row_count` rows, at most TILED_ROWS or a multiple of them, with a panel of quantized weights. The sums have the bits of
// packed_int.
INLINE void tiled_int(int precision, bool tall, const char *rows, size_t step, size_t row_count, size_t I, const char *panel, float *sums) {
    vu unpacked[2 * GROUP / 4] __attribute__((aligned(64)));
    vi part[2 * TILED_ROWS] __attribute__((aligned(64)));
    const size_t quads = group_of(precision) / 4, together = min_size(TILED_ROWS, row_count);
    memset(sums, 0, 4 * row_count * P);
    size_tiles(together, quads);
    for (size_t g = 0; g < groups_in(precision, I); g++) {
        const char *group = group_at(precision, panel, g);
        prefetch_ahead(group, group_bytes(precision));
        const vu_any *weights = (const vu_any *)(const void *)(group + scale_bytes(precision));
        if (!has_bytes(precision)) {
            for (size_t q = 0; q < quads; q++)
                for (size_t v = 0; v < 2; v++) unpacked[2 * q + v] = quads_at(precision, group, q, v);
            weights = unpacked;
        }
        const group_scales scales = load_group_scales(precision, panel, g);
        const char *bytes = int8_row_at(precision, rows, I).bytes + g * group_of(precision);
        for (size_t m = 0; m < row_count; m += TILED_ROWS) {
            clear_sums(tall, true);
            add_byte_products(tall, bytes + m * step, step, weights);
            store_sums(tall, true, (float *)part, P);
            add_scaled_rows(precision, together, rows + m * step, step, I, g, weights, &scales, part, sums + m * P);
        }
    }
    for (size_t i = 0; is_affine(precision) && i < row_count * P; i += W)
        store(sums + i, load(sums + i) * output_scale(precision, panel, i / W % 2));
}

// sums[row_count][P] = the products of rows, at most TILED_ROWS or a multiple of them, and a panel of any weights but f32.
INLINE void tiled_rows(int precision, const char *rows, size_t step, size_t row_count, size_t I, const char *panel, float *sums) {
    if (is_int(precision)) {
        if (row_count > 16) tiled_int(precision, true, rows, step, row_count, I, panel, sums);
        else tiled_int(precision, false, rows, step, row_count, I, panel, sums);
    } else if (precision == SLM_WEIGHTS_BF12 && row_count == 1) one_row_of_bf12(rows, I, panel, sums);
    else if (row_count > TILED_ROWS) tiled_bf16_blocks(precision, rows, step, row_count, I, panel, sums);
    else if (row_count > 16) tiled_bf16(precision, true, rows, step, row_count, I, panel, sums);
    else tiled_bf16(precision, false, rows, step, row_count, I, panel, sums);
}
#endif
