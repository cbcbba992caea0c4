#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#define THREADS 64
#include "reduce.glsl"
// dx (+)= rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩) with g = dy·w: one workgroup for each row.
layout(local_size_x = THREADS) in;
const uint DY = 0, X = 1, SCALE = 2, MEAN = 3, RSTD = 4, DX = 5;

void main() {
    if (is_beyond()) return;
    const uint row = workgroup(), C = n[0], at = row * C, i0 = gl_LocalInvocationID.x;
    const float mean = has(MEAN) ? get(MEAN, row) : 0, rstd = get(RSTD, row);
    float g = 0, gx = 0;
    for (uint i = i0; i < C; i += THREADS) {
        const float slope = get(DY, at + i) * get(SCALE, i);
        g += slope;
        gx += slope * (get(X, at + i) - mean) * rstd;
    }
    const float mean_gx = sum_of_group(gx) / float(C);
    const float mean_g = has(MEAN) ? sum_of_group(g) / float(C) : 0;
    for (uint i = i0; i < C; i += THREADS) {
        const float unit = (get(X, at + i) - mean) * rstd;
        const float value = rstd * (get(DY, at + i) * get(SCALE, i) - mean_g - unit * mean_gx);
        put(DX, at + i, n[1] != 0 ? get(DX, at + i) + value : value);
    }
}
