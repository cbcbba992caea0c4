// The arithmetic of slm on one core, as a table of functions per instruction set.
//
// Rules that hold for every entry, so that they are not said again:
//   Memory    any alignment; a count may be 0, and then its pointers may be NULL.
//   Aliasing  none of what is written may overlap what is read, unless the entry says so.
//   Threads   no state: callers split the rows as they like, and a row's bits do not depend on the split.
//   Checks    none: the Swift caller has checked the shapes.
//   Types     `type` is SLM_F32 or SLM_BF16 and says how the elements of a `void *` are stored;
//             sums and everything between loading and storing are f32.
//
// B rows of a batch, T positions, C channels, H heads, D = C / H, V tokens, N rows that are all alike.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLM_F32 = 0, SLM_BF16 = 1 };

enum { SLM_IDENTITY, SLM_EXP, SLM_LOG, SLM_SQRT, SLM_TANH, SLM_SIGMOID, SLM_RELU, SLM_RELU_SQUARED, SLM_GELU_TANH, SLM_GELU_ERF, SLM_SILU };
/// How weights are kept for answering: see bodies/weights.h.
enum { SLM_WEIGHTS_F32, SLM_WEIGHTS_BF16, SLM_WEIGHTS_INT8, SLM_WEIGHTS_INT4, SLM_WEIGHTS_TWELVE };
/// Inputs that share a scale in int8 and int4.
enum { SLM_GROUP = 64 };
enum { SLM_ADD, SLM_SUBTRACT, SLM_MULTIPLY, SLM_DIVIDE };

/// One side of a product, seen as rows along the outer side of C and elements along K.
typedef struct {
    const void *data;
    int type;
    size_t outer;        ///< elements from one row to the next
    size_t inner;        ///< elements from one k to the next; one of the two is 1, or packing is slow
} slm_operand;

/// C = activation(scale·A·B + bias) + plus, or C += scale·A·B.
typedef struct {
    size_t M, N, K;
    slm_operand a;       ///< [M,K]
    slm_operand b;       ///< [N,K]: its rows are the columns of C
    int product;         ///< SLM_BF16: A and B are rounded to bf16 and summed in f32
    void *c;             ///< [M,N]
    int c_type;
    size_t c_stride;     ///< elements from one row of C to the next
    bool accumulate;     ///< C += instead of C =
    float scale;
    const float *bias;   ///< [N] or NULL
    int activation;      ///< SLM_IDENTITY … SLM_SILU
    void *before;        ///< [M,N] like C or NULL: what went into the activation
    const float *plus;   ///< [M,N] with C's stride or NULL; may be C itself
    // The plan, filled in by product_plan: a block of C is m_step × n_step, summed k_step at a time.
    size_t m_step, n_step, k_step;
    size_t left_bytes, right_bytes;  ///< scratch for a block of A, each thread its own, and for a block of B, shared by all
} slm_product;

/// Whether the sum may be cut: C itself holds a part until the rest is added, and nothing is done to it before the last.
static inline bool slm_can_be_cut(slm_product p) {
    return p.c_type == SLM_F32 && p.activation == SLM_IDENTITY && !p.before && !p.bias && !p.plus;
}

/// Causal attention over B·H independent heads; see attention.h for the formulas.
typedef struct {
    size_t T, D;
    int type;                     ///< of q, k, v, y and their gradients
    int product;
    size_t stride;                ///< elements from one position to the next in q, k, v
    size_t y_stride;              ///< … in y and dy
    float scale;                  ///< of the scores, 1/√D
    const int32_t *first;         ///< [T] or NULL: position t sees first[t] ... t
    const void *q, *k, *v;        ///< [T,D] each
    void *y;                      ///< [T,D]
    float *log_sum;               ///< [T]: log Σ exp(score), kept for the way back
    const void *dy;
    void *dq, *dk, *dv;           ///< with `stride`
} slm_attention;

/// One position of one sequence asks what the sequence remembers, with one head: see bodies/recall.h.
typedef struct {
    size_t D;
    int form;                     ///< of what is remembered: SLM_WEIGHTS_F32, _BF16 or _INT8
    float scale;                  ///< of the scores, 1/√D
    size_t room;                  ///< positions that keys and values have room for
    size_t count;                 ///< positions that are seen, from the first on; at least 1
    const float *q;               ///< [D]
    const void *keys, *values;
    const void *next_keys, *next_values;   ///< those of the head that is asked next, or NULL
    float *y;                     ///< [D]
} slm_recall;

typedef struct {
    float rate, beta1, beta2, epsilon, decay;
    float correction1, correction2;  ///< 1 − βᵗ
    float gradient_scale;            ///< from clipping
} slm_adamw;

typedef struct {
    const char *name;
    int width;                    ///< floats in a vector
    int panel;                    ///< columns that are packed together: NR
    bool bf16_products;

    /// Fills the plan in, for a number of threads.
    void (*product_plan)(slm_product *, size_t threads);
    /// Packs the columns n0 ..< n1 of C's right side, from k0 on for k_step; n0 a multiple of NR from the block's first column.
    void (*product_pack)(const slm_product *, size_t n0, size_t n1, size_t k0, void *right);
    /// The block of C that begins at m0, n0, with `right` packed for it. The blocks along k must come in order.
    void (*product_rows)(const slm_product *, size_t m0, size_t n0, size_t k0, const void *right, void *left);
    /// Does the rest where another library has made the sums [m1 − m0, N] of rows m0 ..< m1: all but A·B.
    void (*product_finish)(const slm_product *, const float *sums, size_t m0, size_t m1);
    /// One head. Writes y and log_sum, or dq, dk and dv: every element.
    void (*attention)(const slm_attention *, void *scratch);
    void (*attention_gradient)(const slm_attention *, void *scratch);
    size_t (*attention_scratch)(const slm_attention *);

    /// Bytes of weights [O,I] in a form, and of one row of what they are multiplied with.
    size_t (*weights_bytes)(int form, size_t O, size_t I);
    size_t (*weights_row_bytes)(int form, size_t I);
    /// Whether the form could hold what has been packed into all panels.
    bool (*weights_fit)(int form, const void *panels, size_t O, size_t I);
    size_t weights_panel;         ///< outputs of a panel
    size_t (*weights_pack_scratch)(size_t I);
    /// Packs panels p0 ..< p1 of w [O,I], whose rows are `stride` apart, to where all panels begin.
    void (*weights_pack)(int form, const float *w, size_t stride, size_t O, size_t I, size_t p0, size_t p1, void *panels, void *scratch);
    /// Rounded weights by rows (int8 and int4 alone): out of the panels, back into them, and as the numbers that they stand for.
    void (*weights_unpack)(int form, const void *panels, size_t I, size_t o0, size_t o1, uint8_t *codes, float *scales);
    void (*weights_repack)(int form, const uint8_t *codes, const float *scales, size_t O, size_t I, size_t p0, size_t p1, void *panels);
    void (*weights_values)(int form, const uint8_t *codes, const float *scales, size_t N, size_t I, float *w);
    /// y[n] = row ids[n] (+ more[n], where that is not NULL).
    void (*weights_rows)(int form, const void *panels, size_t I, const int32_t *ids, const float *more, float *y, size_t N);
    /// Makes rows of x [N,I] ready to be multiplied.
    void (*weights_rows_prepare)(int form, const float *x, size_t N, size_t I, void *rows);
    /// Panels p0 ..< p1 of C; the product's own sides a and b are not looked at.
    void (*weights_product)(int form, const slm_product *, const void *panels, const void *rows, size_t p0, size_t p1);
    /// Bytes of the keys, and of the values, of one head.
    size_t (*recall_key_bytes)(int form, size_t D, size_t room);
    size_t (*recall_value_bytes)(int form, size_t D, size_t room);
    /// Keeps key and value [D] of position t.
    void (*remember)(int form, size_t D, size_t room, size_t t, const float *key, const float *value, void *keys, void *values);
    /// Takes the first `count` positions of a head of another memory for as many.
    void (*recall_copy)(int form, size_t D, size_t room, size_t count, const void *from_keys, const void *from_values, void *keys, void *values);
    size_t (*recall_scratch)(size_t D, size_t count);   ///< in floats
    void (*recall)(const slm_recall *, float *scratch);

    /// y[i] = f(x[i]). y may be x.
    void (*unary)(int f, const void *x, int x_type, void *y, int y_type, size_t n);
    /// dx[i] (+)= dy[i]·f'(x[i]).
    void (*unary_gradient)(int f, const void *dy, int dy_type, const void *x, int x_type, void *dx, int dx_type, size_t n, bool add);
    /// y = a ∘ b over four dimensions; strides in elements, 0 repeats. y is contiguous and may be a or b where those are too.
    void (*binary)(int f, const size_t shape[4], const void *a, int a_type, const size_t a_strides[4], const void *b, int b_type,
                   const size_t b_strides[4], void *y, int y_type);
    /// y (+)= scale·x over four dimensions, with strides on both sides.
    void (*copy)(const size_t shape[4], const void *x, int x_type, const size_t x_strides[4], void *y, int y_type,
                 const size_t y_strides[4], float scale, bool add);
    /// y[o,i] (+)= scale·Σᵣ x[o,r,i]; partial sums in f64. x [outer,R,inner] with rows `stride` apart, y [outer,inner] f32.
    void (*sum)(const void *x, int x_type, size_t outer, size_t R, size_t inner, size_t stride, float *y, float scale, bool add);
    /// y[o,i] = the largest over r, at[o,i] the first r where it stands; NaN counts as largest.
    void (*maximum)(const void *x, int x_type, size_t outer, size_t R, size_t inner, float *y, int32_t *at);

    /// y = x̂·w + b along C with x̂ = (x − mean)·rstd, or x̂ = x·rstd when `mean` is NULL (RMS norm). b may be NULL.
    void (*norm)(const void *x, int x_type, const float *w, const float *b, void *y, int y_type, float *mean, float *rstd, size_t N, size_t C,
                 float epsilon);
    /// With g = dy·w:  dx (+)= rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩), dw += Σ dy·x̂, db += Σ dy; without a mean the term ⟨g⟩ is 0. dw, db: this thread's own.
    void (*norm_gradient)(const void *dy, int dy_type, const void *x, int x_type, const float *w, const float *mean, const float *rstd, void *dx,
                          int dx_type, float *dw, float *db, size_t N, size_t C, bool add);

    /// y = softmax(x), or log softmax, along C. y may be x.
    void (*softmax)(const void *x, int x_type, void *y, int y_type, size_t N, size_t C, bool logarithm);
    /// dx (+)= y·(dy − Σ dy·y), or dx (+)= dy − exp(y)·Σ dy when y is a log softmax.
    void (*softmax_gradient)(const void *dy, int dy_type, const void *y, int y_type, void *dx, int dx_type, size_t N, size_t C, bool logarithm,
                             bool add);
    /// losses[n] = log Σ exp(x[n]) − x[n, target], and d = scale·(softmax(x) − one_hot(target)); hits[n] = 1 where the target is the first of the
    /// largest, else 0. Each may be NULL; d may be x. A negative target is ignored: loss 0, no hit, a row of zeros.
    void (*cross_entropy)(const void *x, int x_type, const int32_t *targets, float *losses, int32_t *hits, void *d, int d_type, float scale, size_t N,
                          size_t V);
    /// The same where row n expects shares[i] of ids[i], i from starts[n] up to starts[n + 1]; how much it counts is their sum.
    void (*cross_entropy_shares)(const void *x, int x_type, const int32_t *starts, const int32_t *ids, const float *shares, float *losses, void *d, int d_type,
                                 float scale, size_t N, size_t V);

    /// The first `turned` heads of each row, one behind the other, D wide, turned by the angles of place (first + n) % T; what follows them up to C is
    /// copied. `angles` [T,D] holds the cosines of D/2 angles, then their sines; −1 as `direction` turns back. y may be x.
    void (*rotate)(const void *x, int type, const float *angles, size_t T, size_t first, size_t turned, size_t D, float direction, void *y, size_t N,
                   size_t C);
    /// The first `normed` heads of each row over the root of the mean of their squares, the rest copied. rstd [N,normed] is kept.
    void (*norm_heads)(const void *x, int type, size_t normed, size_t D, void *y, float *rstd, size_t N, size_t C, float epsilon);
    /// dx = rstd·(dy − y·⟨dy·y⟩) in those heads, dy in the rest, from the result y.
    void (*norm_heads_gradient)(const void *dy, const void *y, int type, size_t normed, size_t D, const float *rstd, void *dx, size_t N, size_t C);

    /// y[n] = table[ids[n]] (+ more[(first + n) % period], where more is not NULL).
    void (*embed)(const int32_t *ids, const void *table, int table_type, const float *more, size_t first, size_t period, void *y, int y_type, size_t N,
                  size_t C);
    /// table[ids[n]] += dy[n] for the channels c0 ..< c1 alone: threads share the channels, so the order over n is always the same.
    void (*embed_gradient)(const int32_t *ids, const void *dy, int dy_type, float *table, size_t N, size_t C, size_t c0, size_t c1);

    /// y[i] (+)= x[i]/(1 − p), or 0 with probability p. The choice for element `start + i` depends on seed and place alone. y may be x.
    void (*dropout)(const void *x, int x_type, void *y, int y_type, size_t n, float p, uint64_t seed, uint64_t start, bool add);
    /// Uniform in [0, 1): element `start + i` of the stream `seed`.
    void (*uniform)(float *y, size_t n, uint64_t seed, uint64_t start);
    /// Normal with mean 0 and variance 1 (Box & Muller 1958).
    void (*normal)(float *y, size_t n, uint64_t seed, uint64_t start);

    /// The innermost loop of a product on data in the first-level cache, so many times: what the machine can do at most.
    void (*peak)(int product, size_t rounds);
    size_t peak_flops;            ///< of one round in f32; bf16 does twice as many

    double (*sum_of_squares)(const float *x, size_t n);
    /// Loshchilov & Hutter 2019, algorithm 2. Writes w, m and v.
    void (*adamw)(const slm_adamw *, float *w, const float *g, float *m, float *v, size_t n);
} slm_kernels;

/// The table for a path by name ("avx512bf16", "avx512", "avx2", "plain"), or NULL when this CPU cannot run it.
const slm_kernels *slm_kernels_named(const char *name);
/// The best table that this CPU runs.
const slm_kernels *slm_kernels_best(void);
