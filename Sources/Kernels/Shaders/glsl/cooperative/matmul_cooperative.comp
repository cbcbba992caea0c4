#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_bfloat16 : require
#pragma use_vulkan_memory_model
#include "../common.glsl"
#include "../functions.glsl"
// C = activation(scale·A·B + bias) + plus on matrix units: operands are rounded to bf16, sums are f32. A workgroup computes a block of
// TILE × TILE with eight subgroups of 32, each of which has 4 × 2 matrices of 16 × 16.
//
// If n[7] is not 0, a workgroup sums only so many columns of A, and writes its part of the sum to a matrix of its own.
layout(local_size_x = 256) in;
layout(constant_id = 0) const bool a_transposed = false;
layout(constant_id = 1) const bool b_transposed = false;
layout(constant_id = 2) const bool a_rounded = false;            // whether numbers are stored in bf16
layout(constant_id = 3) const bool b_rounded = false;
layout(constant_id = 4) const bool checked = true;               // whether blocks may be incomplete
const uint A = 0, B = 1, C = 2, BIAS = 3, BEFORE = 4, PLUS = 5;
const uint TILE = 128, DEPTH = 32, THREADS = 256, EACH = TILE * DEPTH / 8 / THREADS;
// Vectors of eight bf16 in a row of a block in shared memory, with one more so that rows begin in different banks: of DEPTH columns, or of
// TILE rows if the block is transposed.
const uint ALONG_DEPTH = DEPTH / 8 + 1, ALONG_TILE = TILE / 8 + 1;
const uint BLOCK = TILE * ALONG_DEPTH;           // a transposed block is not larger
shared uvec4 a_tile[BLOCK], b_tile[BLOCK];
shared float results[8 * 256];

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Vectors { uvec4 v[]; };

uint packed(float low, float high) { return uint(to_bf16(low)) | uint(to_bf16(high)) << 16; }

// `count` elements from a multiple of eight on, and zeros.
uvec4 eight(uint buffer_, bool rounded, uint i, int count) {
    if (!checked || count >= 8) {
        if (rounded) return Vectors(buffers[buffer_]).v[i / 8];
        const vec4 low = uintBitsToFloat(Vectors(buffers[buffer_]).v[i / 4]);
        const vec4 high = uintBitsToFloat(Vectors(buffers[buffer_]).v[i / 4 + 1]);
        return uvec4(packed(low.x, low.y), packed(low.z, low.w), packed(high.x, high.y), packed(high.z, high.w));
    }
    float value[8];
    [[unroll]] for (int j = 0; j < 8; j++) value[j] = j < count ? get(buffer_, i + j) : 0;
    return uvec4(packed(value[0], value[1]), packed(value[2], value[3]), packed(value[4], value[5]), packed(value[6], value[7]));
}

// The part of a block that an invocation loads: rows first ..< first + TILE of `rows`, columns from k on of `last`.
uvec4 part(uint buffer_, bool transposed, bool rounded, uint index, uint first, uint rows, uint k, uint last, uint stride) {
    if (transposed) {
        const uint r = first + index % (TILE / 8) * 8, depth = k + index / (TILE / 8);
        return eight(buffer_, rounded, depth * stride + r, depth < last ? int(rows) - int(r) : 0);
    }
    const uint r = first + index / (DEPTH / 8), depth = k + index % (DEPTH / 8) * 8;
    return eight(buffer_, rounded, r * stride + depth, r < rows ? int(last) - int(depth) : 0);
}

uint place(bool transposed, uint index) {
    return transposed ? index / (TILE / 8) * ALONG_TILE + index % (TILE / 8)
                      : index / (DEPTH / 8) * ALONG_DEPTH + index % (DEPTH / 8);
}

// What follows a sum.
void finish(uint row, uint column, uint split, float sum) {
    const uint M = n[0], N = n[1], at = row * n[5] + column;
    const int activation = n[6] & 0xff;
    float value = x[0] * sum;
    if (n[7] != 0) {
        Floats(buffers[C]).v[(split * M + row) * N + column] = value;
        return;
    }
    if ((n[6] & 0x100) != 0) value += get(C, at);
    if (has(BIAS)) value += get(BIAS, column);
    if (has(BEFORE)) put(BEFORE, at, value);
    if (activation != 0) value = apply(activation, value);
    if (has(PLUS)) value += get(PLUS, at);
    put(C, at, value);
}

void main() {
    const uint M = n[0], N = n[1], K = n[2], a_stride = n[3], b_stride = n[4], i0 = gl_LocalInvocationID.x;
    const uint blocks = (M + TILE - 1) / TILE, m0 = gl_WorkGroupID.y % blocks * TILE, n0 = gl_WorkGroupID.x * TILE;
    const uint split = gl_WorkGroupID.y / blocks, first = split * n[7], last = n[7] != 0 ? min(K, first + n[7]) : K;
    const uint row0 = gl_SubgroupID / 4 * 64, column0 = gl_SubgroupID % 4 * 32;

    coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> sums[4][2];
    [[unroll]] for (uint i = 0; i < 4; i++) [[unroll]] for (uint j = 0; j < 2; j++)
        sums[i][j] = coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);

    uvec4 a_next[EACH], b_next[EACH];
    [[unroll]] for (uint j = 0; j < EACH; j++) {
        a_next[j] = part(A, a_transposed, a_rounded, i0 + THREADS * j, m0, M, first, last, a_stride);
        b_next[j] = part(B, b_transposed, b_rounded, i0 + THREADS * j, n0, N, first, last, b_stride);
    }
    for (uint k = first; k < last; k += DEPTH) {
        barrier();
        [[unroll]] for (uint j = 0; j < EACH; j++) {
            a_tile[place(a_transposed, i0 + THREADS * j)] = a_next[j];
            b_tile[place(b_transposed, i0 + THREADS * j)] = b_next[j];
        }
        barrier();
        if (k + DEPTH < last) {
            [[unroll]] for (uint j = 0; j < EACH; j++) {
                a_next[j] = part(A, a_transposed, a_rounded, i0 + THREADS * j, m0, M, k + DEPTH, last, a_stride);
                b_next[j] = part(B, b_transposed, b_rounded, i0 + THREADS * j, n0, N, k + DEPTH, last, b_stride);
            }
        }
        [[unroll]] for (uint depth = 0; depth < DEPTH; depth += 16) {
            coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a[4];
            coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> b[2];
            [[unroll]] for (uint i = 0; i < 4; i++) {
                const uint row = row0 + 16 * i;
                if (a_transposed)
                    coopMatLoad(a[i], a_tile, depth * ALONG_TILE + row / 8, ALONG_TILE, gl_CooperativeMatrixLayoutColumnMajor);
                else coopMatLoad(a[i], a_tile, row * ALONG_DEPTH + depth / 8, ALONG_DEPTH, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint j = 0; j < 2; j++) {
                const uint column = column0 + 16 * j;
                if (b_transposed)
                    coopMatLoad(b[j], b_tile, depth * ALONG_TILE + column / 8, ALONG_TILE, gl_CooperativeMatrixLayoutRowMajor);
                else coopMatLoad(b[j], b_tile, column * ALONG_DEPTH + depth / 8, ALONG_DEPTH, gl_CooperativeMatrixLayoutColumnMajor);
            }
            [[unroll]] for (uint i = 0; i < 4; i++) [[unroll]] for (uint j = 0; j < 2; j++)
                sums[i][j] = coopMatMulAdd(a[i], b[j], sums[i][j]);
        }
    }
    const uint lane = gl_SubgroupInvocationID, own = gl_SubgroupID * 256;
    [[unroll]] for (uint i = 0; i < 4; i++) [[unroll]] for (uint j = 0; j < 2; j++) {
        subgroupBarrier();
        coopMatStore(sums[i][j], results, own, 16, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        [[unroll]] for (uint e = 0; e < 256; e += 32) {
            const uint row = m0 + row0 + 16 * i + (e + lane) / 16, column = n0 + column0 + 16 * j + (e + lane) % 16;
            if (row < M && column < N) finish(row, column, split, results[own + e + lane]);
        }
    }
}
