// Matmul C = A·B on one core: both operands are packed into panels that the innermost loop reads sequentially.
//
// K is counted in *units* of 32 bits: one float, or two neighboring bf16. Packing is then the same work for both types, and the two
// innermost loops differ in a single instruction.
//
//   A panel: MR rows,    [k][MR] units      B panel: NR = NV·W columns, [k][NR] units
//
// Every element of C is summed by one core, in the order of k, whatever tile it belongs to: its bits depend only on the instruction
// set, on K and on the types, not on how the rows were split among threads, and not on the sizes of the caches.

#define NR (NV * W)
#define KC_UNITS 1024               // longer sums are split if C can hold partial sums
#define KC_TILED_UNITS 512
#define LARGE_C (16 << 20)          // bytes

#define INLINE static inline __attribute__((always_inline))   // for functions with arguments that must be compile-time constants

typedef uint32_t unit;
typedef unit unit_any __attribute__((may_alias));
typedef float quad __attribute__((vector_size(16)));
typedef uint32_t quad_u __attribute__((vector_size(16)));
typedef quad quad_any __attribute__((aligned(1), may_alias));
typedef quad_u quad_u_any __attribute__((aligned(1), may_alias));

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }
static inline size_t per_unit(int precision) { return precision == SLM_F32 ? 1 : 2; }
// Pads units to a multiple of UNIT_STEP in bf16: an instruction of NEON multiplies two of them.
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
#define UNIT_STEP(precision) ((size_t)((precision) == SLM_F32 ? 1 : 2))
#else
#define UNIT_STEP(precision) ((size_t)1)
#endif
static inline size_t units_of(size_t K, int precision) {
    return round_up((K + per_unit(precision) - 1) / per_unit(precision), UNIT_STEP(precision));
}

#include "bodies/packing.h"

// Where a tile needs all registers, the compiler must not load an element of the left operand before the one before it has been used:
// it would store a sum to memory and load it again, in every step.
#ifdef SLM_AVX2
#define KEEP_ORDER __asm__ volatile("" ::: "memory")
#else
#define KEEP_ORDER (void)0
#endif

INLINE vf splat_unit(unit u) { return (vf)((vu){0} + u); }

// sum + left·right of the units in each lane: a product of floats, or two of bf16. A single lane of a vector is on the left.
INLINE vf add_units(int precision, vf sum, vf left, vu right) {
    (void)precision;
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    if (precision == SLM_BF16) return (vf)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)right, (bfloat16x8_t)left);
#elif defined(SLM_NATIVE_BF16)
    if (precision == SLM_BF16) return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)left, (__m512bh)right);
#endif
    return sum + left * (vf)right;
}

// Row i of the left operand at one k. NEON multiplies lane by lane, so that loading four rows takes one instruction.
INLINE vf left_at(const unit *a, size_t row, int i) {
#ifdef SLM_NEON
    if (row == 1) return splat(load((const float *)a + i / 4 * 4)[i % 4]);
    return splat(((const float *)a)[(size_t)i * row]);
#endif
    return splat_unit(a[(size_t)i * row]);
}

#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
#include "bodies/neon_matmul.h"
#endif

// tile[MR][NR] = left·right, or += it; rows of the tile are `stride` apart. Unit k of row i of the left operand is a[i*row + k*step];
// the right operand is a panel. The loops have constant bounds, so the sums stay in registers. Always inline, so that `row` is a
// constant and no addresses are computed.
INLINE void tile_as(int precision, int vectors, size_t units, const unit *restrict a, size_t row, size_t step, const unit *restrict b,
                    float *restrict tile, size_t stride, bool add) {
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    if (precision == SLM_BF16) return tile_bf16(vectors, units, a, row, step, b, tile, stride, add);
#endif
    vf sum[MR][NV];
#pragma clang loop unroll(full)
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = add ? load(tile + i * stride + j * W) : (vf){0};
    for (size_t k = 0; k < units; k++, a += step, b += NR) {
        vu right[NV];
        for (int j = 0; j < vectors; j++) right[j] = *(const vu_any *)(b + j * W);
#pragma clang loop unroll(full)
        for (int i = 0; i < MR; i++) {
            KEEP_ORDER;
            const vf left = left_at(a, row, i);
            for (int j = 0; j < vectors; j++) sum[i][j] = add_units(precision, sum[i][j], left, right[j]);
        }
    }
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < vectors; j++) store(tile + i * stride + j * W, sum[i][j]);
}

INLINE void tile_of(int precision, int vectors, size_t units, const unit *a, size_t row, size_t step, const unit *b, float *tile,
                    size_t stride, bool add) {
    if (precision == SLM_F32) tile_as(SLM_F32, vectors, units, a, row, step, b, tile, stride, add);
    else if (HAS_NATIVE_BF16) tile_as(SLM_BF16, vectors, units, a, row, step, b, tile, stride, add);
    else __builtin_trap();                                    // the Swift caller has checked it
}

// Packs panels in the layout that the tiles read.
static void pack(unit *to, const slm_operand *s, int precision, size_t P, size_t p0, size_t p1, size_t k0, size_t k1) {
    pack_plainly(to, s, precision, P, p0, p1, k0, k1);
#if defined(SLM_NEON) && defined(SLM_NATIVE_BF16)
    const size_t units = units_of(k1 - k0, precision);
    if (precision != SLM_F32) for (size_t p = 0; p < p1 - p0; p += P) pair_units(to + p * units, P, units);
#endif
}

// Whether a tile of which only the first `columns` are needed can be computed with one vector less.
static inline bool is_narrow(size_t columns) { return columns <= (NV - 1) * W; }

// Multiplies two panels. The narrow variant is a function of its own, so that it takes no registers from the common one.
static __attribute__((noinline)) void narrow_tile_of_panels(int precision, size_t units, const unit *a, const unit *b, float *tile) {
    tile_of(precision, NV - 1, units, a, 1, MR, b, tile, NR, false);
}
static inline void tile_of_panels(int precision, size_t units, const unit *a, const unit *b, size_t columns, float *tile) {
    if (is_narrow(columns)) narrow_tile_of_panels(precision, units, a, b, tile);
    else tile_of(precision, NV, units, a, 1, MR, b, tile, NR, false);
}

#include "bodies/amx_matmul.h"

// Rows of a panel of A, and units of a matmul's panels for K elements.
static inline size_t panel_rows(int precision) { return IS_TILED(precision) ? TILED_ROWS : MR; }
static inline size_t panel_units(size_t K, int precision) {
    return round_up(units_of(K, precision), IS_TILED(precision) ? TILE_UNITS : 1);
}

// Packs rows of A, or columns of B, in the panels that multiply_panels reads.
static inline void pack_left(unit *to, const slm_operand *s, int precision, size_t m0, size_t m1, size_t k0, size_t k1) {
    if (IS_TILED(precision)) pack_tiles(to, s, m0, m1, k0, k1, panel_units(k1 - k0, precision));
    else pack(to, s, precision, MR, m0, m1, k0, k1);
}
static inline void pack_right(unit *to, const slm_operand *s, int precision, size_t n0, size_t n1, size_t k0, size_t k1) {
    if (IS_TILED(precision)) pack_units(to, s, precision, NR, n0, n1, k0, k1, panel_units(k1 - k0, precision));
    else pack(to, s, precision, NR, n0, n1, k0, k1);
}

// tile[panel_rows][NR] = the product of two panels, of which the first `rows` rows and `columns` columns are needed.
static inline void multiply_panels(int precision, size_t units, const unit *a, const unit *b, size_t rows, size_t columns, float *tile) {
    if (IS_TILED(precision)) multiply_tiles(units, left_panel(a), right_panel(b), rows, columns, tile, NR, false);
    else tile_of_panels(precision, units, a, b, columns, tile);
}

#define PEAK_UNITS 64

static void peak(int precision, size_t rounds) {
    unit a[TILED_ROWS * PEAK_UNITS], b[NR * PEAK_UNITS];
    float tile[TILED_ROWS * NR] __attribute__((aligned(64)));
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    if (IS_TILED(precision)) use_tiles();
    for (size_t i = 0; i < rounds; i++) {
        __asm__ volatile("" ::: "memory");                    // keeps the compiler from computing the tile only once
        multiply_panels(precision, PEAK_UNITS, a, b, TILED_ROWS, NR, tile);
    }
    __asm__ volatile("" : : "r"(tile) : "memory");
    if (IS_TILED(precision)) release_tiles();
}
// Floating-point operations of one round.
static size_t peak_flops(int precision) { return 2 * panel_rows(precision) * NR * PEAK_UNITS * per_unit(precision); }

// Applies scale, bias, activation and `plus` to `count` ≤ W sums and stores them in C, at row m and column n.
static inline void finish(const slm_matmul *p, size_t m, size_t n, vf v, size_t count) {
    const size_t i = m * p->c_stride + n;
    const bool full = count == W;
    v *= splat(p->scale);
    if (p->accumulate) {
        if (full) put(p->c, p->c_type, i, get(p->c, p->c_type, i) + v);
        else put_first(p->c, p->c_type, i, get_first(p->c, p->c_type, i, count) + v, count);
        return;
    }
    if (p->bias) v += full ? load(p->bias + n) : load_first(p->bias + n, count);
    if (p->pre_activation) {
        if (full) put(p->pre_activation, p->c_type, i, v); else put_first(p->pre_activation, p->c_type, i, v, count);
    }
    if (p->activation == SLM_GELU_TANH) v = apply(SLM_GELU_TANH, v);             // inlined, as a single case
    else if (p->activation != SLM_IDENTITY) v = apply(p->activation, v);
    if (p->plus) v += full ? load(p->plus + i) : load_first(p->plus + i, count);
    if (full) put(p->c, p->c_type, i, v); else put_first(p->c, p->c_type, i, v, count);
}

// Prefetches the part of C that a tile is stored to, while the tile is computed.
static inline void prefetch_tile(const slm_matmul *p, size_t m, size_t rows, size_t n, size_t columns) {
    const size_t size = p->c_type == SLM_F32 ? 4 : 2;
    for (size_t i = 0; i < rows; i++) {
        const size_t at = (m + i) * p->c_stride + n;
        for (size_t j = 0; j < columns * size; j += 64) __builtin_prefetch((char *)p->c + at * size + j, 1);
        if (p->plus && p->plus != p->c)
            for (size_t j = 0; j < columns; j += 16) __builtin_prefetch(p->plus + at + j, 0);
    }
}

// The size of equal parts, at most about `max`, rounded up to a multiple of `step`.
static size_t split_evenly(size_t whole, size_t max, size_t step) {
    const size_t parts = whole > max ? (whole + max - 1) / max : 1;
    return round_up((whole + parts - 1) / parts, step);
}

// The rows of the thread with the most work when blocks of `step` rows are distributed.
static size_t largest_share(size_t M, size_t step, size_t threads) {
    const size_t blocks = (M + step - 1) / step, turns = (blocks + threads - 1) / threads;
    return blocks % threads == 1 || threads == 1 ? (turns - 1) * step + M - (blocks - 1) * step : turns * step;
}

// Rows of a block: as many as fit (`max`), unless smaller blocks balance the threads better by more than 4 percent. Each block reads
// the whole right operand, so small blocks cost too.
static size_t rows_per_block(size_t M, size_t max, size_t rows, size_t threads) {
    size_t best = rows, least_work = SIZE_MAX;
    max = min_size(max, round_up(M, rows));
    for (size_t step = rows; step <= max; step += rows) least_work = min_size(least_work, largest_share(M, step, threads));
    for (size_t step = rows; step <= max; step += rows)
        if (largest_share(M, step, threads) <= least_work + least_work / 25) best = step;
    return best;
}

static void matmul_plan(slm_matmul *p, size_t threads, const slm_caches *caches) {
    const size_t per = per_unit(p->precision), all = panel_units(p->K, p->precision), rows = panel_rows(p->precision);
    const bool tiled = IS_TILED(p->precision);
    const size_t most = tiled ? KC_TILED_UNITS : KC_UNITS, step = tiled ? TILE_UNITS : 4;
    const size_t units = slm_can_split_sum(*p) ? split_evenly(all, most, step) : all;
    p->k_block = units > 0 ? units * per : per;
    const size_t unit_bytes = 4 * (units > 0 ? units : 1);
    // A block of A stays in a quarter of the second-level cache, beside the panels of B and the tiles that pass through. A block of B,
    // which all threads share, stays in the third-level cache, which they also share with other programs.
    const size_t tall = caches->second / 4 / unit_bytes / rows * rows, wide = min_size(caches->third / 4, 4 << 20) / unit_bytes / NR * NR;
    p->n_block = split_evenly(p->N, wide < NR ? NR : wide, NR);
    p->m_block = rows_per_block(p->M, tall < 4 * rows ? 4 * rows : tall, rows, threads);
    p->left_bytes = round_up(p->m_block * unit_bytes, 64);
    p->right_bytes = round_up(p->n_block * unit_bytes, 64);
}

static void matmul_pack(const slm_matmul *p, size_t n0, size_t n1, size_t k0, void *right) {
    const size_t k1 = min_size(k0 + p->k_block, p->K), skip = n0 % p->n_block * panel_units(k1 - k0, p->precision);
    pack_right((unit *)right + skip, &p->b, p->precision, n0, n1, k0, k1);
}

static void matmul_rows(const slm_matmul *whole, size_t m0, size_t n0, size_t k0, const void *right_panels, void *left) {
    slm_matmul p = *whole;
    p.accumulate = p.accumulate || k0 > 0;
    const size_t m1 = min_size(m0 + p.m_block, p.M), n1 = min_size(n0 + p.n_block, p.N), k1 = min_size(k0 + p.k_block, p.K);
    const size_t units = panel_units(k1 - k0, p.precision), step = panel_rows(p.precision);
    unit *a = left;
    // Writing to memory what the caches cannot hold waits without prefetches. Otherwise they cost more than they save with tiles, which
    // take a tenth of the time.
    const bool prefetches = !IS_TILED(p.precision) || p.M * p.N * (p.c_type == SLM_F32 ? 4 : 2) > LARGE_C;
    pack_left(a, &p.a, p.precision, m0, m1, k0, k1);
    if (IS_TILED(p.precision)) use_tiles();
    for (size_t n = n0; n < n1; n += NR) {
        const unit *right = (const unit *)right_panels + (n - n0) * units;
        const size_t columns = min_size(NR, n1 - n);
        for (size_t m = m0; m < m1; m += step) {
            float tile[TILED_ROWS * NR] __attribute__((aligned(64)));
            const size_t rows = min_size(step, m1 - m);
            if (prefetches) prefetch_tile(&p, m, rows, n, columns);
            multiply_panels(p.precision, units, a + (m - m0) * units, right, rows, columns, tile);
            for (size_t i = 0; i < rows; i++) {
                size_t j = 0;
                for (; j + W <= columns; j += W) finish(&p, m + i, n + j, load(tile + i * NR + j), W);
                if (j < columns) finish(&p, m + i, n + j, load(tile + i * NR + j), columns - j);
            }
        }
    }
    if (IS_TILED(p.precision)) release_tiles();
}

// sums [m1 − m0][N] begin at row m0.
static void matmul_finish(const slm_matmul *p, const float *sums, size_t m0, size_t m1) {
    for (size_t m = m0; m < m1; m++)
        for (size_t n = 0; n < p->N; n += W) {
            const size_t count = min_size(W, p->N - n);
            finish(p, m, n, load_first(sums + (m - m0) * p->N + n, count), count);
        }
}
