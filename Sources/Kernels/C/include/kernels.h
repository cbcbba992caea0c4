// The arithmetic of slm on one core: a table of functions for each instruction set.
//
// These rules hold for every function of the table:
//   Memory    any alignment; a count may be 0, and then its pointers may be NULL.
//   Aliasing  outputs must not overlap inputs, unless the function's comment allows it.
//   Threads   no state: callers split the rows among threads as they like, and the bits of a row do not depend on the split.
//   Checks    none: the Swift caller has checked the shapes.
//   Types     `type` is SLM_F32 or SLM_BF16 and says how the elements of a `void *` are stored; arithmetic is in f32.
//
// B rows of a batch, T positions, C channels, H heads, D = C / H, V tokens, N rows where their meaning does not matter.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLM_F32 = 0, SLM_BF16 = 1 };

enum {
    SLM_IDENTITY, SLM_EXP, SLM_LOG, SLM_SQRT, SLM_TANH, SLM_SIGMOID, SLM_RELU, SLM_RELU_SQUARED, SLM_GELU_TANH, SLM_GELU_ERF, SLM_SILU,
    SLM_CLAMPED_SILU
};
enum { SLM_ADD, SLM_SUBTRACT, SLM_MULTIPLY, SLM_DIVIDE };
/// How packed weights are stored, see bodies/packed_weights.h. SLM_WEIGHTS_BF12 is bf16, losslessly compressed to 12 bits. SLM_WEIGHTS_Q8_0
/// … SLM_WEIGHTS_MXFP4 hold the codes and scales of llama.cpp's blocks, unchanged.
enum {
    SLM_WEIGHTS_F32, SLM_WEIGHTS_BF16, SLM_WEIGHTS_INT8, SLM_WEIGHTS_INT4, SLM_WEIGHTS_BF12, SLM_WEIGHTS_INT6, SLM_WEIGHTS_Q8_0,
    SLM_WEIGHTS_Q4_0, SLM_WEIGHTS_Q4_1, SLM_WEIGHTS_Q5_0, SLM_WEIGHTS_Q5_1, SLM_WEIGHTS_Q4_K, SLM_WEIGHTS_Q5_K, SLM_WEIGHTS_Q6_K,
    SLM_WEIGHTS_Q2_K, SLM_WEIGHTS_Q3_K, SLM_WEIGHTS_IQ4_NL, SLM_WEIGHTS_IQ4_XS, SLM_WEIGHTS_MXFP4
};
/// The number formats of files of other programs, by llama.cpp's numbers for them.
enum {
    SLM_STORED_F32 = 0, SLM_STORED_F16 = 1, SLM_STORED_Q4_0 = 2, SLM_STORED_Q4_1 = 3, SLM_STORED_Q5_0 = 6, SLM_STORED_Q5_1 = 7,
    SLM_STORED_Q8_0 = 8, SLM_STORED_Q2_K = 10, SLM_STORED_Q3_K = 11, SLM_STORED_Q4_K = 12, SLM_STORED_Q5_K = 13, SLM_STORED_Q6_K = 14,
    SLM_STORED_IQ4_NL = 20, SLM_STORED_IQ4_XS = 23, SLM_STORED_BF16 = 30, SLM_STORED_MXFP4 = 39
};
/// Inputs that share one scale in int8. In int6 and int4, there are 32.
enum { SLM_GROUP = 64 };

/// Sizes of the data caches in bytes. A matmul's blocks depend on them; its bits do not.
typedef struct {
    size_t second;       ///< of one core
    size_t third;        ///< shared by cores
} slm_caches;
/// The caches that the CPU reports, or 0 for those that it does not.
slm_caches slm_cpu_caches(void);

/// One operand of a matmul: rows along its outer dimension, elements of a row along K.
typedef struct {
    const void *data;
    int type;
    size_t outer;        ///< elements from one row to the next
    size_t inner;        ///< elements from one k to the next; packing is slow unless one of the two strides is 1
} slm_operand;

/// C = activation(scale·A·B + bias) + plus, or C += scale·A·B.
typedef struct {
    size_t M, N, K;
    slm_operand a;       ///< [M,K]
    slm_operand b;       ///< [N,K]: its rows are the columns of C
    int precision;       ///< SLM_BF16: A and B are rounded to bf16; sums are f32 either way
    void *c;             ///< [M,N]
    int c_type;
    size_t c_stride;     ///< elements from one row of C to the next
    bool accumulate;     ///< C += instead of C =
    float scale;
    const float *bias;   ///< [N] or NULL
    int activation;      ///< SLM_IDENTITY … SLM_CLAMPED_SILU
    void *pre_activation;   ///< [M,N] like C, or NULL: receives the input of the activation
    const float *plus;   ///< [M,N] with C's stride, or NULL: added after the activation; may be C itself
    // The plan, filled in by matmul_plan: C is computed in blocks of m_block × n_block, summed k_block elements at a time.
    size_t m_block, n_block, k_block;
    size_t left_bytes, right_bytes;  ///< scratch for a packed block of A, one per thread, and for a packed block of B, shared by threads
} slm_matmul;

/// Whether the sum over K may be split: C itself can hold partial sums, because nothing else is applied to the result.
static inline bool slm_can_split_sum(slm_matmul p) {
    return p.c_type == SLM_F32 && p.activation == SLM_IDENTITY && !p.pre_activation && !p.bias && !p.plus;
}

/// Causal attention of one query head; see bodies/attention.h for the formulas.
typedef struct {
    size_t T, D;
    int type;                     ///< of q, k, v, y and their gradients
    int precision;                ///< of the matmuls, like slm_matmul's
    size_t stride;                ///< elements from one position to the next in q, k, v
    size_t y_stride;              ///< … in y and dy
    float scale;                  ///< of the scores, 1/√D; above 0
    float cap;                    ///< 0, or soft-caps the scores: cap·tanh(score/cap)
    const float *sink;            ///< one score that all positions see besides those of keys, and that has no value; or NULL
    const int32_t *first;         ///< [T] or NULL: position t attends to positions first[t] ... t
    const void *q, *k, *v;        ///< [T,D] each
    void *y;                      ///< [T,D]
    float *log_sum;               ///< [T]: log Σ exp(score), saved for the backward pass
    const void *dy;
    void *dq, *dk, *dv;           ///< with `stride`
    float *dsink;                 ///< the gradient of the sink, or NULL
    /// Query heads that share k and v (grouped-query attention) run one after the other with the same scratch, which holds the sums for
    /// dk and dv: all but the first add to them, and only the last writes them.
    bool adds_to_keys, keeps_key_sums;
} slm_attention;

/// Attention of consecutive positions of one sequence over its KV cache, for one head: see bodies/cached_attention.h.
typedef struct {
    size_t D;
    int precision;                ///< of the cache: SLM_WEIGHTS_F32, _BF16 or _INT8
    float scale;                  ///< of the scores, 1/√D
    float cap;                    ///< 0, or soft-caps the scores: cap·tanh(score/cap)
    const float *sink;            ///< one score that all positions see besides those of keys, and that has no value; or NULL
    size_t capacity;              ///< positions that the cache can hold
    size_t rows;                  ///< positions to compute; their keys and values are in the cache
    size_t count;                 ///< cached positions up to the first of them, at least one
    size_t window;                ///< positions that each attends to, itself included; 0: all up to itself
    const float *q;               ///< [rows][D]
    size_t q_stride;              ///< elements from one query to the next
    const void *keys, *values;
    const void *next_keys, *next_values;   ///< the cache of the head that is computed next, to prefetch, or NULL
    float *y;                     ///< [rows][D]
    size_t y_stride;
} slm_cached_attention;

typedef struct {
    float rate, beta1, beta2, epsilon, decay;
    float correction1, correction2;  ///< 1 − βᵗ
    float gradient_scale;            ///< from gradient clipping
} slm_adamw;

typedef struct {
    const char *name;
    const char *features;         ///< the CPU features that the kernels are compiled for, separated by commas
    int width;                    ///< floats in a vector
    int panel;                    ///< columns that are packed together: NR
    bool has_native_bf16;         ///< whether the instruction set multiplies bf16; otherwise no function may be called with bf16 precision

    /// Fills in the plan for a number of threads.
    void (*matmul_plan)(slm_matmul *, size_t threads, const slm_caches *);
    /// Packs columns n0 ..< n1 of B, from k0 on for k_block; n0 is a multiple of NR after the first column of its block of n_block
    /// columns. `right` is the beginning of the packed block.
    void (*matmul_pack)(const slm_matmul *, size_t n0, size_t n1, size_t k0, void *right);
    /// Computes the block of C that begins at m0, n0, with `right` packed for it. Blocks along k must be computed in order.
    void (*matmul_rows)(const slm_matmul *, size_t m0, size_t n0, size_t k0, const void *right, void *left);
    /// Applies everything but A·B to sums [m1 − m0, N] of rows m0 ..< m1 that another library has computed.
    void (*matmul_finish)(const slm_matmul *, const float *sums, size_t m0, size_t m1);
    /// One head. Writes every element of y and log_sum, or of dq, dk and dv.
    void (*attention)(const slm_attention *, void *scratch);
    void (*attention_gradient)(const slm_attention *, void *scratch);
    size_t (*attention_scratch)(const slm_attention *);           ///< in bytes

    // Packed weights. In these functions and in those of the KV cache, `precision` is SLM_WEIGHTS_F32 … SLM_WEIGHTS_INT6.

    /// Bytes of packed weights [O,I], and of one prepared input row.
    size_t (*weights_bytes)(int precision, size_t O, size_t I);
    size_t (*weights_input_bytes)(int precision, size_t I);
    /// Whether all panels could hold the weights that were packed into them; false only for SLM_WEIGHTS_BF12.
    bool (*weights_fit)(int precision, const void *panels, size_t O, size_t I);
    size_t weights_panel;         ///< outputs of a panel
    size_t (*weights_pack_scratch)(size_t I);                     ///< in bytes
    /// Packs panels p0 ..< p1 of w [O,I], in f32 or bf16, whose rows are `stride` apart. `panels` is the beginning of all panels.
    /// `input_scales`, here and below, is NULL or [I] scales of int8, int6 or int4 weights, by which those of each input are divided before
    /// they are quantized.
    void (*weights_pack)(int precision, const void *w, int w_type, size_t stride, size_t O, size_t I, const float *input_scales, size_t p0,
                         size_t p1, void *panels, void *scratch);
    /// int8: packs panels p0 ..< p1 from the codes and scales of all rows.
    void (*weights_pack_codes)(const uint8_t *codes, const float *scales, size_t O, size_t I, size_t p0, size_t p1, void *panels);
    /// Bytes of a row of a file: of int6 and int4 with its scales (bodies/affine_weights.h), of llama.cpp's blocks, or of int8's codes.
    size_t (*weights_row_bytes)(int precision, size_t I);
    /// int8, int6, int4, SLM_WEIGHTS_Q5_0, _Q5_1, _Q4_K to _Q6_K, _IQ4_NL and _IQ4_XS: quantizes `count` ≤ weights_panel rows of w
    /// [count,I] to rows as files store them; int8, int6 and int4 as weights_pack does if `factor` and `importance` are NULL. `factor`
    /// [I,I] is the upper Cholesky factor of the inverse of the inputs' Hessian, with which later inputs make up for the errors of earlier
    /// ones. `importance` is how much squared errors of the weights of each input count: [I] filled up to a multiple of SLM_GROUP, or NULL
    /// if all count alike, with `factor` and for int8. `scales` is where int8 has those of its groups. `scratch` has weights_pack_scratch
    /// bytes.
    void (*weights_quantize)(int precision, const float *w, size_t count, size_t I, const float *input_scales, const float *factor,
                             const float *importance, uint8_t *rows, float *scales, void *scratch);
    /// int6, int4, SLM_WEIGHTS_Q8_0 … _MXFP4: packs one panel from its rows, of which the last panel may have less than weights_panel.
    void (*weights_pack_rows)(int precision, const void *const *rows, size_t count, size_t I, void *panel);
    /// int8, int6 and int4: w [N,columns] = columns first ..< first + columns of N rows of I weights, in f32 or bf16. `codes` and, for
    /// int8, `scales` are those of whole rows. `first` is a multiple of SLM_GROUP.
    void (*weights_dequantize)(int precision, const uint8_t *codes, const float *scales, const float *input_scales, size_t N, size_t I,
                               size_t first, size_t columns, void *w, int w_type);
    /// Reads `count` numbers, whole blocks of a SLM_STORED format, as f32 or bf16.
    void (*read_stored)(int format, const void *bytes, size_t count, void *to, int to_type);
    /// y[n] = weight row ids[n] (+ more[n], if more is not NULL): an embedding lookup.
    void (*weights_lookup)(int precision, const void *panels, size_t I, const float *input_scales, const int32_t *ids, const float *more,
                           float *y, size_t N);
    /// Converts input rows x [N,I] to the layout that packed_matmul reads.
    void (*weights_prepare_input)(int precision, const float *x, size_t N, size_t I, const float *input_scales, void *rows);
    /// Computes the columns of C that belong to panels p0 ..< p1, m_block rows at a time (0: all rows). C is f32. Ignores the matmul's a,
    /// b and the rest of the plan.
    void (*packed_matmul)(int precision, const slm_matmul *, const void *panels, const void *rows, size_t p0, size_t p1);

    /// Bytes of the cached keys, and of the cached values, of one head.
    size_t (*kv_cache_key_bytes)(int precision, size_t D, size_t capacity);
    size_t (*kv_cache_value_bytes)(int precision, size_t D, size_t capacity);
    /// Stores key and value [D] of position t.
    void (*kv_cache_append)(int precision, size_t D, size_t capacity, size_t t, const float *key, const float *value, void *keys,
                            void *values);
    /// Copies the first `count` positions of a head from another cache of the same capacity.
    void (*kv_cache_copy)(int precision, size_t D, size_t capacity, size_t count, const void *from_keys, const void *from_values,
                          void *keys, void *values);
    size_t (*cached_attention_scratch)(size_t D, size_t count);   ///< in floats
    void (*cached_attention)(const slm_cached_attention *, float *scratch);

    /// y[i] = f(x[i]). y may be x.
    void (*unary)(int f, const void *x, int x_type, void *y, int y_type, size_t n);
    /// dx[i] (+)= dy[i]·f'(x[i]).
    void (*unary_gradient)(int f, const void *dy, int dy_type, const void *x, int x_type, void *dx, int dx_type, size_t n, bool add);
    /// y[i] = cap·tanh(x[i]/cap). y may be x.
    void (*soft_cap)(float cap, const void *x, int x_type, void *y, int y_type, size_t n);
    /// dx[i] = dy[i]·(1 − (y[i]/cap)²), from the result y of soft_cap. dx may be dy.
    void (*soft_cap_gradient)(float cap, const void *dy, int dy_type, const void *y, int y_type, void *dx, int dx_type, size_t n);
    /// y = a ∘ b over four dimensions; strides in elements, 0 broadcasts. y is contiguous and may be a or b where those are contiguous too.
    void (*binary)(int f, const size_t shape[4], const void *a, int a_type, const size_t a_strides[4], const void *b, int b_type,
                   const size_t b_strides[4], void *y, int y_type);
    /// y (+)= scale·x over four dimensions, with strides on both sides.
    void (*copy)(const size_t shape[4], const void *x, int x_type, const size_t x_strides[4], void *y, int y_type,
                 const size_t y_strides[4], float scale, bool add);
    /// y[o,i] (+)= scale·Σᵣ x[o,r,i]; partial sums in f64. x [outer,R,inner] with rows `stride` apart, y [outer,inner] f32.
    void (*sum)(const void *x, int x_type, size_t outer, size_t R, size_t inner, size_t stride, float *y, float scale, bool add);
    /// y[o,i] = max over r, at[o,i] = the first r that has it; NaN counts as the largest.
    void (*maximum)(const void *x, int x_type, size_t outer, size_t R, size_t inner, float *y, int32_t *at);

    /// y = x̂·w + b along C with x̂ = (x − mean)·rstd, or x̂ = x·rstd when `mean` is NULL (RMS norm). b may be NULL.
    void (*norm)(const void *x, int x_type, const float *w, const float *b, void *y, int y_type, float *mean, float *rstd, size_t N,
                 size_t C, float epsilon);
    /// With g = dy·w:  dx (+)= rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩), dw += Σ dy·x̂, db += Σ dy; without a mean the term ⟨g⟩ is 0.
    /// dx, dw and db may be NULL; dw and db belong to the calling thread.
    void (*norm_gradient)(const void *dy, int dy_type, const void *x, int x_type, const float *w, const float *mean, const float *rstd,
                          void *dx, int dx_type, float *dw, float *db, size_t N, size_t C, bool add);

    /// y = softmax(x), or log softmax, along C. y may be x.
    void (*softmax)(const void *x, int x_type, void *y, int y_type, size_t N, size_t C, bool logarithm);
    /// dx (+)= y·(dy − Σ dy·y), or dx (+)= dy − exp(y)·Σ dy when y is a log softmax.
    void (*softmax_gradient)(const void *dy, int dy_type, const void *y, int y_type, void *dx, int dx_type, size_t N, size_t C,
                             bool logarithm, bool add);
    /// losses[n] = log Σ exp(x[n]) − x[n,target];  d = scale·(softmax(x) − one_hot(target));  hits[n] = 1 where the target is the first of
    /// the largest logits, else 0. losses, hits and d may be NULL; d may be x. A negative target is ignored: loss 0, no hit, d[n] = 0.
    void (*cross_entropy)(const void *x, int x_type, const int32_t *targets, float *losses, int32_t *hits, void *d, int d_type,
                          float scale, size_t N, size_t V);
    /// Cross-entropy with soft targets: row n expects ids[i] with weight weights[i] for starts[n] ≤ i < starts[n + 1].
    /// The weights of a row need not add up to 1: the row's loss is weighted by their sum. losses and d may be NULL; d may be x.
    void (*cross_entropy_soft)(const void *x, int x_type, const int32_t *starts, const int32_t *ids, const float *weights, float *losses,
                               void *d, int d_type, float scale, size_t N, size_t V);

    /// Rotary position embedding: rotates the first `heads` heads of each row, D wide and contiguous, to position (first + n) % T, and
    /// copies the rest of the row. `angles` [T,D] holds the cosines of D/2 angles, then their sines; direction −1 rotates back. y may be x.
    void (*rotate)(const void *x, int type, const float *angles, size_t T, size_t first, size_t heads, size_t D, float direction, void *y,
                   size_t N, size_t C);
    /// RMS norm of each of the first `heads` heads of a row; copies the rest of the row. Saves rstd [N,heads]. w [2,D] has a weight per
    /// channel, the first for the first `queries` heads, the second for the other heads; NULL for no weights.
    void (*norm_heads)(const void *x, int type, const float *w, size_t queries, size_t heads, size_t D, void *y, float *rstd, size_t N,
                       size_t C, float epsilon);
    /// With x̂ = x·rstd and g = dy·w in those heads:  dx = rstd·(g − x̂·⟨g·x̂⟩), dw += Σ dy·x̂ for each of the two weights; dx = dy in the
    /// rest of the row. Without weights, x is the result x̂ of norm_heads. dw belongs to the calling thread and may be NULL.
    void (*norm_heads_gradient)(const void *dy, const void *x, int type, const float *w, size_t queries, size_t heads, size_t D,
                                const float *rstd, void *dx, float *dw, size_t N, size_t C);

    /// Gated activation: y [N,F] = f(x[:, 0 ..< F])·x[:, F ..< 2F].   x [N,2F]
    void (*gated_activation)(int f, const void *x, int x_type, void *y, int y_type, size_t N, size_t F);
    /// With g and u the two halves of x:  dx = (dy·u·f'(g), dy·f(g)).
    void (*gated_activation_gradient)(int f, const void *dy, const void *x, void *dx, int type, size_t N, size_t F);

    /// y[n] = table[ids[n]] (+ more[(first + n) % period], if more is not NULL).
    void (*embed)(const int32_t *ids, const void *table, int table_type, const float *more, size_t first, size_t period, void *y,
                  int y_type, size_t N, size_t C);
    /// table[ids[n]] += dy[n], only for channels c0 ..< c1: threads split the channels, so the order of the sum over n is always the same.
    void (*embed_gradient)(const int32_t *ids, const void *dy, int dy_type, float *table, size_t N, size_t C, size_t c0, size_t c1);

    /// y[i] (+)= x[i]/(1 − p), or 0 with probability p. The choice for element `start + i` depends only on it and on the seed. y may be x.
    void (*dropout)(const void *x, int x_type, void *y, int y_type, size_t n, float p, uint64_t seed, uint64_t start, bool add);
    /// Uniform in [0, 1): element `start + i` of the stream `seed`.
    void (*uniform)(float *y, size_t n, uint64_t seed, uint64_t start);
    /// Normal with mean 0 and variance 1 (Box & Muller 1958).
    void (*normal)(float *y, size_t n, uint64_t seed, uint64_t start);

    /// Runs the innermost loop of a matmul `rounds` times on data in the first-level cache: measures the machine's peak.
    void (*peak)(int precision, size_t rounds);
    size_t (*peak_flops)(int precision);                          ///< floating-point operations of one round

    double (*sum_of_squares)(const float *x, size_t n);
    /// Loshchilov & Hutter 2019, algorithm 2. Writes w, m and v.
    void (*adamw)(const slm_adamw *, float *w, const float *g, float *m, float *v, size_t n);
} slm_kernels;

/// The table for an instruction set by name, or NULL when this CPU cannot run it: "avx512amx", "avx512bf16", "avx512", "avx2vnni", "avx2"
/// on x86-64, "neonbf16", "neondotprod", "neon" on 64-bit ARM, "plain" everywhere.
const slm_kernels *slm_kernels_named(const char *name);
/// The name of instruction set `i` of this build, best first, whether this CPU has it or not; NULL behind the last.
const char *slm_kernels_name(int i);
/// The table for the best instruction set of this CPU.
const slm_kernels *slm_kernels_best(void);

/// Whether a CPU has a feature, such as "f16c".
typedef bool (*slm_feature_test)(void *context, const char *feature);
/// The features of this CPU. `unused` may be NULL.
bool slm_cpu_has(void *unused, const char *feature);
/// Like slm_kernels_named, or slm_kernels_best if `name` is NULL, for a CPU with other features.
const slm_kernels *slm_kernels_for(const char *name, slm_feature_test has, void *context);

/// Returns the free memory of the heap to the system, and unmaps the pages of code and constants, of which only those that are used are
/// mapped again: starting and loading a model need many that answering does not.
void slm_trim_process(void);
// From now on, large blocks of the heap are returned to the system when they are freed, instead of kept for others.
void slm_return_large_blocks(void);
