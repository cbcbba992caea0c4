#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// y [parts, C] (+)= scale·Σ x [R, C] along R, where R is divided into parts: a workgroup adds up the rows of a part for 32 columns.
layout(local_size_x = 32, local_size_y = 8) in;
const uint X = 0, Y = 1;
shared float sums[8][32];

void main() {
    const uint R = n[0], C = n[1], parts = n[2], stride = n[4];
    const uint column = gl_WorkGroupID.x * 32 + gl_LocalInvocationID.x, part = gl_WorkGroupID.y, lane = gl_LocalInvocationID.y;
    float sum = 0;
    if (column < C) {
        const uint last = uint(uint64_t(R) * (part + 1) / parts);
        for (uint row = uint(uint64_t(R) * part / parts) + lane; row < last; row += 8) sum += get(X, row * stride + column);
    }
    sums[lane][gl_LocalInvocationID.x] = sum;
    barrier();
    if (lane != 0 || column >= C) return;
    for (uint i = 1; i < 8; i++) sum += sums[i][gl_LocalInvocationID.x];
    put(Y, part * C + column, n[3] != 0 ? get(Y, part * C + column) + x[0] * sum : x[0] * sum);
}
