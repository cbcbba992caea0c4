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
_Alignas(4) static const unsigned char gate[] = {
#embed "spirv/gate.spv"
};
_Alignas(4) static const unsigned char gate_gradient[] = {
#embed "spirv/gate_gradient.spv"
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

const uint32_t *slm_shader(const char *name, size_t *bytes) {
    if (!strcmp(name, "adamw"))
        return *bytes = sizeof adamw, (const uint32_t *)adamw;
    if (!strcmp(name, "attention"))
        return *bytes = sizeof attention, (const uint32_t *)attention;
    if (!strcmp(name, "attention_cooperative"))
        return *bytes = sizeof attention_cooperative, (const uint32_t *)attention_cooperative;
    if (!strcmp(name, "attention_key_gradient"))
        return *bytes = sizeof attention_key_gradient, (const uint32_t *)attention_key_gradient;
    if (!strcmp(name, "attention_key_gradient_cooperative"))
        return *bytes = sizeof attention_key_gradient_cooperative, (const uint32_t *)attention_key_gradient_cooperative;
    if (!strcmp(name, "attention_products"))
        return *bytes = sizeof attention_products, (const uint32_t *)attention_products;
    if (!strcmp(name, "attention_query_gradient"))
        return *bytes = sizeof attention_query_gradient, (const uint32_t *)attention_query_gradient;
    if (!strcmp(name, "attention_query_gradient_cooperative"))
        return *bytes = sizeof attention_query_gradient_cooperative, (const uint32_t *)attention_query_gradient_cooperative;
    if (!strcmp(name, "cached_attention"))
        return *bytes = sizeof cached_attention, (const uint32_t *)cached_attention;
    if (!strcmp(name, "copy"))
        return *bytes = sizeof copy, (const uint32_t *)copy;
    if (!strcmp(name, "cross_entropy"))
        return *bytes = sizeof cross_entropy, (const uint32_t *)cross_entropy;
    if (!strcmp(name, "dropout"))
        return *bytes = sizeof dropout, (const uint32_t *)dropout;
    if (!strcmp(name, "embed"))
        return *bytes = sizeof embed, (const uint32_t *)embed;
    if (!strcmp(name, "embed_gradient"))
        return *bytes = sizeof embed_gradient, (const uint32_t *)embed_gradient;
    if (!strcmp(name, "gate"))
        return *bytes = sizeof gate, (const uint32_t *)gate;
    if (!strcmp(name, "gate_gradient"))
        return *bytes = sizeof gate_gradient, (const uint32_t *)gate_gradient;
    if (!strcmp(name, "kv_append"))
        return *bytes = sizeof kv_append, (const uint32_t *)kv_append;
    if (!strcmp(name, "matmul"))
        return *bytes = sizeof matmul, (const uint32_t *)matmul;
    if (!strcmp(name, "matmul_cooperative"))
        return *bytes = sizeof matmul_cooperative, (const uint32_t *)matmul_cooperative;
    if (!strcmp(name, "matvec"))
        return *bytes = sizeof matvec, (const uint32_t *)matvec;
    if (!strcmp(name, "move"))
        return *bytes = sizeof move, (const uint32_t *)move;
    if (!strcmp(name, "move_halves"))
        return *bytes = sizeof move_halves, (const uint32_t *)move_halves;
    if (!strcmp(name, "norm"))
        return *bytes = sizeof norm, (const uint32_t *)norm;
    if (!strcmp(name, "norm_gradient"))
        return *bytes = sizeof norm_gradient, (const uint32_t *)norm_gradient;
    if (!strcmp(name, "norm_heads"))
        return *bytes = sizeof norm_heads, (const uint32_t *)norm_heads;
    if (!strcmp(name, "norm_heads_gradient"))
        return *bytes = sizeof norm_heads_gradient, (const uint32_t *)norm_heads_gradient;
    if (!strcmp(name, "norm_heads_weight_gradient"))
        return *bytes = sizeof norm_heads_weight_gradient, (const uint32_t *)norm_heads_weight_gradient;
    if (!strcmp(name, "norm_weight_gradient"))
        return *bytes = sizeof norm_weight_gradient, (const uint32_t *)norm_weight_gradient;
    if (!strcmp(name, "rotate"))
        return *bytes = sizeof rotate, (const uint32_t *)rotate;
    if (!strcmp(name, "soft_cap"))
        return *bytes = sizeof soft_cap, (const uint32_t *)soft_cap;
    if (!strcmp(name, "sum_columns"))
        return *bytes = sizeof sum_columns, (const uint32_t *)sum_columns;
    if (!strcmp(name, "sum_rows"))
        return *bytes = sizeof sum_rows, (const uint32_t *)sum_rows;
    if (!strcmp(name, "unary"))
        return *bytes = sizeof unary, (const uint32_t *)unary;
    if (!strcmp(name, "unary_gradient"))
        return *bytes = sizeof unary_gradient, (const uint32_t *)unary_gradient;
    return NULL;
}
