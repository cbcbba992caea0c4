#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Partial sums of dw += Σ dy·x̂ over the heads of queries and of keys, [parts, 2, D]: a workgroup adds up the rows of a part for 32
// channels of one kind.
layout(local_size_x = 32, local_size_y = 8) in;
const uint DY = 0, X = 1, RSTD = 2, PARTS = 3;
shared float sums[8][32];

void main() {
    const uint N = n[0], C = n[1], H = n[2], queries = n[3], D = n[4], parts = n[5];
    const uint kind = gl_WorkGroupID.x % 2, i = gl_WorkGroupID.x / 2 * 32 + gl_LocalInvocationID.x, lane = gl_LocalInvocationID.y;
    const uint first = kind == 0 ? 0 : queries, end = kind == 0 ? queries : H, part = gl_WorkGroupID.y;
    float sum = 0;
    if (i < D) {
        const uint last = uint(uint64_t(N) * (part + 1) / parts);
        for (uint row = uint(uint64_t(N) * part / parts) + lane; row < last; row += 8)
            for (uint h = first; h < end; h++) {
                const uint at = row * C + h * D + i;
                sum += get(DY, at) * get(X, at) * get(RSTD, row * H + h);
            }
    }
    sums[lane][gl_LocalInvocationID.x] = sum;
    barrier();
    if (lane != 0 || i >= D) return;
    for (uint j = 1; j < 8; j++) sum += sums[j][gl_LocalInvocationID.x];
    put(PARTS, (part * 2 + kind) * D + i, sum);
}
