// Elementwise functions and arithmetic, copies, reductions along an axis, random numbers and AdamW.

#define BY_TYPES(call, a_type, b_type)                                                            \
    if ((a_type) == SLM_F32 && (b_type) == SLM_F32) { call(SLM_F32, SLM_F32); }                    \
    else if ((a_type) == SLM_F32) { call(SLM_F32, SLM_BF16); }                                     \
    else if ((b_type) == SLM_F32) { call(SLM_BF16, SLM_F32); }                                     \
    else { call(SLM_BF16, SLM_BF16); }

static inline void unary_of(int f, const void *x, int xt, void *y, int yt, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) put(y, yt, i, apply(f, get(x, xt, i)));
    if (i < n) put_first(y, yt, i, apply(f, get_first(x, xt, i, n - i)), n - i);
}
static void unary(int f, const void *x, int xt, void *y, int yt, size_t n) {
#define CALL(A, B) switch (f) {                                                                   \
    case SLM_IDENTITY: unary_of(SLM_IDENTITY, x, A, y, B, n); break;                               \
    case SLM_EXP: unary_of(SLM_EXP, x, A, y, B, n); break;                                         \
    case SLM_TANH: unary_of(SLM_TANH, x, A, y, B, n); break;                                       \
    case SLM_GELU_TANH: unary_of(SLM_GELU_TANH, x, A, y, B, n); break;                             \
    default: unary_of(f, x, A, y, B, n); }
    BY_TYPES(CALL, xt, yt)
#undef CALL
}

static inline void unary_gradient_of(int f, const void *dy, int dt, const void *x, int xt, void *dx, int dxt, size_t n, bool add) {
    for (size_t i = 0; i < n; i += W) {
        const size_t count = min_size(W, n - i);
        vf v = get_first(dy, dt, i, count) * derivative(f, get_first(x, xt, i, count));
        if (add) v += get_first(dx, dxt, i, count);
        put_first(dx, dxt, i, v, count);
    }
}
static void unary_gradient(int f, const void *dy, int dt, const void *x, int xt, void *dx, int dxt, size_t n, bool add) {
#define CALL(A, B)                                                                                \
    if (f == SLM_GELU_TANH && !add && dxt == (A)) unary_gradient_of(SLM_GELU_TANH, dy, A, x, B, dx, A, n, false); \
    else unary_gradient_of(f, dy, A, x, B, dx, dxt, n, add)
    BY_TYPES(CALL, dt, xt)
#undef CALL
}

static void soft_cap(float cap, const void *x, int xt, void *y, int yt, size_t n) {
    for (size_t i = 0; i < n; i += W) {
        const size_t count = min_size(W, n - i);
        put_first(y, yt, i, soft_capped(get_first(x, xt, i, count), cap, 1 / cap), count);
    }
}
static void soft_cap_gradient(float cap, const void *dy, int dt, const void *y, int yt, void *dx, int dxt, size_t n) {
    for (size_t i = 0; i < n; i += W) {
        const size_t count = min_size(W, n - i);
        const vf tanh = get_first(y, yt, i, count) * splat(1 / cap);
        put_first(dx, dxt, i, get_first(dy, dt, i, count) * (splat(1.0f) - tanh * tanh), count);
    }
}

// Gated activations, SwiGLU with SiLU and GeGLU with GELU (Shazeer 2020): a row of x holds F gates, then F values.
static inline vf gated_value(int f, vf u) { return f == SLM_CLAMPED_SILU ? clamped_value(u) + splat(1.0f) : u; }
static inline void gated_activation_of(int f, const void *x, int xt, void *y, int yt, size_t N, size_t F) {
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < F; i += W) {
            const size_t count = min_size(W, F - i), at = 2 * n * F + i;
            put_first(y, yt, n * F + i, apply(f, get_first(x, xt, at, count)) * gated_value(f, get_first(x, xt, at + F, count)), count);
        }
}
static void gated_activation(int f, const void *x, int xt, void *y, int yt, size_t N, size_t F) {
#define CALL(A, B) if (f == SLM_SILU) gated_activation_of(SLM_SILU, x, A, y, B, N, F); else gated_activation_of(f, x, A, y, B, N, F)
    BY_TYPES(CALL, xt, yt)
#undef CALL
}

static inline void gated_activation_gradient_of(int f, const void *dy, const void *x, void *dx, int type, size_t N, size_t F) {
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < F; i += W) {
            const size_t count = min_size(W, F - i), at = 2 * n * F + i;
            const vf slope = get_first(dy, type, n * F + i, count);
            const vf g = get_first(x, type, at, count), u = get_first(x, type, at + F, count);
            const vf du = slope * apply(f, g);
            put_first(dx, type, at, slope * gated_value(f, u) * derivative(f, g), count);
            put_first(dx, type, at + F, f == SLM_CLAMPED_SILU ? vselect(vabs(u) > splat(gate_limit), splat(0.0f), du) : du, count);
        }
}
static void gated_activation_gradient(int f, const void *dy, const void *x, void *dx, int type, size_t N, size_t F) {
    if (type == SLM_F32 && f == SLM_SILU) gated_activation_gradient_of(SLM_SILU, dy, x, dx, SLM_F32, N, F);
    else if (type == SLM_F32) gated_activation_gradient_of(f, dy, x, dx, SLM_F32, N, F);
    else gated_activation_gradient_of(f, dy, x, dx, SLM_BF16, N, F);
}

static inline vf combine(int f, vf a, vf b) {
    switch (f) {
    case SLM_ADD: return a + b;
    case SLM_SUBTRACT: return a - b;
    case SLM_MULTIPLY: return a * b;
    default: return a / b;
    }
}

// Loads a vector along the last axis, with any stride.
static inline vf load_strided(const void *p, int type, size_t i, size_t stride, size_t count) {
    if (stride == 1) return get_first(p, type, i, count);
    if (stride == 0) return splat(get1(p, type, i));
    vf v = {0};
    for (size_t j = 0; j < count; j++) v[j] = get1(p, type, i + j * stride);
    return v;
}

static void binary(int f, const size_t shape[4], const void *a, int at, const size_t sa[4], const void *b, int bt, const size_t sb[4],
                   void *y, int yt) {
    size_t out = 0;
    for (size_t i0 = 0; i0 < shape[0]; i0++)
        for (size_t i1 = 0; i1 < shape[1]; i1++)
            for (size_t i2 = 0; i2 < shape[2]; i2++) {
                const size_t ia = i0 * sa[0] + i1 * sa[1] + i2 * sa[2], ib = i0 * sb[0] + i1 * sb[1] + i2 * sb[2];
                for (size_t i3 = 0; i3 < shape[3]; i3 += W) {
                    const size_t count = min_size(W, shape[3] - i3);
                    const vf left = load_strided(a, at, ia + i3 * sa[3], sa[3], count);
                    const vf right = load_strided(b, bt, ib + i3 * sb[3], sb[3], count);
                    put_first(y, yt, out + i3, combine(f, left, right), count);
                }
                out += shape[3];
            }
}

static void copy(const size_t shape[4], const void *x, int xt, const size_t sx[4], void *y, int yt, const size_t sy[4], float scale,
                 bool add) {
    for (size_t i0 = 0; i0 < shape[0]; i0++)
        for (size_t i1 = 0; i1 < shape[1]; i1++)
            for (size_t i2 = 0; i2 < shape[2]; i2++) {
                const size_t from = i0 * sx[0] + i1 * sx[1] + i2 * sx[2], to = i0 * sy[0] + i1 * sy[1] + i2 * sy[2];
                if (sy[3] == 1) {
                    for (size_t i3 = 0; i3 < shape[3]; i3 += W) {
                        const size_t count = min_size(W, shape[3] - i3);
                        vf v = load_strided(x, xt, from + i3 * sx[3], sx[3], count) * splat(scale);
                        if (add) v += get_first(y, yt, to + i3, count);
                        put_first(y, yt, to + i3, v, count);
                    }
                } else {
                    for (size_t i3 = 0; i3 < shape[3]; i3++) {
                        const float v = get1(x, xt, from + i3 * sx[3]) * scale;
                        put1(y, yt, to + i3 * sy[3], add ? get1(y, yt, to + i3 * sy[3]) + v : v);
                    }
                }
            }
}

#define BLOCK 64    // f32 additions before a sum is added to an f64; if all round in the same direction, the relative error is 6e-7

// The sum of n elements, or of their squares.
INLINE double sum_of_row(const void *x, int xt, size_t at, size_t n, bool squares) {
    double total = 0;
    for (size_t start = 0; start < n; start += BLOCK * W) {
        const size_t end = min_size(n, start + BLOCK * W);
        vf part = {0};
        for (size_t i = start; i < end; i += W) {
            const vf v = get_first(x, xt, at + i, min_size(W, end - i));
            part += squares ? v * v : v;
        }
        for (int j = 0; j < W; j++) total += part[j];
    }
    return total;
}

static void sum(const void *x, int xt, size_t outer, size_t R, size_t inner, size_t stride, float *y, float scale, bool add) {
    for (size_t o = 0; o < outer; o++) {
        if (inner == 1 && stride == 1) {
            const float s = (float)(sum_of_row(x, xt, o * R, R, false) * scale);
            y[o] = add ? y[o] + s : s;
            continue;
        }
        for (size_t i = 0; i < inner; i += 8 * W) {            // columns whose part of a row is a few cache lines
            const size_t count = min_size(8 * W, inner - i);
            double total[8 * W] = {0};
            for (size_t r0 = 0; r0 < R; r0 += BLOCK) {
                vf part[8] = {0};
                for (size_t r = r0; r < min_size(R, r0 + BLOCK); r++) {
                    const size_t at = (o * R + r) * stride + i;
                    if (count == 8 * W) for (int v = 0; v < 8; v++) part[v] += get(x, xt, at + v * W);
                    else for (size_t v = 0; v * W < count; v++) part[v] += get_first(x, xt, at + v * W, min_size(W, count - v * W));
                }
                for (size_t j = 0; j < count; j++) total[j] += part[j / W][j % W];
            }
            for (size_t j = 0; j < count; j++) {
                float *to = y + o * inner + i + j;
                *to = add ? *to + (float)(total[j] * scale) : (float)(total[j] * scale);
            }
        }
    }
}

static void maximum(const void *x, int xt, size_t outer, size_t R, size_t inner, float *y, int32_t *at) {
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            float max = get1(x, xt, o * R * inner + i);
            size_t index = 0;
            for (size_t r = 1; r < R && max == max; r++) {         // ends at the first NaN
                const float v = get1(x, xt, (o * R + r) * inner + i);
                if (v > max || v != v) max = v, index = r;
            }
            y[o * inner + i] = max;
            at[o * inner + i] = (int32_t)index;
        }
}

// SplitMix64 as a counter-based generator (Steele, Lea & Flood 2014): element i of stream `seed`.
static inline uint64_t random_bits(uint64_t seed, uint64_t i) {
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void dropout(const void *x, int xt, void *y, int yt, size_t n, float p, uint64_t seed, uint64_t start, bool add) {
    const uint64_t threshold = (uint64_t)((double)p * 4294967296.0);
    const float scale = 1.0f / (1.0f - p);
    for (size_t i = 0; i < n; i += W) {
        const size_t count = min_size(W, n - i);
        float factor[W];
        for (size_t j = 0; j < W; j++) factor[j] = (random_bits(seed, start + i + j) >> 32) < threshold ? 0.0f : scale;
        vf v = get_first(x, xt, i, count) * load(factor);
        if (add) v += get_first(y, yt, i, count);
        put_first(y, yt, i, v, count);
    }
}

static void uniform(float *y, size_t n, uint64_t seed, uint64_t start) {
    for (size_t i = 0; i < n; i++) y[i] = (float)(random_bits(seed, start + i) >> 40) * (1.0f / 16777216.0f);
}

static void normal(float *y, size_t n, uint64_t seed, uint64_t start) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = random_bits(seed, start + i);
        const float radius = ((float)(bits >> 40) + 1.0f) * (1.0f / 16777216.0f);
        const float angle = (float)(bits & 0xffffff) * (6.2831853f / 16777216.0f);
        y[i] = sqrtf(-2.0f * logf(radius)) * cosf(angle);
    }
}

static double sum_of_squares(const float *x, size_t n) { return sum_of_row(x, SLM_F32, 0, n, true); }

static void adamw(const slm_adamw *p, float *w, const float *g, float *m, float *v, size_t n) {
    const vf b1 = splat(p->beta1), b2 = splat(p->beta2), rest1 = splat(1.0f - p->beta1), rest2 = splat(1.0f - p->beta2);
    const vf step = splat(p->rate / p->correction1), root = splat(1.0f / sqrtf(p->correction2));
    const vf keep = splat(1.0f - p->rate * p->decay);
    for (size_t i = 0; i < n; i += W) {
        const size_t count = min_size(W, n - i);
        const bool full = count == W;
#define LOAD(q) (full ? load((q) + i) : load_first((q) + i, count))
#define STORE(q, value) do { if (full) store((q) + i, value); else store_first((q) + i, value, count); } while (0)
        const vf gradient = LOAD(g) * splat(p->gradient_scale);
        const vf first = LOAD(m) * b1 + gradient * rest1, second = LOAD(v) * b2 + gradient * gradient * rest2;
        STORE(m, first);
        STORE(v, second);
        STORE(w, LOAD(w) * keep - step * first / (__builtin_elementwise_sqrt(second) * root + splat(p->epsilon)));
#undef LOAD
#undef STORE
    }
}
