#pragma once
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

// GCC's <omp.h> is not on clang's path.
extern void omp_set_num_threads(int);

/// DNNL_ARG_… and DNNL_RUNTIME_… are macros that Swift cannot see.
static const int onednn_source = DNNL_ARG_SRC, onednn_weights = DNNL_ARG_WEIGHTS, onednn_destination = DNNL_ARG_DST;
static const int onednn_scratchpad = DNNL_ARG_SCRATCHPAD;
