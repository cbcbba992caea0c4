#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "reduce.glsl"
// ⟨dy, y⟩ of each query and head, [B, H, T]: one workgroup for each.
layout(local_size_x = THREADS) in;
const uint Y = 0, DY = 1, PRODUCTS = 2;

void main() {
    if (is_beyond()) return;
    const uint T = n[0], H = n[1], D = n[2], t = workgroup() % T, h = workgroup() / T % H, b = workgroup() / T / H;
    const uint at = ((b * T + t) * H + h) * D;
    float sum = 0;
    for (uint i = gl_LocalInvocationID.x; i < D; i += THREADS) sum += get(Y, at + i) * get(DY, at + i);
    sum = sum_of_group(sum);
    if (gl_LocalInvocationID.x == 0) put(PRODUCTS, workgroup(), sum);
}
