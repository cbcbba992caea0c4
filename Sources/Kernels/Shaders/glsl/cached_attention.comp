#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
#define THREADS 256
#include "reduce.glsl"
#include "kv_cache.glsl"
// y [N, H·D] = attention of each row to the cached positions up to its own: one workgroup for each row and head of queries.
layout(local_size_x = THREADS) in;
layout(constant_id = 0) const uint D = 64;
layout(constant_id = 1) const uint group = 1;                    // query heads that share a head of keys
const uint QKV = 0, SEQUENCES = 1, Y = 2;
const uint EACH = (D + THREADS - 1) / THREADS;
shared float query[D], weights[THREADS], parts[THREADS];

void main() {
    if (is_beyond()) return;
    const uint H = n[0], K = H / group, capacity = n[1], layer = n[2], window = n[3], i0 = gl_LocalInvocationID.x;
    const uint row = workgroup() / H, h = workgroup() % H, position = position_of(SEQUENCES, row);
    const uint64_t cache = cache_of(SEQUENCES, row);
    const uint64_t keys = uint64_t(layer * K + h / group) * 2 * capacity * D, values = keys + uint64_t(capacity) * D;
    for (uint c = i0; c < D; c += THREADS) query[c] = get(QKV, row * (H + 2 * K) * D + h * D + c);
    barrier();
    // Where D is smaller than the workgroup, several invocations add up a channel, each a part of the positions.
    const uint lanes = max(1, THREADS / D), lane = D < THREADS ? i0 / D : 0, channel = D < THREADS ? i0 % D : i0;
    float largest = -3e38, total = 0, sums[EACH];
    [[unroll]] for (uint e = 0; e < EACH; e++) sums[e] = 0;
    for (uint start = window > 0 && position >= window ? position - window + 1 : 0; start <= position; start += THREADS) {
        const uint count = min(THREADS, position + 1 - start);
        float score = -3e38;
        if (i0 < count) {
            score = 0;
            const uint64_t at = keys + uint64_t(start + i0) * D;
            for (uint c = 0; c < D; c++) score += query[c] * get_cached(cache, at + c);
            score *= x[0];
            if (x[1] > 0) score = x[1] * exact_tanh(score / x[1]);
        }
        const float new = max(largest, max_of_group(score)), factor = exp(largest - new);
        const float e = i0 < count ? exp(score - new) : 0;
        weights[i0] = e;
        total = total * factor + sum_of_group(e);
        largest = new;
        [[unroll]] for (uint j = 0; j < EACH; j++) {
            const uint c = channel + j * THREADS;
            sums[j] *= factor;
            if (c >= D || lane >= lanes) continue;
            for (uint s = lane; s < count; s += lanes) sums[j] += weights[s] * get_cached(cache, values + uint64_t(start + s) * D + c);
        }
        barrier();
    }
    if (lanes > 1) {
        parts[i0] = sums[0];
        barrier();
        if (i0 >= D) return;
        for (uint l = 1; l < lanes; l++) sums[0] += parts[l * D + i0];
    }
    if (lane > 0) return;
    [[unroll]] for (uint j = 0; j < EACH; j++) {
        const uint c = channel + j * THREADS;
        if (c < D) put(Y, row * H * D + h * D + c, sums[j] / total);
    }
}
