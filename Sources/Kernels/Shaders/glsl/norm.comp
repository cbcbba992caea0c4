#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#define THREADS 64
#include "reduce.glsl"
// Layer norm, or RMS norm without means: one workgroup for each row.
layout(local_size_x = THREADS) in;
const uint X = 0, SCALE = 1, SHIFT = 2, Y = 3, MEAN = 4, RSTD = 5;

void main() {
    if (is_beyond()) return;
    const uint row = workgroup(), C = n[0], at = row * C, i0 = gl_LocalInvocationID.x;
    float mean = 0;
    if (has(MEAN)) {
        float sum = 0;
        for (uint i = i0; i < C; i += THREADS) sum += get(X, at + i);
        mean = sum_of_group(sum) / float(C);
    }
    float squares = 0;
    for (uint i = i0; i < C; i += THREADS) {
        const float centered = get(X, at + i) - mean;
        squares += centered * centered;
    }
    const float rstd = 1 / sqrt(sum_of_group(squares) / float(C) + x[0]);
    if (i0 == 0) {
        if (has(MEAN)) put(MEAN, row, mean);
        put(RSTD, row, rstd);
    }
    for (uint i = i0; i < C; i += THREADS)
        put(Y, at + i, (get(X, at + i) - mean) * rstd * get(SCALE, i) + (has(SHIFT) ? get(SHIFT, i) : 0));
}
