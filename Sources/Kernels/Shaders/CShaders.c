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
    if (!strcmp(name, "adamw")) { *bytes = sizeof adamw; return (const uint32_t *)adamw; }
    if (!strcmp(name, "attention")) { *bytes = sizeof attention; return (const uint32_t *)attention; }
    if (!strcmp(name, "attention_cooperative")) { *bytes = sizeof attention_cooperative; return (const uint32_t *)attention_cooperative; }
    if (!strcmp(name, "attention_key_gradient")) { *bytes = sizeof attention_key_gradient; return (const uint32_t *)attention_key_gradient; }
    if (!strcmp(name, "attention_key_gradient_cooperative")) { *bytes = sizeof attention_key_gradient_cooperative; return (const uint32_t *)attention_key_gradient_cooperative; }
    if (!strcmp(name, "attention_products")) { *bytes = sizeof attention_products; return (const uint32_t *)attention_products; }
    if (!strcmp(name, "attention_query_gradient")) { *bytes = sizeof attention_query_gradient; return (const uint32_t *)attention_query_gradient; }
    if (!strcmp(name, "attention_query_gradient_cooperative")) { *bytes = sizeof attention_query_gradient_cooperative; return (const uint32_t *)attention_query_gradient_cooperative; }
    if (!strcmp(name, "cached_attention")) { *bytes = sizeof cached_attention; return (const uint32_t *)cached_attention; }
    if (!strcmp(name, "copy")) { *bytes = sizeof copy; return (const uint32_t *)copy; }
    if (!strcmp(name, "cross_entropy")) { *bytes = sizeof cross_entropy; return (const uint32_t *)cross_entropy; }
    if (!strcmp(name, "dropout")) { *bytes = sizeof dropout; return (const uint32_t *)dropout; }
    if (!strcmp(name, "embed")) { *bytes = sizeof embed; return (const uint32_t *)embed; }
    if (!strcmp(name, "embed_gradient")) { *bytes = sizeof embed_gradient; return (const uint32_t *)embed_gradient; }
    if (!strcmp(name, "gate")) { *bytes = sizeof gate; return (const uint32_t *)gate; }
    if (!strcmp(name, "gate_gradient")) { *bytes = sizeof gate_gradient; return (const uint32_t *)gate_gradient; }
    if (!strcmp(name, "kv_append")) { *bytes = sizeof kv_append; return (const uint32_t *)kv_append; }
    if (!strcmp(name, "matmul")) { *bytes = sizeof matmul; return (const uint32_t *)matmul; }
    if (!strcmp(name, "matmul_cooperative")) { *bytes = sizeof matmul_cooperative; return (const uint32_t *)matmul_cooperative; }
    if (!strcmp(name, "matvec")) { *bytes = sizeof matvec; return (const uint32_t *)matvec; }
    if (!strcmp(name, "move")) { *bytes = sizeof move; return (const uint32_t *)move; }
    if (!strcmp(name, "move_halves")) { *bytes = sizeof move_halves; return (const uint32_t *)move_halves; }
    if (!strcmp(name, "norm")) { *bytes = sizeof norm; return (const uint32_t *)norm; }
    if (!strcmp(name, "norm_gradient")) { *bytes = sizeof norm_gradient; return (const uint32_t *)norm_gradient; }
    if (!strcmp(name, "norm_weight_gradient")) { *bytes = sizeof norm_weight_gradient; return (const uint32_t *)norm_weight_gradient; }
    if (!strcmp(name, "rotate")) { *bytes = sizeof rotate; return (const uint32_t *)rotate; }
    if (!strcmp(name, "soft_cap")) { *bytes = sizeof soft_cap; return (const uint32_t *)soft_cap; }
    if (!strcmp(name, "sum_columns")) { *bytes = sizeof sum_columns; return (const uint32_t *)sum_columns; }
    if (!strcmp(name, "sum_rows")) { *bytes = sizeof sum_rows; return (const uint32_t *)sum_rows; }
    if (!strcmp(name, "unary")) { *bytes = sizeof unary; return (const uint32_t *)unary; }
    if (!strcmp(name, "unary_gradient")) { *bytes = sizeof unary_gradient; return (const uint32_t *)unary_gradient; }
    return NULL;
}
