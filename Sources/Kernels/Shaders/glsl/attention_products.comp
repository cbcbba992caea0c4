#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// ⟨dy, y⟩ of each query and head, [B, H, T]: one invocation for each, so that those of a workgroup share the cache lines of few queries.
layout(local_size_x = 256) in;
const uint Y = 0, DY = 1, PRODUCTS = 2;

void main() {
    const uint count = n[0], T = n[1], H = n[2], D = n[3], i = invocation();
    if (i >= count) return;
    const uint h = i % H, t = i / H % T, b = i / H / T;
    float sum = 0;
    for (uint d = 0; d < D; d++) sum += get(Y, i * D + d) * get(DY, i * D + d);
    put(PRODUCTS, (b * H + h) * T + t, sum);
}
