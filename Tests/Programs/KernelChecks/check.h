// What the checks of kernels share: buffers that end at a page that cannot be read, and comparisons with f64 references.
#pragma once
#include "kernels.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// |found − expected| ≤ absolute + relative·|expected| + scale·(the largest |expected|, or the size of the terms of the sums)
typedef struct { double absolute, relative, scale; } tolerance;
// As in Tests/TestSupport/Tolerance.swift, which gives the reasons. range_ends: functions near the limits of f32, where exp and the tails
// of the normal distribution have absolute accuracy.
static const tolerance forward = {1e-7, 1e-5, 1e-6}, gradient = {1e-7, 1e-4, 1e-5}, stored_bf16 = {1e-7, 4e-3, 2e-3},
    bf16_products = {1e-7, 8e-3, 7e-3}, bf16_gradient = {1e-7, 7e-3, 1.3e-2}, range_ends = {4e-7, 2e-5, 0}, huge_logits = {1e-3, 1e-3, 0},
    long_sum = {0, 1e-6, 0}, exact = {0, 0, 0};

static const slm_caches caches = {1 << 20, 16 << 20};
// The kernels that are being checked.
extern const slm_kernels *kernels;

// Compares n numbers; NaN equals NaN, infinity equals itself. Reports the worst.
void expect_close(const float *found, const double *expected, size_t n, tolerance t, double terms, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void expect_same(const float *found, const float *expected, size_t n, const char *format, ...) __attribute__((format(printf, 4, 5)));
void expect(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
int failures(void);
long comparisons(void);

// Buffers live until release_all(). The byte behind a buffer cannot be read or written.
void *make_bytes(size_t bytes, size_t alignment);
void release_all(void);
// Random numbers of at least −1 and less than 1: always the same for a seed.
float *numbers(size_t n, unsigned seed);
// x, converted to a type.
void *stored(int type, const float *x, size_t n);
// A buffer of n elements of a type, filled with NaN.
void *blank(int type, size_t n);
// The elements of a buffer.
float *loaded(const void *x, int type, size_t n);
double *doubles(const float *x, size_t n);
double *zeros(size_t n);
int32_t *integers(size_t n);
// The nearest bf16, ties to even; NaN stays NaN.
float rounded(float x);
// x, rounded to bf16 if that is the type.
float *rounded_to(int type, const float *x, size_t n);
static inline const char *name_of(int type) { return type == SLM_F32 ? "f32" : "bf16"; }
static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// A function of SLM_EXP, SLM_TANH … in f64.
double unary_function(int f, double x);

// All checks, in the order in which they run: check_matmul() and so on.
#define CHECKS(f) f(matmul) f(attention) f(weights) f(blocks) f(kv_cache) f(rows) f(heads) f(elementwise) f(reductions) f(random)
#define DECLARE_CHECK(name) void check_##name(void);
CHECKS(DECLARE_CHECK)

// Runs a matmul as Processor+Matmul.swift does, with the plan for a number of threads.
void run_matmul(slm_matmul *p, size_t threads);
