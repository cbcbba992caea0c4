// Transformations of the heads of queries and keys before attention: rotary position embedding, and RMS norm (QK norm), without and
// with weights.
// A row is C wide and begins with the heads of queries and keys; the values behind them are copied.

static inline void copy_rest(const void *x, void *y, int type, size_t from, size_t to) {
    const size_t size = type == SLM_F32 ? 4 : 2;
    if (x != y) memcpy((char *)y + from * size, (const char *)x + from * size, (to - from) * size);
}

// Rotary position embedding (Su et al. 2021) in the layout of GPT-NeoX: rotates elements i and i + D/2 of a head by angle i.
static inline void rotate_of(const void *x, int type, const float *angles, size_t T, size_t first, size_t heads, size_t D,
                             float direction, void *y, size_t N, size_t C) {
    const size_t half = D / 2;
    for (size_t n = 0; n < N; n++) {
        const float *cosines = angles + (first + n) % T * D, *sines = cosines + half;
        for (size_t i = 0; i < half; i += W) {
            const size_t count = min_size(W, half - i);
            const vf c = load_first(cosines + i, count), s = load_first(sines + i, count) * splat(direction);
            for (size_t h = 0; h < heads; h++) {
                const size_t at = n * C + h * D + i;
                const vf a = get_first(x, type, at, count), b = get_first(x, type, at + half, count);
                put_first(y, type, at, a * c - b * s, count);
                put_first(y, type, at + half, b * c + a * s, count);
            }
        }
        copy_rest(x, y, type, n * C + heads * D, (n + 1) * C);
    }
}
static void rotate(const void *x, int type, const float *angles, size_t T, size_t first, size_t heads, size_t D, float direction, void *y,
                   size_t N, size_t C) {
    if (type == SLM_F32) rotate_of(x, SLM_F32, angles, T, first, heads, D, direction, y, N, C);
    else rotate_of(x, SLM_BF16, angles, T, first, heads, D, direction, y, N, C);
}

static inline void norm_heads_of(const void *x, int type, const float *w, size_t queries, size_t heads, size_t D, void *y, float *rstd,
                                 size_t N, size_t C, float epsilon) {
    for (size_t n = 0; n < N; n++) {
        for (size_t h = 0; h < heads; h++) {
            const size_t at = n * C + h * D;
            const float *weights = !w || h < queries ? w : w + D;
            const float r = 1.0f / sqrtf(dot(x, x, type, at, D) / (float)D + epsilon);
            rstd[n * heads + h] = r;
            for (size_t i = 0; i < D; i += W) {
                const size_t count = min_size(W, D - i);
                const vf unit = get_first(x, type, at + i, count) * splat(r);
                put_first(y, type, at + i, weights ? unit * load_first(weights + i, count) : unit, count);
            }
        }
        copy_rest(x, y, type, n * C + heads * D, (n + 1) * C);
    }
}
static void norm_heads(const void *x, int type, const float *w, size_t queries, size_t heads, size_t D, void *y, float *rstd, size_t N,
                       size_t C, float epsilon) {
    if (type == SLM_F32) norm_heads_of(x, SLM_F32, w, queries, heads, D, y, rstd, N, C, epsilon);
    else norm_heads_of(x, SLM_BF16, w, queries, heads, D, y, rstd, N, C, epsilon);
}

static inline void norm_heads_gradient_of(const void *dy, const void *x, int type, const float *w, size_t queries, size_t heads,
                                          size_t D, const float *rstd, void *dx, float *dw, size_t N, size_t C) {
    for (size_t n = 0; n < N; n++) {
        for (size_t h = 0; h < heads; h++) {
            const size_t at = n * C + h * D;
            const float *weights = !w || h < queries ? w : w + D;
            const vf r = splat(rstd[n * heads + h]), unit = w ? r : splat(1);
            vf sum = {0};
            for (size_t i = 0; i < D; i += W) {
                const size_t count = min_size(W, D - i);
                const vf slope = get_first(dy, type, at + i, count), hat = get_first(x, type, at + i, count) * unit;
                sum += (w ? slope * load_first(weights + i, count) : slope) * hat;
                float *d = dw ? dw + (h < queries ? 0 : D) + i : NULL;
                if (d) store_first(d, load_first(d, count) + slope * hat, count);
            }
            const vf along = splat(sum_lanes(sum) / (float)D);
            for (size_t i = 0; i < D; i += W) {
                const size_t count = min_size(W, D - i);
                vf g = get_first(dy, type, at + i, count);
                if (w) g *= load_first(weights + i, count);
                put_first(dx, type, at + i, r * (g - get_first(x, type, at + i, count) * unit * along), count);
            }
        }
        copy_rest(dy, dx, type, n * C + heads * D, (n + 1) * C);
    }
}
static void norm_heads_gradient(const void *dy, const void *x, int type, const float *w, size_t queries, size_t heads, size_t D,
                                const float *rstd, void *dx, float *dw, size_t N, size_t C) {
    if (type == SLM_F32) norm_heads_gradient_of(dy, x, SLM_F32, w, queries, heads, D, rstd, dx, dw, N, C);
    else norm_heads_gradient_of(dy, x, SLM_BF16, w, queries, heads, D, rstd, dx, dw, N, C);
}
