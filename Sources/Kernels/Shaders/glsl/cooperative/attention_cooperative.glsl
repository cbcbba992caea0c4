// What the shaders of causal attention on matrix units share. A workgroup computes ROWS rows of scores, COLUMNS at a time, as matrices of
// VK_NV_cooperative_matrix2, which the driver spreads over its invocations. All numbers of q, k, v, y and dy are bf16.
#extension GL_KHR_cooperative_matrix : require
#extension GL_NV_cooperative_matrix2 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_bfloat16 : require
#pragma use_vulkan_memory_model
#include "../common.glsl"
#include "../functions.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint D = 64;
layout(constant_id = 1) const uint ROWS = 64;
layout(constant_id = 2) const uint COLUMNS = 32;

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer BFloats { bfloat16_t v[]; };

#define SCORES coopmat<float, gl_ScopeWorkgroup, ROWS, COLUMNS, gl_MatrixUseAccumulator>
#define WEIGHTS coopmat<bfloat16_t, gl_ScopeWorkgroup, ROWS, COLUMNS, gl_MatrixUseA>         // scores as the left operand
#define SUMS coopmat<float, gl_ScopeWorkgroup, ROWS, D, gl_MatrixUseAccumulator>
#define RESULTS coopmat<bfloat16_t, gl_ScopeWorkgroup, ROWS, D, gl_MatrixUseAccumulator>
// Rows of a head as the left operand or the right one, and their transpose as the right one.
#define LEFT coopmat<bfloat16_t, gl_ScopeWorkgroup, ROWS, D, gl_MatrixUseA>
#define RIGHT coopmat<bfloat16_t, gl_ScopeWorkgroup, COLUMNS, D, gl_MatrixUseB>
#define TRANSPOSED coopmat<bfloat16_t, gl_ScopeWorkgroup, D, COLUMNS, gl_MatrixUseB>

// The rows of a head, T × D. Rows beyond are read as 0, and not written.
#define LAYOUT tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV>
LAYOUT layout_of(uint T, uint stride) {
    LAYOUT rows = createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
    rows = setTensorLayoutDimensionNV(rows, T, D);
    return setTensorLayoutStrideNV(rows, stride & ~7, 1);        // & ~7 shows the compiler that rows are aligned
}
#define LOAD(matrix, buffer_, base, rows, first, count) \
    coopMatLoadTensorNV(matrix, BFloats(buffers[buffer_]).v, base, sliceTensorLayoutNV(rows, first, count, 0, D))
#define LOAD_TRANSPOSED(matrix, buffer_, base, rows, first, count) \
    coopMatLoadTensorNV( \
        matrix, BFloats(buffers[buffer_]).v, base, sliceTensorLayoutNV(rows, first, count, 0, D), createTensorViewNV(2, false, 1, 0))
#define STORE(matrix, buffer_, base, rows, first, count) \
    coopMatStoreTensorNV(matrix, BFloats(buffers[buffer_]).v, base, sliceTensorLayoutNV(rows, first, count, 0, D))

float capped(float score) { return x[1] > 0 ? x[1] * exact_tanh(score / x[1]) : score; }
// The derivative of capped(), from its result.
float capped_slope(float y) { return x[1] > 0 ? 1 - y * y / (x[1] * x[1]) : 1; }

// Whether position t attends to position s of a row of the batch.
bool attends(uint t, uint s, uint b) { return s <= t && t < n[0] && (!has(3) || s >= get_int(3, b * n[0] + t)); }

float sum_of(const in float a, const in float b) { return a + b; }
float larger_of(const in float a, const in float b) { return max(a, b); }
