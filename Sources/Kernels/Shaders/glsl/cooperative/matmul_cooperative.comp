#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_bfloat16 : require
#pragma use_vulkan_memory_model
#include "../common.glsl"
#include "../functions.glsl"
#define HAS_BFLOAT16
#include "../eights.glsl"
// C = activation(scale·A·B + bias) + plus on matrix units: operands are rounded to bf16, sums are f32. A workgroup computes a block of
// TILE × TILE with eight subgroups of 32, each of which has PARTS_M × PARTS_N matrices of 16 × 16.
//
// If n[7] is not 0, a workgroup sums only so many columns of A, and writes its part of the sum to a matrix of its own.
layout(local_size_x = 256) in;
layout(constant_id = 0) const bool a_transposed = false;
layout(constant_id = 1) const bool b_transposed = false;
layout(constant_id = 2) const bool a_rounded = false;            // whether numbers are stored in bf16
layout(constant_id = 3) const bool b_rounded = false;
layout(constant_id = 4) const int activation = 0;
layout(constant_id = 5) const bool in_vectors = false;           // whether results can be stored in vectors of eight
const uint A = 0, B = 1, C = 2, BIAS = 3, BEFORE = 4, PLUS = 5;
// With DEPTH 16, an invocation needs at most 128 registers on an H100, so that a multiprocessor has two workgroups.
const uint TILE = 128, DEPTH = 16, PARTS_M = 4, PARTS_N = 2, THREADS = 256;
// Tiles are vectors of eight bf16: rows of DEPTH columns, or of TILE rows if the matrix is transposed, with one vector more so that rows
// begin in different banks.
const uint ALONG_DEPTH = DEPTH / 8 + 1, ALONG_TILE = TILE / 8 + 1;
const uint BLOCK = TILE * ALONG_DEPTH;                           // a transposed block is not larger
// Two of A and two of B: one is read while the next one is written.
shared uvec4 tiles[4 * BLOCK];

// Where an invocation loads its vector of a tile from, for depth 0. Rows beyond the last one are the last: their results are not stored.
uint offset(bool transposed, uint first, uint rows, uint stride) {
    const uint i = gl_LocalInvocationID.x;
    if (transposed) return i / (TILE / 8) * stride + min(first + i % (TILE / 8) * 8, (rows - 1) / 8 * 8);
    return min(first + i / (DEPTH / 8), rows - 1) * stride + i % (DEPTH / 8) * 8;
}

// The vector for columns k to k + DEPTH of `last`, with zeros from there on.
uvec4 load(uint buffer_, bool transposed, bool rounded, uint at, uint k, uint last, uint stride) {
    at += transposed ? k * stride : k;
    if (k + DEPTH <= last) {
        if (rounded) return VECTOR(buffer_, at / 8);
        return packed(Eight(uintBitsToFloat(VECTOR(buffer_, at / 4)), uintBitsToFloat(VECTOR(buffer_, at / 4 + 1))));
    }
    const uint i = gl_LocalInvocationID.x, depth = k + (transposed ? i / (TILE / 8) : i % (DEPTH / 8) * 8);
    const int count = transposed ? (depth < last ? 8 : 0) : int(last) - int(depth);
    float value[8];
    [[unroll]] for (int j = 0; j < 8; j++) value[j] = j < count ? get(buffer_, at + j) : 0;
    return packed(Eight(vec4(value[0], value[1], value[2], value[3]), vec4(value[4], value[5], value[6], value[7])));
}

// Where it puts that vector in the tile.
uint place(bool transposed) {
    const uint i = gl_LocalInvocationID.x;
    return transposed ? i / (TILE / 8) * ALONG_TILE + i % (TILE / 8) : i / (DEPTH / 8) * ALONG_DEPTH + i % (DEPTH / 8);
}

vec4 activated(vec4 v) {
    return vec4(apply(activation, v.x), apply(activation, v.y), apply(activation, v.z), apply(activation, v.w));
}

// What follows eight sums of a row.
void finish_eight(uint at, uint column, Eight sum) {
    if ((n[6] & 0x100) != 0) sum = sum_of(sum, get_eight(C, at));
    if (has(BIAS)) sum = sum_of(sum, get_eight(BIAS, column));
    if (has(BEFORE)) put_eight(BEFORE, at, sum);
    if (activation != 0) sum = Eight(activated(sum.low), activated(sum.high));
    if (has(PLUS)) sum = sum_of(sum, get_eight(PLUS, at));
    put_eight(C, at, sum);
}

// What follows one.
void finish(uint at, uint column, float sum) {
    if ((n[6] & 0x100) != 0) sum += get(C, at);
    if (has(BIAS)) sum += get(BIAS, column);
    if (has(BEFORE)) put(BEFORE, at, sum);
    if (activation != 0) sum = apply(activation, sum);
    if (has(PLUS)) sum += get(PLUS, at);
    put(C, at, sum);
}

void main() {
    const uint M = n[0], N = n[1], K = n[2], a_stride = n[3], b_stride = n[4];
    const uint blocks = (M + TILE - 1) / TILE, m0 = gl_WorkGroupID.y % blocks * TILE, n0 = gl_WorkGroupID.x * TILE;
    const uint split = gl_WorkGroupID.y / blocks, first = split * n[7], last = n[7] != 0 ? min(K, first + n[7]) : K;
    const uint row0 = gl_SubgroupID / 4 * 64, column0 = gl_SubgroupID % 4 * 32;

    coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> sums[PARTS_M][PARTS_N];
    [[unroll]] for (uint i = 0; i < PARTS_M; i++) [[unroll]] for (uint j = 0; j < PARTS_N; j++)
        sums[i][j] = coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);

    const uint a_at = offset(a_transposed, m0, M, a_stride), b_at = offset(b_transposed, n0, N, b_stride);
    uvec4 a_next = load(A, a_transposed, a_rounded, a_at, first, last, a_stride);
    uvec4 b_next = load(B, b_transposed, b_rounded, b_at, first, last, b_stride);
    uint a_tile = 0;
    for (uint k = first; k < last; k += DEPTH) {
        const uint b_tile = a_tile + BLOCK;
        tiles[a_tile + place(a_transposed)] = a_next;
        tiles[b_tile + place(b_transposed)] = b_next;
        barrier();
        if (k + DEPTH < last) {
            a_next = load(A, a_transposed, a_rounded, a_at, k + DEPTH, last, a_stride);
            b_next = load(B, b_transposed, b_rounded, b_at, k + DEPTH, last, b_stride);
        }
        coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a[PARTS_M];
        coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> b[PARTS_N];
        [[unroll]] for (uint i = 0; i < PARTS_M; i++) {
            const uint row = row0 + 16 * i;
            if (a_transposed) coopMatLoad(a[i], tiles, a_tile + row / 8, ALONG_TILE, gl_CooperativeMatrixLayoutColumnMajor);
            else coopMatLoad(a[i], tiles, a_tile + row * ALONG_DEPTH, ALONG_DEPTH, gl_CooperativeMatrixLayoutRowMajor);
        }
        [[unroll]] for (uint j = 0; j < PARTS_N; j++) {
            const uint column = column0 + 16 * j;
            if (b_transposed) coopMatLoad(b[j], tiles, b_tile + column / 8, ALONG_TILE, gl_CooperativeMatrixLayoutRowMajor);
            else coopMatLoad(b[j], tiles, b_tile + column * ALONG_DEPTH, ALONG_DEPTH, gl_CooperativeMatrixLayoutColumnMajor);
        }
        [[unroll]] for (uint i = 0; i < PARTS_M; i++) [[unroll]] for (uint j = 0; j < PARTS_N; j++)
            sums[i][j] = coopMatMulAdd(a[i], b[j], sums[i][j]);
        a_tile = 2 * BLOCK - a_tile;
    }
    barrier();
    // The sums pass through shared memory, so that a lane has eight of one row. Rows are five vectors of f32 apart.
    const uint lane = gl_SubgroupInvocationID, own = gl_SubgroupID * 16 * 5, mine = own + lane / 2 * 5 + lane % 2 * 2;
    [[unroll]] for (uint i = 0; i < PARTS_M; i++) [[unroll]] for (uint j = 0; j < PARTS_N; j++) {
        subgroupBarrier();
        coopMatStore(sums[i][j], tiles, own, 5, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        const Eight sum = Eight(uintBitsToFloat(tiles[mine]) * x[0], uintBitsToFloat(tiles[mine + 1]) * x[0]);
        const uint row = m0 + row0 + 16 * i + lane / 2, column = n0 + column0 + 16 * j + lane % 2 * 8;
        const bool exists = row < M && column < N;
        const uint at = n[7] != 0 ? (split * M + row) * N + column : row * n[5] + column;
        if (exists && in_vectors && column + 8 <= N) finish_eight(at, column, sum);
        else if (exists) [[unroll]] for (uint e = 0; e < 8; e++)
            if (column + e < N) finish(at + e, column + e, e < 4 ? sum.low[e] : sum.high[e - 4]);
    }
}
