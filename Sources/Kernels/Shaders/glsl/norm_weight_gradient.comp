#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Partial sums of dw += Σ dy·x̂ and db += Σ dy, [parts, 2, C]: a workgroup adds up the rows of a part for 32 channels.
layout(local_size_x = 32, local_size_y = 8) in;
const uint DY = 0, X = 1, MEAN = 2, RSTD = 3, PARTS = 4;
shared float sums[2][8][32];

void main() {
    const uint N = n[0], C = n[1], parts = n[2];
    const uint column = gl_WorkGroupID.x * 32 + gl_LocalInvocationID.x, part = gl_WorkGroupID.y, lane = gl_LocalInvocationID.y;
    float dw = 0, db = 0;
    if (column < C) {
        const uint last = uint(uint64_t(N) * (part + 1) / parts);
        for (uint row = uint(uint64_t(N) * part / parts) + lane; row < last; row += 8) {
            const float dy = get(DY, row * C + column), mean = has(MEAN) ? get(MEAN, row) : 0;
            dw += dy * (get(X, row * C + column) - mean) * get(RSTD, row);
            db += dy;
        }
    }
    sums[0][lane][gl_LocalInvocationID.x] = dw;
    sums[1][lane][gl_LocalInvocationID.x] = db;
    barrier();
    if (lane < 2 && column < C) {
        float sum = 0;
        for (uint i = 0; i < 8; i++) sum += sums[lane][i][gl_LocalInvocationID.x];
        put(PARTS, (part * 2 + lane) * C + column, sum);
    }
}
