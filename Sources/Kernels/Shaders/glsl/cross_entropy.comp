#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#define THREADS 256
#include "reduce.glsl"
// losses = −log softmax(x)[target];  d = scale·(softmax(x) − one-hot(target)), which may be x: one workgroup for each row.
layout(local_size_x = THREADS) in;
const uint X = 0, TARGETS = 1, LOSSES = 2, HITS = 3, D = 4;

void main() {
    if (is_beyond()) return;
    const uint row = workgroup(), V = n[0], i0 = gl_LocalInvocationID.x, at = row * uint(n[1]);
    const int target = get_int(TARGETS, row);
    if (target < 0 || target >= V) {
        // The caller has checked that no target is V or more.
        if (i0 == 0 && has(LOSSES)) put(LOSSES, row, 0);
        if (i0 == 0 && has(HITS)) Ints(buffers[HITS]).v[row] = 0;
        if (has(D)) for (uint i = i0; i < V; i += THREADS) put(D, at + i, 0);
        return;
    }
    // The largest logit and the sum of the exponentials, in one pass.
    float largest = -3.4e38, sum = 0;
    for (uint i = i0; i < V; i += THREADS) {
        const float logit = get(X, at + i);
        if (logit > largest) {
            sum = sum * exp(largest - logit) + 1;
            largest = logit;
        } else sum += exp(logit - largest);
    }
    const float top = max_of_group(largest);
    const float total = sum_of_group(sum * exp(largest - top)), logit = get(X, at + target);
    if (has(HITS)) {
        float earlier = 0;
        for (uint i = i0; i < target; i += THREADS) earlier += get(X, at + i) >= top ? 1 : 0;
        earlier = sum_of_group(earlier);
        if (i0 == 0) Ints(buffers[HITS]).v[row] = logit >= top && earlier == 0 ? 1 : 0;
    }
    if (has(LOSSES) && i0 == 0) put(LOSSES, row, top + log(total) - logit);
    if (!has(D)) return;
    barrier();
    const float factor = x[0] / total;
    for (uint i = i0; i < V; i += THREADS)
        put(D, at + i, i == target ? (exp(get(X, at + i) - top) / total - 1) * x[0] : exp(get(X, at + i) - top) * factor);
}
