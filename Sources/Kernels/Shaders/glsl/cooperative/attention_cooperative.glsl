// What the shaders of causal attention on matrix units share. All numbers of q, k, v and dy are bf16, and T is a multiple of 64. A
// workgroup has four subgroups of 32; each works on 16 rows of its own, without waiting for the others.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_bfloat16 : require
#pragma use_vulkan_memory_model
#include "../common.glsl"
#include "../functions.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint D = 64;
const uint FRAGMENTS = D / 16;
// Columns of scores at a time, and the stride of their rows in shared memory, in bf16.
const uint COLUMNS = 32, STRIDE = COLUMNS + 8;

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer BFloats { bfloat16_t v[]; };

#define LEFT coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define RIGHT coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define SUMS coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>

// Rows of a matrix as the left operand, or its transpose as the right one.
#define LOAD_LEFT(m, buffer_, at, stride) coopMatLoad(m, BFloats(buffers[buffer_]).v, at, stride, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_TRANSPOSED(m, buffer_, at, stride) \
    coopMatLoad(m, BFloats(buffers[buffer_]).v, at, stride, gl_CooperativeMatrixLayoutColumnMajor)
#define LOAD_RIGHT(m, buffer_, at, stride) coopMatLoad(m, BFloats(buffers[buffer_]).v, at, stride, gl_CooperativeMatrixLayoutRowMajor)

float capped(float score) { return x[1] > 0 ? x[1] * exact_tanh(score / x[1]) : score; }
float capped_slope(float y) { return x[1] > 0 ? 1 - y * y / (x[1] * x[1]) : 1; }

shared float scores[4][16 * COLUMNS];
