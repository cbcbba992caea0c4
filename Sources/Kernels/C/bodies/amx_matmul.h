// Matmul of bf16 with the tiles of AMX: eight registers of 16 rows of 64 bytes. An instruction multiplies 16 rows of A by 16 columns of B,
// 16 units each, and adds the products to 16 × 16 sums in f32. Four tiles hold sums, those of 32 rows and 32 columns of C.
//
//   A panel: TILED_ROWS rows, [k / 16][TILED_ROWS][16] units      B panel: as in matmul.h, with units padded to a multiple of 16
//
// The products of 16 units are summed alone and then added to the sum so far: the bits are not those of the other kernels.
#ifdef SLM_AMX
#define IS_TILED(precision) ((precision) == SLM_BF16)
#define TILED_ROWS 32
#define TILE_UNITS 16
_Static_assert(W == 16 && NR == 32, "two tiles are as wide as a panel of B");
#else
#define IS_TILED(precision) ((void)(precision), false)
#define TILED_ROWS MR
#define TILE_UNITS 1
#endif

// Where the tiles of an operand are: units from one row of a tile to the next, from a tile to the one beside or below it, and to the next
// along K.
typedef struct { const unit *first; size_t row, next, step; } tile_operand;
static inline tile_operand left_panel(const unit *a) {
    return (tile_operand){a, TILE_UNITS, 16 * TILE_UNITS, TILED_ROWS * TILE_UNITS};
}
static inline tile_operand right_panel(const unit *b) { return (tile_operand){b, NR, W, TILE_UNITS * NR}; }

#ifdef SLM_AMX
// Sets the sizes of the tiles, for `rows` ≤ TILED_ROWS rows of A and `units` ≤ TILE_UNITS along K: 0 … 3 are sums, 4 and 5 those of A, 6
// and 7 those of B.
static inline void size_tiles(size_t rows, size_t units) {
    struct { uint8_t palette, start_row, unused[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } sizes = {.palette = 1};
    _Static_assert(sizeof sizes == 64, "as the instruction reads it");
    for (size_t i = 0; i < 6; i++) {
        const bool is_below = i == 2 || i == 3 || i == 5;
        sizes.rows[i] = (uint8_t)(is_below ? rows - min_size(16, rows) : min_size(16, rows));
        sizes.row_bytes[i] = sizes.rows[i] == 0 ? 0 : i < 4 ? 64 : (uint16_t)(4 * units);
    }
    for (size_t i = 6; i < 8; i++) sizes.rows[i] = (uint8_t)units, sizes.row_bytes[i] = 64;
    _tile_loadconfig(&sizes);
}
static inline void use_tiles(void) { size_tiles(TILED_ROWS, TILE_UNITS); }
static inline void release_tiles(void) { _tile_release(); }        // switching to another thread is faster without them

// Adds the products to the four tiles of sums. `tall` and `wide`: whether the second 16 rows and columns are needed. The tiles of A are
// loaded as data that is not used again soon, so that they do not evict those of B from the first-level cache: 1.4 times as fast.
INLINE void add_tile_products(size_t units, tile_operand a, tile_operand b, bool tall, bool wide) {
    for (size_t k = 0; k < units; k += TILE_UNITS, a.first += a.step, b.first += b.step) {
        _tile_stream_loadd(4, a.first, 4 * a.row);
        _tile_loadd(6, b.first, 4 * b.row);
        _tile_dpbf16ps(0, 4, 6);
        if (wide) {
            _tile_loadd(7, b.first + b.next, 4 * b.row);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (!tall) continue;
        _tile_stream_loadd(5, a.first + a.next, 4 * a.row);
        _tile_dpbf16ps(2, 5, 6);
        if (wide) _tile_dpbf16ps(3, 5, 7);
    }
}

// The four tiles of sums, of which only those of the first 16 rows are used unless `tall`, and of the first 16 columns unless `wide`. In
// memory, rows are `stride` elements apart.
INLINE void clear_sums(bool tall, bool wide) {
    _tile_zero(0);
    if (wide) _tile_zero(1);
    if (tall) _tile_zero(2);
    if (tall && wide) _tile_zero(3);
}
INLINE void load_sums(bool tall, bool wide, const float *sums, size_t stride) {
    _tile_loadd(0, sums, 4 * stride);
    if (wide) _tile_loadd(1, sums + W, 4 * stride);
    if (tall) _tile_loadd(2, sums + 16 * stride, 4 * stride);
    if (tall && wide) _tile_loadd(3, sums + 16 * stride + W, 4 * stride);
}
INLINE void store_sums(bool tall, bool wide, float *sums, size_t stride) {
    _tile_stored(0, sums, 4 * stride);
    if (wide) _tile_stored(1, sums + W, 4 * stride);
    if (tall) _tile_stored(2, sums + 16 * stride, 4 * stride);
    if (tall && wide) _tile_stored(3, sums + 16 * stride + W, 4 * stride);
}

// tile[TILED_ROWS][NR] = A·B, or += it, of which the first `rows` rows and `columns` columns are needed; rows are `stride` apart.
static inline void multiply_tiles(size_t units, tile_operand a, tile_operand b, size_t rows, size_t columns, float *tile, size_t stride,
                                  bool add) {
    const bool tall = rows > 16, wide = columns > W;
    if (add) load_sums(tall, wide, tile, stride); else clear_sums(tall, wide);
    if (tall && wide) add_tile_products(units, a, b, true, true); else add_tile_products(units, a, b, tall, wide);
    store_sums(tall, wide, tile, stride);
}

#define LANES(a, b, c, d) a, a + 1, a + 2, a + 3, b, b + 1, b + 2, b + 3, c, c + 1, c + 2, c + 3, d, d + 1, d + 2, d + 3

// Transposes 16 vectors; the rows of the result are `stride` apart.
INLINE void transpose_16(const vu *from, unit *to, size_t stride) {
    vu quads[4][4];
    for (int g = 0; g < 4; g++) transpose_quads(from[4 * g], from[4 * g + 1], from[4 * g + 2], from[4 * g + 3], quads[g]);
    for (size_t j = 0; j < 4; j++) {
        const vu a = __builtin_shufflevector(quads[0][j], quads[1][j], LANES(0, 4, 16, 20));
        const vu b = __builtin_shufflevector(quads[0][j], quads[1][j], LANES(8, 12, 24, 28));
        const vu c = __builtin_shufflevector(quads[2][j], quads[3][j], LANES(0, 4, 16, 20));
        const vu d = __builtin_shufflevector(quads[2][j], quads[3][j], LANES(8, 12, 24, 28));
        *(vu_any *)(to + j * stride) = __builtin_shufflevector(a, c, LANES(0, 8, 16, 24));
        *(vu_any *)(to + (4 + j) * stride) = __builtin_shufflevector(a, c, LANES(4, 12, 20, 28));
        *(vu_any *)(to + (8 + j) * stride) = __builtin_shufflevector(b, d, LANES(0, 8, 16, 24));
        *(vu_any *)(to + (12 + j) * stride) = __builtin_shufflevector(b, d, LANES(4, 12, 20, 28));
    }
}

// to[NR][TILED_ROWS] = the transposed tile.
static inline void transpose_tile(const float *tile, float *to) {
    for (size_t i = 0; i < TILED_ROWS; i += 16)
        for (size_t j = 0; j < NR; j += W) {
            vu rows[16];
            for (size_t r = 0; r < 16; r++) rows[r] = (vu)load(tile + (i + r) * NR + j);
            transpose_16(rows, (unit *)to + j * TILED_ROWS + i, TILED_ROWS);
        }
}

// Packs the 16 units from element k on of 16 rows, of which `rows` exist.
INLINE void pack_tile(unit *to, const slm_operand *s, int type, size_t m, size_t rows, size_t k, size_t K) {
    const bool whole = k + 2 * TILE_UNITS <= K;
    if (whole && s->inner == 1) {
        for (size_t r = 0; r < rows; r++) *(vu_any *)(to + r * TILE_UNITS) = units_along(s->data, type, SLM_BF16, (m + r) * s->outer + k);
        memset(to + rows * TILE_UNITS, 0, 4 * TILE_UNITS * (16 - rows));
    } else if (whole && s->outer == 1 && rows == 16) {
        vu units[TILE_UNITS];
#pragma clang loop unroll(full)
        for (size_t u = 0; u < TILE_UNITS; u++) units[u] = units_across(s, SLM_BF16, type, m + (k + 2 * u) * s->inner);
        transpose_16(units, to, TILE_UNITS);
    } else {
        for (size_t r = 0; r < 16; r++)
            for (size_t u = 0; u < TILE_UNITS; u++) to[r * TILE_UNITS + u] = r < rows ? unit_at(s, SLM_BF16, m + r, k + 2 * u, K) : 0;
    }
}

// Packs rows m0 ..< m1 of A in panels of `units` units; missing rows and units are 0.
INLINE void pack_tiles_of(int type, unit *to, const slm_operand *s, size_t m0, size_t m1, size_t k0, size_t k1, size_t units) {
    for (size_t u = 0; u < units; u += TILE_UNITS)
        for (size_t m = m0; m < round_up(m1 - m0, TILED_ROWS) + m0; m += 16) {
            const size_t panel = (m - m0) / TILED_ROWS * TILED_ROWS, below = m - m0 - panel, rows = m < m1 ? min_size(16, m1 - m) : 0;
            pack_tile(to + panel * units + u * TILED_ROWS + below * TILE_UNITS, s, type, m, rows, k0 + 2 * u, k1);
        }
}
static void pack_tiles(unit *to, const slm_operand *s, size_t m0, size_t m1, size_t k0, size_t k1, size_t units) {
    if (s->type == SLM_F32) pack_tiles_of(SLM_F32, to, s, m0, m1, k0, k1, units);
    else pack_tiles_of(SLM_BF16, to, s, m0, m1, k0, k1, units);
}
#else                                                              // not called
static inline void use_tiles(void) {}
static inline void release_tiles(void) {}
static inline void multiply_tiles(size_t units, tile_operand a, tile_operand b, size_t rows, size_t columns, float *tile, size_t stride,
                                  bool add) {
    (void)units, (void)a, (void)b, (void)rows, (void)columns, (void)tile, (void)stride, (void)add;
}
static inline void transpose_tile(const float *tile, float *to) { (void)tile, (void)to; }
static inline void pack_tiles(unit *to, const slm_operand *s, size_t m0, size_t m1, size_t k0, size_t k1, size_t units) {
    (void)to, (void)s, (void)m0, (void)m1, (void)k0, (void)k1, (void)units;
}
#endif
