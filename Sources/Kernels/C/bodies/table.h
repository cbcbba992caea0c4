// Everything of a path, and the table that names it. A path defines SLM_TABLE, SLM_NAME, W, MR, NV, FLOAT_ROWS and INT_ROWS.
#include "kernels.h"
#include "bodies/vector.h"
#include "bodies/functions.h"
#include "bodies/product.h"
#include "bodies/attention.h"
#include "bodies/weights.h"
#include "bodies/codes.h"
#include "bodies/weigh.h"
#include "bodies/recall.h"
#include "bodies/rows.h"
#include "bodies/heads.h"
#include "bodies/elements.h"

#ifdef SLM_NATIVE_BF16
#define BF16_PRODUCTS true
#else
#define BF16_PRODUCTS false
#endif

const slm_kernels SLM_TABLE = {
    .name = SLM_NAME, .width = W, .bf16_products = BF16_PRODUCTS,
    .panel = NR, .product_plan = product_plan, .product_pack = product_pack, .product_rows = product_rows, .product_finish = product_finish,
    .attention = attention, .attention_gradient = attention_gradient, .attention_scratch = attention_scratch,
    .weights_bytes = weights_bytes, .weights_fit = weights_fit, .weights_row_bytes = weights_row_bytes, .weights_panel = P, .weights_pack_scratch = weights_pack_scratch,
    .weights_unpack = weights_unpack, .weights_repack = weights_repack, .weights_values = weights_values, .weights_rows = weights_rows,
    .weights_pack = weights_pack, .weights_rows_prepare = weights_rows_prepare, .weights_product = weights_product,
    .recall_key_bytes = recall_key_bytes, .recall_value_bytes = recall_value_bytes, .remember = remember, .recall_copy = recall_copy,
    .recall_scratch = recall_scratch, .recall = recall,
    .unary = unary, .unary_gradient = unary_gradient, .binary = binary, .copy = copy, .sum = sum, .maximum = maximum,
    .norm = norm, .norm_gradient = norm_gradient, .softmax = softmax, .softmax_gradient = softmax_gradient,
    .cross_entropy = cross_entropy, .cross_entropy_shares = cross_entropy_shares, .embed = embed, .embed_gradient = embed_gradient,
    .rotate = rotate, .norm_heads = norm_heads, .norm_heads_gradient = norm_heads_gradient,
    .peak = peak, .peak_flops = 2 * MR * NR * PEAK_UNITS,
    .dropout = dropout, .uniform = uniform, .normal = normal, .sum_of_squares = sum_of_squares, .adamw = adamw,
};
