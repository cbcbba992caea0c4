// The KV cache: cached keys and values of one head of one sequence.
//
// T is the cache's capacity, rounded up to a multiple of 2W. A vector of keys holds W positions, a vector of values W channels.
//   f32     keys [T/W][D][W] floats                                 values [T][D] floats
//   bf16    keys [T/W][D/2][W] pairs of neighboring channels        values [T/2][D] pairs of neighboring positions
//   int8    keys [T/W][D/4][W] quads of neighboring channels, each a byte: its value + 128; then a scale for each position
//           values [T/4][D] quads of neighboring positions, each a signed byte; then a scale for each position
//
// int8 stores rotated vectors, because a few channels of keys are far larger than the others, and would set the step of all. Rotated by a
// Hadamard matrix, H·x, each channel has a part of all of them. Queries are rotated, too, and the result of attention back:
//   Hq·Hk/n = q·k       H·Σ prob·Hv/n = Σ prob·v       n channels are rotated together

static inline size_t pairs_of(size_t n) { return (n + 1) / 2; }
static inline size_t quads_of(size_t n) { return (n + 3) / 4; }
// 32-bit units of the key of a position.
static inline size_t key_units(int precision, size_t D) {
    return precision == SLM_WEIGHTS_F32 ? D : precision == SLM_WEIGHTS_BF16 ? pairs_of(D) : quads_of(D);
}
// Bytes of the value of a position.
static inline size_t value_bytes(int precision, size_t D) {
    return precision == SLM_WEIGHTS_F32 ? 4 * D : precision == SLM_WEIGHTS_BF16 ? 2 * D : D;
}
static inline size_t padded_capacity(size_t capacity) { return round_up(capacity, 2 * W); }

static size_t kv_cache_key_bytes(int precision, size_t D, size_t capacity) {
    return padded_capacity(capacity) * (4 * key_units(precision, D) + (precision == SLM_WEIGHTS_INT8 ? 4 : 0));
}
static size_t kv_cache_value_bytes(int precision, size_t D, size_t capacity) {
    return round_up(padded_capacity(capacity) * (value_bytes(precision, D) + (precision == SLM_WEIGHTS_INT8 ? 4 : 0)), 64);
}
static inline float *key_scales(size_t D, size_t capacity, const void *keys) {
    return (float *)((unit *)keys + padded_capacity(capacity) * quads_of(D));
}
static inline float *value_scales(size_t D, size_t capacity, const void *values) {
    return (float *)((char *)values + padded_capacity(capacity) * D);
}

enum { MOST_ROTATED = 1024 };              // channels of a head that are rotated
// Channels that are rotated together: a power of two that divides D.
static inline size_t rotated_together(size_t D) { return D > MOST_ROTATED ? 1 : D & -D; }

static const int32_t lane_indices[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#if W == 16
#define SWAPPED(x, h) __builtin_shufflevector(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h, 4 ^ h, 5 ^ h, 6 ^ h, 7 ^ h, 8 ^ h, 9 ^ h,    \
                                              10 ^ h, 11 ^ h, 12 ^ h, 13 ^ h, 14 ^ h, 15 ^ h)
#elif W == 8
#define SWAPPED(x, h) __builtin_shufflevector(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h, 4 ^ h, 5 ^ h, 6 ^ h, 7 ^ h)
#else
#define SWAPPED(x, h) __builtin_shufflevector(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h)
#endif
// In pairs of lanes, h apart: their sum, and the first minus the second.
#define SUM_AND_DIFFERENCE(x, h) vselect((lane & h) == 0, x + SWAPPED(x, h), SWAPPED(x, h) - x)

// y [D] = H·x, without the factor 1/√n. y may be x.
static void rotate_channels(const float *x, size_t D, float *y) {
    const size_t n = rotated_together(D);
    vi lane;
    memcpy(&lane, lane_indices, sizeof lane);
    for (size_t d = 0; d < D; d += W) {
        const size_t width = min_size(W, D - d);
        vf v = load_first(x + d, width);
        if (n >= 2) v = SUM_AND_DIFFERENCE(v, 1);
        if (n >= 4) v = SUM_AND_DIFFERENCE(v, 2);
#if W >= 8
        if (n >= 8) v = SUM_AND_DIFFERENCE(v, 4);
#endif
#if W >= 16
        if (n >= 16) v = SUM_AND_DIFFERENCE(v, 8);
#endif
        store_first(y + d, v, width);
    }
    for (size_t h = W; h < n; h *= 2)
        for (size_t block = 0; block < D; block += 2 * h)
            for (size_t d = block; d < block + h; d += W) {
                const vf a = load(y + d), b = load(y + d + h);
                store(y + d, a + b);
                store(y + d + h, a - b);
            }
}
// The same, in `space` for MOST_ROTATED floats, or x itself if nothing is rotated.
static inline const float *rotated_channels(const float *x, size_t D, float *space) {
    if (rotated_together(D) == 1) return x;
    rotate_channels(x, D, space);
    return space;
}

// The scale of a vector that is quantized to ±`steps` steps, and the inverse of the scale.
static inline float scale_of_vector(const float *x, size_t D, float steps, float *inverse) {
    vf largest = {0}, broken = {0};
    for (size_t d = 0; d < D; d += W) {
        const vf part = load_first(x + d, min_size(W, D - d));
        largest = vmax(vabs(part), largest);
        broken += unless_finite(part);
    }
    const float max = max_lanes(largest);
    *inverse = max > 0 ? steps / max : 0;
    return max / steps + sum_lanes(broken);
}
static inline vb quantize(const float *x, size_t count, float inverse) {
    return __builtin_convertvector(round_to_int(load_first(x, count) * splat(inverse)), vb);
}

// Stores the key and the value of position t.
static void kv_cache_append(int precision, size_t D, size_t capacity, size_t t, const float *key, const float *value, void *keys,
                            void *values) {
    if (precision == SLM_WEIGHTS_INT8) {
        uint8_t *k = (uint8_t *)keys + 4 * (t / W * quads_of(D) * W + t % W);
        int8_t *v = (int8_t *)values + 4 * (t / 4 * D) + t % 4;
        float inverse, space[MOST_ROTATED];
        const float shared = 1 / (float)rotated_together(D);
        key = rotated_channels(key, D, space);
        key_scales(D, capacity, keys)[t] = scale_of_vector(key, D, 127, &inverse) * shared;
        for (size_t d = 0; d < D; d += W) {
            const vb steps = quantize(key + d, min_size(W, D - d), inverse) ^ (int8_t)-128;      // + 128, modulo 256
            for (size_t i = 0; i < quads_of(min_size(W, D - d)); i++) memcpy(k + (d / 4 + i) * 4 * W, (const char *)&steps + 4 * i, 4);
        }
        value = rotated_channels(value, D, space);
        value_scales(D, capacity, values)[t] = scale_of_vector(value, D, 127, &inverse) * shared;
        for (size_t d = 0; d < D; d += W) {
            const vb steps = quantize(value + d, min_size(W, D - d), inverse);
            for (size_t i = 0; i < min_size(W, D - d); i++) v[4 * (d + i)] = steps[i];
        }
    } else if (precision == SLM_WEIGHTS_F32) {
        float *k = (float *)keys + t / W * D * W + t % W;
        for (size_t d = 0; d < D; d++) k[d * W] = key[d];
        memcpy((float *)values + t * D, value, 4 * D);
    } else {
        bf16 *k = (bf16 *)keys + 2 * (t / W * pairs_of(D) * W + t % W), *v = (bf16 *)values + 2 * (t / 2 * D) + t % 2;
        for (size_t d = 0; d < 2 * pairs_of(D); d++) k[d / 2 * 2 * W + d % 2] = d < D ? narrow1(key[d]) : 0;
        for (size_t d = 0; d < D; d++) v[2 * d] = narrow1(value[d]);
        // The next position's values are multiplied by 0 before they are stored, so they must not be NaN.
        if (t % 2 == 0) for (size_t d = 0; d < D; d++) v[2 * d + 1] = 0;
    }
}

// Copies at least the first `count` positions from another cache of the same capacity.
static void kv_cache_copy(int precision, size_t D, size_t capacity, size_t count, const void *from_keys, const void *from_values,
                          void *keys, void *values) {
    const size_t T = round_up(count, 2 * W);
    memcpy(keys, from_keys, T * 4 * key_units(precision, D));
    memcpy(values, from_values, T * value_bytes(precision, D));
    if (precision != SLM_WEIGHTS_INT8) return;
    memcpy(key_scales(D, capacity, keys), key_scales(D, capacity, from_keys), T * sizeof(float));
    memcpy(value_scales(D, capacity, values), value_scales(D, capacity, from_values), T * sizeof(float));
}
