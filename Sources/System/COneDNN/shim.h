// The functions of oneDNN that slm uses. The library has 40 MB and few commands need it, so it is loaded with dlopen on demand
// (Kernels/OneDNN.swift).
#pragma once
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>
#include <string.h>

#define ONEDNN_FUNCTIONS(USE) \
    USE(version) USE(engine_create) USE(engine_destroy) USE(stream_create) USE(stream_wait) USE(stream_destroy) \
    USE(memory_create) USE(memory_destroy) USE(memory_desc_init_by_strides) USE(matmul_desc_init) \
    USE(post_ops_create) USE(post_ops_append_sum) USE(post_ops_destroy) \
    USE(primitive_attr_create) USE(primitive_attr_set_scratchpad_mode) USE(primitive_attr_set_post_ops) USE(primitive_attr_destroy) \
    USE(primitive_desc_create) USE(primitive_desc_query_md) USE(primitive_desc_destroy) \
    USE(primitive_create) USE(primitive_execute) USE(primitive_destroy)

typedef struct {
#define USE(name) __typeof__(&dnnl_##name) name;
    ONEDNN_FUNCTIONS(USE)
#undef USE
    void (*omp_set_num_threads)(int);        // from the libgomp that oneDNN loads
} onednn_functions;

#define ONEDNN_QUOTED(x) #x
#define ONEDNN_FILE(major) "libdnnl.so." ONEDNN_QUOTED(major)
/// The file name of the library, with the major version of the header used at build time.
static inline const char *onednn_file(void) { return ONEDNN_FILE(DNNL_VERSION_MAJOR); }

/// Looks up all functions. Returns the name of the first one that is missing, or NULL.
static inline const char *onednn_find(void *library, onednn_functions *found) {
#define USE(name) if (!(found->name = (__typeof__(&dnnl_##name))dlsym(library, "dnnl_" #name))) return "dnnl_" #name;
    ONEDNN_FUNCTIONS(USE)
#undef USE
    found->omp_set_num_threads = (void (*)(int))dlsym(library, "omp_set_num_threads");
    return found->omp_set_num_threads ? NULL : "omp_set_num_threads";
}

/// DNNL_ARG_… and DNNL_RUNTIME_… are macros that Swift cannot import.
static const int onednn_source = DNNL_ARG_SRC, onednn_weights = DNNL_ARG_WEIGHTS, onednn_destination = DNNL_ARG_DST;
static const int onednn_scratchpad = DNNL_ARG_SCRATCHPAD;
