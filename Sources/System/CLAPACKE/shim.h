// LAPACKE depends on OpenBLAS and is loaded with dlopen after it, for the same reason as OpenBLAS (COpenBLAS/shim.h).
#pragma once
#include <lapacke.h>

typedef __typeof__(&LAPACKE_sgesdd) lapacke_sgesdd;
typedef __typeof__(&LAPACKE_spotrf) lapacke_spotrf;
typedef __typeof__(&LAPACKE_strtri) lapacke_strtri;
