// LAPACKE stands on OpenBLAS and is opened after it, for the same reason.
#pragma once
#include <lapacke.h>

typedef __typeof__(&LAPACKE_sgeqrf) lapacke_sgeqrf;
typedef __typeof__(&LAPACKE_sorgqr) lapacke_sorgqr;
typedef __typeof__(&LAPACKE_sgesdd) lapacke_sgesdd;
