// Written by make_shaders.sh.
#include "CShaders.h"
#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

_Alignas(4) static const unsigned char adamw[] = {
#embed "spirv/adamw.spv"
};
_Alignas(4) static const unsigned char attention[] = {
#embed "spirv/attention.spv"
};
_Alignas(4) static const unsigned char attention_cooperative[] = {
#embed "spirv/attention_cooperative.spv"
};
_Alignas(4) static const unsigned char attention_key_gradient[] = {
#embed "spirv/attention_key_gradient.spv"
};
_Alignas(4) static const unsigned char attention_key_gradient_cooperative[] = {
#embed "spirv/attention_key_gradient_cooperative.spv"
};
_Alignas(4) static const unsigned char attention_products[] = {
#embed "spirv/attention_products.spv"
};
_Alignas(4) static const unsigned char attention_query_gradient[] = {
#embed "spirv/attention_query_gradient.spv"
};
_Alignas(4) static const unsigned char attention_query_gradient_cooperative[] = {
#embed "spirv/attention_query_gradient_cooperative.spv"
};
_Alignas(4) static const unsigned char cached_attention[] = {
#embed "spirv/cached_attention.spv"
};
_Alignas(4) static const unsigned char copy[] = {
#embed "spirv/copy.spv"
};
_Alignas(4) static const unsigned char cross_entropy[] = {
#embed "spirv/cross_entropy.spv"
};
_Alignas(4) static const unsigned char dropout[] = {
#embed "spirv/dropout.spv"
};
_Alignas(4) static const unsigned char embed[] = {
#embed "spirv/embed.spv"
};
_Alignas(4) static const unsigned char embed_gradient[] = {
#embed "spirv/embed_gradient.spv"
};
_Alignas(4) static const unsigned char gated_activation[] = {
#embed "spirv/gated_activation.spv"
};
_Alignas(4) static const unsigned char gated_activation_gradient[] = {
#embed "spirv/gated_activation_gradient.spv"
};
_Alignas(4) static const unsigned char kv_append[] = {
#embed "spirv/kv_append.spv"
};
_Alignas(4) static const unsigned char matmul[] = {
#embed "spirv/matmul.spv"
};
_Alignas(4) static const unsigned char matmul_cooperative[] = {
#embed "spirv/matmul_cooperative.spv"
};
_Alignas(4) static const unsigned char matvec[] = {
#embed "spirv/matvec.spv"
};
_Alignas(4) static const unsigned char move[] = {
#embed "spirv/move.spv"
};
_Alignas(4) static const unsigned char move_halves[] = {
#embed "spirv/move_halves.spv"
};
_Alignas(4) static const unsigned char norm[] = {
#embed "spirv/norm.spv"
};
_Alignas(4) static const unsigned char norm_gradient[] = {
#embed "spirv/norm_gradient.spv"
};
_Alignas(4) static const unsigned char norm_heads[] = {
#embed "spirv/norm_heads.spv"
};
_Alignas(4) static const unsigned char norm_heads_gradient[] = {
#embed "spirv/norm_heads_gradient.spv"
};
_Alignas(4) static const unsigned char norm_heads_weight_gradient[] = {
#embed "spirv/norm_heads_weight_gradient.spv"
};
_Alignas(4) static const unsigned char norm_weight_gradient[] = {
#embed "spirv/norm_weight_gradient.spv"
};
_Alignas(4) static const unsigned char rotate[] = {
#embed "spirv/rotate.spv"
};
_Alignas(4) static const unsigned char soft_cap[] = {
#embed "spirv/soft_cap.spv"
};
_Alignas(4) static const unsigned char sum_columns[] = {
#embed "spirv/sum_columns.spv"
};
_Alignas(4) static const unsigned char sum_rows[] = {
#embed "spirv/sum_rows.spv"
};
_Alignas(4) static const unsigned char unary[] = {
#embed "spirv/unary.spv"
};
_Alignas(4) static const unsigned char unary_gradient[] = {
#embed "spirv/unary_gradient.spv"
};

static const struct { const char *name; const unsigned char *code; size_t bytes; } shaders[] = {
    {"adamw", adamw, sizeof adamw},
    {"attention", attention, sizeof attention},
    {"attention_cooperative", attention_cooperative, sizeof attention_cooperative},
    {"attention_key_gradient", attention_key_gradient, sizeof attention_key_gradient},
    {"attention_key_gradient_cooperative", attention_key_gradient_cooperative, sizeof attention_key_gradient_cooperative},
    {"attention_products", attention_products, sizeof attention_products},
    {"attention_query_gradient", attention_query_gradient, sizeof attention_query_gradient},
    {"attention_query_gradient_cooperative", attention_query_gradient_cooperative, sizeof attention_query_gradient_cooperative},
    {"cached_attention", cached_attention, sizeof cached_attention},
    {"copy", copy, sizeof copy},
    {"cross_entropy", cross_entropy, sizeof cross_entropy},
    {"dropout", dropout, sizeof dropout},
    {"embed", embed, sizeof embed},
    {"embed_gradient", embed_gradient, sizeof embed_gradient},
    {"gated_activation", gated_activation, sizeof gated_activation},
    {"gated_activation_gradient", gated_activation_gradient, sizeof gated_activation_gradient},
    {"kv_append", kv_append, sizeof kv_append},
    {"matmul", matmul, sizeof matmul},
    {"matmul_cooperative", matmul_cooperative, sizeof matmul_cooperative},
    {"matvec", matvec, sizeof matvec},
    {"move", move, sizeof move},
    {"move_halves", move_halves, sizeof move_halves},
    {"norm", norm, sizeof norm},
    {"norm_gradient", norm_gradient, sizeof norm_gradient},
    {"norm_heads", norm_heads, sizeof norm_heads},
    {"norm_heads_gradient", norm_heads_gradient, sizeof norm_heads_gradient},
    {"norm_heads_weight_gradient", norm_heads_weight_gradient, sizeof norm_heads_weight_gradient},
    {"norm_weight_gradient", norm_weight_gradient, sizeof norm_weight_gradient},
    {"rotate", rotate, sizeof rotate},
    {"soft_cap", soft_cap, sizeof soft_cap},
    {"sum_columns", sum_columns, sizeof sum_columns},
    {"sum_rows", sum_rows, sizeof sum_rows},
    {"unary", unary, sizeof unary},
    {"unary_gradient", unary_gradient, sizeof unary_gradient},
};

const uint32_t *slm_shader(const char *name, size_t *bytes) {
    for (size_t i = 0; i < sizeof shaders / sizeof *shaders; i++)
        if (!strcmp(name, shaders[i].name))
            return *bytes = shaders[i].bytes, (const uint32_t *)shaders[i].code;
    return NULL;
}
