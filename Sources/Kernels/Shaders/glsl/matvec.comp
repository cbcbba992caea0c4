#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// y [M, N] = activation(scale·x [M, K]·wᵀ + bias) + plus for a few rows of x: 64 invocations add up each output, for up to ROWS rows.
layout(local_size_x = 64, local_size_y = 4) in;
layout(constant_id = 0) const uint ROWS = 1;
const uint X = 0, W = 1, Y = 2, BIAS = 3, BEFORE = 4, PLUS = 5;
shared float sums[4][64];

void main() {
    const uint M = n[0], N = n[1], K = n[2], x_stride = n[3], w_stride = n[4], y_stride = n[5];
    const int activation = n[6] & 0xff;
    const uint lane = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y, column = workgroup() * 4 + y;
    float partial[ROWS];
    [[unroll]] for (uint m = 0; m < ROWS; m++) partial[m] = 0;
    if (column < N) {
        for (uint k = lane; k < K; k += 64) {
            const float weight = get(W, column * w_stride + k);
            [[unroll]] for (uint m = 0; m < ROWS; m++) if (m < M) partial[m] += weight * get(X, m * x_stride + k);
        }
    }
    [[unroll]] for (uint m = 0; m < ROWS; m++) {
        sums[y][lane] = partial[m];
        barrier();
        for (uint half_ = 32; half_ > 0; half_ /= 2) {
            if (lane < half_) sums[y][lane] += sums[y][lane + half_];
            barrier();
        }
        if (lane == 0 && column < N && m < M) {
            const uint at = m * y_stride + column;
            float value = x[0] * sums[y][0];
            if ((n[6] & 0x100) != 0) value += get(Y, at);
            if (has(BIAS)) value += get(BIAS, column);
            if (has(BEFORE)) put(BEFORE, at, value);
            if (activation != 0) value = apply(activation, value);
            if (has(PLUS)) value += get(PLUS, at);
            put(Y, at, value);
        }
        barrier();
    }
}
