#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// C = activation(scale·A·B + bias) + plus in f32: a workgroup computes a block of TILE × TILE, an invocation a part of it, with the
// columns of A and the rows of B that it needs in shared memory.
layout(local_size_x = 256) in;
layout(constant_id = 0) const uint TILE = 64;
const uint A = 0, B = 1, C = 2, BIAS = 3, BEFORE = 4, PLUS = 5;
const uint DEPTH = 16, PART = TILE / 16, WIDTH = TILE + 1;
shared float a_tile[DEPTH * WIDTH], b_tile[DEPTH * WIDTH];

// Loads rows first ..< first + TILE of a matrix [count, K] whose rows are contiguous, or its columns if `transposed`, from column k on.
#define LOAD(TILE_ARRAY, MATRIX, FIRST, COUNT, STRIDE, TRANSPOSED)                                                  \
    [[unroll]] for (uint j = 0; j < PART; j++) {                                                                    \
        const uint flat_ = gl_LocalInvocationID.x + 256 * j;                                                        \
        const uint row = TRANSPOSED ? flat_ % TILE : flat_ / DEPTH, depth = TRANSPOSED ? flat_ / TILE : flat_ % DEPTH; \
        const uint r = FIRST + row, k = start + depth;                                                              \
        TILE_ARRAY[depth * WIDTH + row] = r < COUNT && k < K ? get(MATRIX, TRANSPOSED ? k * STRIDE + r : r * STRIDE + k) : 0; \
    }

void main() {
    const uint M = n[0], N = n[1], K = n[2], a_stride = n[3], b_stride = n[4], c_stride = n[5];
    const int activation = n[6] & 0xff;
    const bool adding = (n[6] & 0x100) != 0, a_transposed = (n[6] & 0x200) != 0, b_transposed = (n[6] & 0x400) != 0;
    const uint m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
    const uint tx = gl_LocalInvocationID.x % 16, ty = gl_LocalInvocationID.x / 16;
    float sums[PART][PART];
    [[unroll]] for (uint i = 0; i < PART; i++) [[unroll]] for (uint j = 0; j < PART; j++) sums[i][j] = 0;
    for (uint start = 0; start < K; start += DEPTH) {
        LOAD(a_tile, A, m0, M, a_stride, a_transposed)
        LOAD(b_tile, B, n0, N, b_stride, b_transposed)
        barrier();
        for (uint k = 0; k < DEPTH; k++) {
            float left[PART], right[PART];
            [[unroll]] for (uint i = 0; i < PART; i++) left[i] = a_tile[k * WIDTH + ty + 16 * i];
            [[unroll]] for (uint j = 0; j < PART; j++) right[j] = b_tile[k * WIDTH + tx + 16 * j];
            [[unroll]] for (uint i = 0; i < PART; i++) [[unroll]] for (uint j = 0; j < PART; j++) sums[i][j] += left[i] * right[j];
        }
        barrier();
    }
    [[unroll]] for (uint i = 0; i < PART; i++) [[unroll]] for (uint j = 0; j < PART; j++) {
        const uint row = m0 + ty + 16 * i, column = n0 + tx + 16 * j, at = row * c_stride + column;
        if (row >= M || column >= N) continue;
        float value = x[0] * sums[i][j];
        if (adding) value += get(C, at);
        if (has(BIAS)) value += get(BIAS, column);
        if (has(BEFORE)) put(BEFORE, at, value);
        if (activation != 0) value = apply(activation, value);
        if (has(PLUS)) value += get(PLUS, at);
        put(C, at, value);
    }
}
