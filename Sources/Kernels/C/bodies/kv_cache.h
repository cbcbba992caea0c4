// The KV cache: cached keys and values of one head of one sequence.
//
// T is the cache's capacity, rounded up to a multiple of 2W. A vector of keys holds W positions, a vector of values W channels.
//   f32     keys [T/W][D][W] floats                                 values [T][D] floats
//   bf16    keys [T/W][D/2][W] pairs of neighboring channels        values [T/2][D] pairs of neighboring positions
//   int8    keys [T/W][D/4][W] quads of neighboring channels, each a byte: its value + 128; then a scale for each position
//           values [T/4][D] quads of neighboring positions, each a signed byte; then a scale for each position

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

// The scale of a vector that is quantized to ±127 steps, and the inverse of the scale.
static inline float scale_of_vector(const float *x, size_t D, float *inverse) {
    vf largest = {0};
    for (size_t d = 0; d < D; d += W) largest = vmax(vabs(load_first(x + d, min_size(W, D - d))), largest);
    const float max = max_lanes(largest);
    *inverse = max > 0 ? 127 / max : 0;
    return max / 127;
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
        float inverse;
        key_scales(D, capacity, keys)[t] = scale_of_vector(key, D, &inverse);
        for (size_t d = 0; d < D; d += W) {
            const vb steps = quantize(key + d, min_size(W, D - d), inverse) ^ (int8_t)-128;      // + 128, modulo 256
            for (size_t i = 0; i < quads_of(min_size(W, D - d)); i++) memcpy(k + (d / 4 + i) * 4 * W, (const char *)&steps + 4 * i, 4);
        }
        value_scales(D, capacity, values)[t] = scale_of_vector(value, D, &inverse);
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
