// All kernels of one instruction set, and the table of them. The including file (kernels_*.c) defines
//   SLM_NAME       the name of the instruction set
//   SLM_FEATURES   the CPU features that it is compiled for, separated by commas; undefined for the target's own
//   SLM_AVX512, SLM_AVX2 or SLM_NEON for its vectors; none of them for the compiler's baseline
//   SLM_VNNI, SLM_DOTPROD, SLM_NATIVE_BF16 and SLM_AMX for instructions that some CPUs with these vectors have
//
// From these follow
//   W            floats in a vector
//   MR, NV       rows, and vectors of columns, of a tile of a matmul
//   FLOAT_ROWS   input rows that a packed matmul multiplies together in f32 and bf16
//   INT_ROWS     … in int8 and int4
#if defined(SLM_AVX512)
#include <immintrin.h>
#define W 16
#define MR 12
#define NV 2
#define FLOAT_ROWS 12
#define INT_ROWS 6
#elif defined(SLM_AVX2)
#include <immintrin.h>
#define W 8
#define MR 4
#define NV 3
#define FLOAT_ROWS 6
#define INT_ROWS 3
#elif defined(SLM_NEON)
#include <arm_neon.h>
#define W 4
#define MR 8
#define NV 3
#define FLOAT_ROWS 8
#ifdef SLM_DOTPROD
#define INT_ROWS 8
#else
#define INT_ROWS 6      // products of bytes need registers of their own
#endif
#else
#define W 4
#define MR 4
#ifdef __aarch64__
#define NV 4
#else
#define NV 2
#endif
#define FLOAT_ROWS 4
#define INT_ROWS 3
#endif

#ifdef SLM_NATIVE_BF16
#define HAS_NATIVE_BF16 true
#else
#define HAS_NATIVE_BF16 false
#endif

#pragma clang attribute push
#ifdef SLM_FEATURES
#pragma clang attribute (__attribute__((target(SLM_FEATURES))), apply_to = function)
#else
#define SLM_FEATURES ""
#endif
#include "kernels.h"
#include "bodies/vector.h"
#include "bodies/activations.h"
#include "bodies/matmul.h"
#include "bodies/attention.h"
#include "bodies/packed_weights.h"
#include "bodies/stored_numbers.h"
#include "bodies/stored_blocks.h"
#include "bodies/quantized_codes.h"
#include "bodies/few_rows.h"
#include "bodies/amx_packed.h"
#include "bodies/many_rows.h"
#include "bodies/packed_matmul.h"
#include "bodies/kv_cache.h"
#include "bodies/cached_attention.h"
#include "bodies/rows.h"
#include "bodies/heads.h"
#include "bodies/elementwise.h"

#define JOINED(a, b) a##b
#define TABLE(name) JOINED(slm_kernels_, name)
#define QUOTED(name) #name
#define TEXT(name) QUOTED(name)
const slm_kernels TABLE(SLM_NAME) = {
    .name = TEXT(SLM_NAME), .features = SLM_FEATURES, .width = W, .panel = NR, .has_native_bf16 = HAS_NATIVE_BF16,
    .matmul_plan = matmul_plan, .matmul_pack = matmul_pack, .matmul_rows = matmul_rows, .matmul_finish = matmul_finish,
    .attention = attention, .attention_gradient = attention_gradient, .attention_scratch = attention_scratch,
    .weights_bytes = weights_bytes, .weights_input_bytes = weights_input_bytes, .weights_fit = weights_fit, .weights_panel = P,
    .weights_pack_scratch = weights_pack_scratch, .weights_pack = weights_pack,
    .weights_pack_codes = weights_pack_codes, .weights_row_bytes = quantized_row_bytes, .weights_quantize = weights_quantize,
    .weights_pack_rows = weights_pack_rows,
    .weights_dequantize = weights_dequantize, .weights_lookup = weights_lookup,
    .read_stored = read_stored,
    .weights_prepare_input = weights_prepare_input, .packed_matmul = packed_matmul,
    .kv_cache_key_bytes = kv_cache_key_bytes, .kv_cache_value_bytes = kv_cache_value_bytes, .kv_cache_append = kv_cache_append,
    .kv_cache_copy = kv_cache_copy, .cached_attention_scratch = cached_attention_scratch, .cached_attention = cached_attention,
    .unary = unary, .unary_gradient = unary_gradient, .soft_cap = soft_cap, .soft_cap_gradient = soft_cap_gradient, .binary = binary,
    .copy = copy, .sum = sum, .maximum = maximum,
    .norm = norm, .norm_gradient = norm_gradient, .softmax = softmax, .softmax_gradient = softmax_gradient,
    .cross_entropy = cross_entropy, .cross_entropy_soft = cross_entropy_soft, .embed = embed, .embed_gradient = embed_gradient,
    .rotate = rotate, .norm_heads = norm_heads, .norm_heads_gradient = norm_heads_gradient,
    .gated_activation = gated_activation, .gated_activation_gradient = gated_activation_gradient,
    .peak = peak, .peak_flops = peak_flops,
    .dropout = dropout, .uniform = uniform, .normal = normal, .sum_of_squares = sum_of_squares, .adamw = adamw,
};
#pragma clang attribute pop
