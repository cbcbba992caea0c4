// OpenBLAS selects its kernels from the environment when it is loaded. It is therefore loaded with dlopen after the environment is set
// (Kernels/OpenBLAS.swift). These are the types of the functions that are looked up.
#pragma once
#include <cblas.h>

typedef __typeof__(&cblas_sgemm) openblas_sgemm;
typedef __typeof__(&openblas_set_num_threads) openblas_set_threads;
typedef __typeof__(&openblas_get_config) openblas_configuration;
