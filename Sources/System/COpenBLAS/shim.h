// OpenBLAS picks its kernels while it is loaded, from the environment. So it is not linked but opened once
// that is set (Kernels/OpenBLAS.swift), and this gives the types of the functions that are looked up.
#pragma once
#include <cblas.h>

typedef __typeof__(&cblas_sgemm) openblas_sgemm;
typedef __typeof__(&openblas_set_num_threads) openblas_set_threads;
typedef __typeof__(&openblas_get_config) openblas_configuration;
