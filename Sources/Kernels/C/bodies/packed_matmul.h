// Matmul with packed weights. Each panel is multiplied with a block of rows: with many at once where unpacking the weights once pays
// (many_rows.h), else with few after few (few_rows.h).

// Computes the next rows of a panel into `tile`: a block of many if there are as many `left`, else the few that few_rows takes.
// Returns how many.
INLINE size_t next_rows(int precision, size_t left, const char *rows, size_t step, size_t I, const char *panel, float *tile) {
#ifndef SLM_NEON
    if (UNPACKS_ONCE(precision) && left >= least_rows(precision)) {
#ifdef SLM_AMX
        const size_t count = left < TILED_ROWS ? left : min_size(BLOCK_ROWS, left / TILED_ROWS * TILED_ROWS);
#else
        const size_t count = min_size(BLOCK_ROWS, left);
#endif
        many_rows(precision, rows, step, count, I, panel, tile);
        return count;
    }
#endif
    return few_rows(precision, left, rows, step, I, panel, tile);
}

// Applies bias, activation and `plus` to W sums and stores them in C, which is f32.
static inline void finish_packed(const slm_matmul *p, size_t m, size_t n, vf v) {
    const size_t i = m * p->c_stride + n;
    if (p->bias) v += load(p->bias + n);
    if (p->activation == SLM_GELU_TANH) v = apply(SLM_GELU_TANH, v);
    else if (p->activation != SLM_IDENTITY) v = apply(p->activation, v);
    if (p->plus) v += load(p->plus + i);
    store((float *)p->c + i, v);
}

// Multiplies all panels with a block of rows before the next block, so that the rows stay in the second-level cache.
INLINE void packed_matmul_as(int precision, const slm_matmul *p, const void *panels, const void *rows, size_t p0, size_t p1) {
    const size_t step = weights_input_bytes(precision, p->K), size = panel_bytes(precision, p->K);
    const size_t block = p->m_block > 0 ? p->m_block : p->M;
    for (size_t m0 = 0; m0 < p->M; m0 += block)
        for (size_t panel = p0; panel < p1; panel++) {
            const size_t n = panel * P, columns = min_size(P, p->N - n), m1 = min_size(m0 + block, p->M);
            const char *weights = (const char *)panels + panel * size;
            for (size_t m = m0; m < m1;) {
                float tile[UNPACKS_ONCE(precision) ? 2 * BLOCK_ROWS * P : 12 * P] __attribute__((aligned(64)));
                const char *first = (const char *)rows + m * step;
                const size_t done = next_rows(precision, m1 - m, first, step, p->K, weights, tile);
                for (size_t r = 0; r < done; r++, m++) {
                    size_t j = 0;
                    for (; j + W <= columns; j += W) finish_packed(p, m, n + j, load(tile + r * P + j));
                    if (j < columns) finish(p, m, n + j, load(tile + r * P + j), columns - j);
                }
            }
        }
    release_tiles();
}

// Computes panels p0 ..< p1 of C, which is f32. Of the slm_matmul, a, b and the plan except m_block are ignored; the scale is 1.
static void packed_matmul(int precision, const slm_matmul *p, const void *panels, const void *rows, size_t p0, size_t p1) {
#define CASE(format) case SLM_WEIGHTS_##format: packed_matmul_as(SLM_WEIGHTS_##format, p, panels, rows, p0, p1); break;
    switch (precision) {
    CASE(F32) CASE(BF16) CASE(BF12) CASE(INT8) CASE(INT6) CASE(INT4) SMALL_BLOCK_FORMATS(CASE) LARGE_BLOCK_FORMATS(CASE)
    }
#undef CASE
}
