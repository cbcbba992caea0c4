#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#define THREADS 256
#include "reduce.glsl"
// y [N] (+)= scale·Σ x [N, R], or of x² if n[2]: one workgroup for each row.
layout(local_size_x = THREADS) in;
const uint X = 0, Y = 1;

void main() {
    if (is_beyond()) return;
    const uint row = workgroup(), R = n[0], count = n[3];
    const uint first = row * R, last = min(first + R, count);
    float sum = 0;
    for (uint i = first + gl_LocalInvocationID.x; i < last; i += THREADS) {
        const float value = get(X, i);
        sum += n[2] != 0 ? value * value : value;
    }
    sum = x[0] * sum_of_group(sum);
    if (gl_LocalInvocationID.x == 0) put(Y, row, n[1] != 0 ? get(Y, row) + sum : sum);
}
