// Causal attention for one head, a strip of queries at a time.
//
//   s = scale·q·kᵀ      p = exp(s − l),  l = log Σ exp(s)      y = p·v
//   dv = pᵀ·dy          ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale         dq = ds·k,  dk = dsᵀ·q
//
// A strip is STRIP queries by all their keys: memory grows with T, never with T². Tiles above the
// diagonal are neither computed nor read.

#define STRIP 48   // a multiple of every path's MR

typedef struct {
    unit *keys, *values;        // as the right side of products along D: [T / NR][D units][NR]
    unit *keys_across;          // as the right side of a product along T: [D / NR][T units][NR]
    unit *left;                 // panels of MR, for whatever is multiplied next: a strip along D or T, or T along a strip
    unit *right;                // [D / NR][STRIP units][NR]
    float *scores, *slopes;     // [STRIP][width]
    float *dk, *dv;             // [T rounded up to MR][columns]
    size_t width, columns;      // T and D, rounded up to NR
} attention_room;

static size_t lay_out(const slm_attention *p, attention_room *r, void *scratch) {
    const size_t width = round_up(p->T, NR), columns = round_up(p->D, NR), tall = round_up(p->T, MR);
    size_t used = 0;
    char *base = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
#define ROOM(field, elements) do { if (r) r->field = (void *)(base + used); used += round_up((elements) * 4, 64); } while (0)
    ROOM(keys, width * p->D);
    ROOM(values, width * p->D);
    ROOM(keys_across, columns * width);
    const size_t longest = width > tall ? width : tall;
    ROOM(left, STRIP * (longest > p->D ? longest : p->D));
    ROOM(right, columns * STRIP);
    ROOM(scores, STRIP * width);
    ROOM(slopes, STRIP * width);
    ROOM(dk, tall * columns);
    ROOM(dv, tall * columns);
#undef ROOM
    if (r) r->width = width, r->columns = columns;
    return used + 64;
}
static size_t attention_scratch(const slm_attention *p) { return lay_out(p, NULL, NULL); }

// to[rows][width] = left·right for the columns n0 ..< n1 that row block `m` can see; q0 + m + MR is where it goes blind.
static void strip_product(int product, size_t units, const unit *left, const unit *right, size_t rows, size_t q0, size_t n0, size_t n1,
                          float *to, size_t width) {
    for (size_t n = n0 / NR * NR; n < n1; n += NR)
        for (size_t m = 0; m < rows; m += MR)
            if (n < q0 + m + MR) tile_of(product, units, left + m * units, right + n * units, to + m * width + n, width, false);
}

static inline size_t first_key(const slm_attention *p, size_t t) { return p->first ? (size_t)p->first[t] : 0; }
static inline size_t first_of_strip(const slm_attention *p, size_t q0, size_t q1) {
    size_t low = first_key(p, q0);
    for (size_t t = q0 + 1; t < q1; t++) low = least(low, first_key(p, t));
    return low & ~(size_t)1;                                  // a pair of bf16 is not torn apart
}

// Which of W keys from k on lie in [from, to]. What lies outside may never have been computed, and is only ever picked away.
static inline vi seen(size_t k, size_t from, size_t to) {
    vi key;
    for (int i = 0; i < W; i++) key[i] = (int32_t)k + i;
    return (key >= (int32_t)from) & (key <= (int32_t)to);
}

static float largest(const float *row, size_t from, size_t to, float scale) {
    vf most = all(-INFINITY);
    for (size_t k = from / W * W; k <= to; k += W)
        most = vmax(pick(seen(k, from, to), load(row + k) * all(scale), all(-INFINITY)), most);
    return max_of(most);
}

// A row of scores becomes exp(scale·s − top) inside [from, to] and 0 in the rest of [low, high); returns the sum.
static float exponentials(float *row, size_t low, size_t high, size_t from, size_t to, float scale, float top) {
    vf sum = {0};
    for (size_t k = low / W * W; k < high; k += W) {
        const vf e = pick(seen(k, from, to), vexp_bounded(load(row + k) * all(scale) - all(top)), all(0));
        store(row + k, e);
        sum += e;
    }
    return sum_of(sum);
}

// The same on the way back, where `slopes` holds dy·vᵀ and becomes ds; `along` is ⟨dy, y⟩.
static void exponentials_and_slopes(float *row, float *slopes, size_t low, size_t high, size_t from, size_t to, float scale, float log_sum, float along) {
    for (size_t k = low / W * W; k < high; k += W) {
        const vi inside = seen(k, from, to);
        const vf e = vexp_bounded(load(row + k) * all(scale) - all(log_sum));
        store(row + k, pick(inside, e, all(0)));
        store(slopes + k, pick(inside, e * (load(slopes + k) - all(along)) * all(scale), all(0)));
    }
}

static float dot(const void *a, const void *b, int type, size_t at, size_t D) {
    vf sum = {0};
    for (size_t j = 0; j < D; j += W) sum += get_first(a, type, at + j, least(W, D - j)) * get_first(b, type, at + j, least(W, D - j));
    return sum_of(sum);
}

static slm_operand rows_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, stride, 1}; }
static slm_operand columns_of(const slm_attention *p, const void *x, size_t stride) { return (slm_operand){x, p->type, 1, stride}; }
static slm_operand strip(const float *x, size_t width) { return (slm_operand){x, SLM_F32, width, 1}; }
static slm_operand strip_across(const float *x, size_t width) { return (slm_operand){x, SLM_F32, 1, width}; }

// to[q0 + i] = factor[i]·(left·right), where row block m of `left` reaches up to its own diagonal: units from key `low` on.
static void write_rows(const slm_attention *p, const float *left_rows, const attention_room *r, const unit *across, size_t q0, size_t rows,
                       size_t low, size_t high, const float *factor, void *to, size_t stride) {
    const int product = p->product;
    const size_t per = product == SLM_F32 ? 1 : 2, all_units = units_of(p->T, product), units = units_of(high - low, product);
    const slm_operand left = strip(left_rows, r->width);
    pack(r->left, &left, product, MR, 0, rows, low, high);
    float tile[MR * NR] __attribute__((aligned(64)));
    for (size_t m = 0; m < rows; m += MR) {
        const size_t reach = least(units_of(least(q0 + m + MR, high) - low, product), units);
        for (size_t n = 0; n < p->D; n += NR) {
            tile_of(product, reach, r->left + m * units, across + n * all_units + low / per * NR, tile, NR, false);
            for (size_t i = 0; i < least(MR, rows - m); i++) {
                const size_t at = (q0 + m + i) * stride + n, columns = least(NR, p->D - n);
                const float by = factor ? factor[m + i] : 1.0f;
                size_t j = 0;
                for (; j + W <= columns; j += W) put(to, p->type, at + j, load(tile + i * NR + j) * all(by));
                if (j < columns) put_first(to, p->type, at + j, load(tile + i * NR + j) * all(by), columns - j);
            }
        }
    }
}

static void attention(const slm_attention *p, void *scratch) {
    attention_room r;
    lay_out(p, &r, scratch);
    const size_t T = p->T, D = p->D, units = units_of(D, p->product);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = columns_of(p, p->v, p->stride);
    unit *values_across = r.keys_across;                      // free on the way forward
    pack(r.keys, &k, p->product, NR, 0, T, 0, D);
    pack(values_across, &v, p->product, NR, 0, D, 0, T);
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = least(q0 + STRIP, T), rows = q1 - q0, low = first_of_strip(p, q0, q1);
        float inverse[STRIP];
        pack(r.left, &q, p->product, MR, q0, q1, 0, D);
        strip_product(p->product, units, r.left, r.keys, rows, q0, low, q1, r.scores, r.width);
        for (size_t i = 0; i < rows; i++) {
            float *row = r.scores + i * r.width;
            const size_t from = first_key(p, q0 + i), to = q0 + i;
            const float top = largest(row, from, to, p->scale);
            const float sum = exponentials(row, low, q1, from, to, p->scale, top);
            inverse[i] = 1.0f / sum;
            if (p->log_sum) p->log_sum[q0 + i] = top + logf(sum);
        }
        write_rows(p, r.scores, &r, values_across, q0, rows, low, q1, inverse, p->y, p->y_stride);
    }
}

// to[key] += leftᵀ·right over the queries of a strip; keys k0 ..< k1 (k0 a multiple of MR).
static void add_columns(const slm_attention *p, const float *left_rows, const attention_room *r, size_t rows, size_t q0, size_t k0, size_t k1,
                        float *to) {
    const int product = p->product;
    const size_t per = product == SLM_F32 ? 1 : 2, units = units_of(rows, product);
    const slm_operand left = strip_across(left_rows, r->width);
    pack(r->left, &left, product, MR, k0, k1, 0, rows);
    for (size_t m = k0; m < k1; m += MR) {
        const size_t skip = m > q0 ? (m - q0) / per : 0;      // queries before the first of these keys do not see them
        if (skip >= units) break;
        for (size_t n = 0; n < p->D; n += NR)
            tile_of(product, units - skip, r->left + (m - k0) * units + skip * MR, r->right + n * units + skip * NR, to + m * r->columns + n, r->columns,
                    true);
    }
}

static void write_sums(const slm_attention *p, const float *from, size_t columns, void *to) {
    for (size_t t = 0; t < p->T; t++) {
        size_t j = 0;
        for (; j + W <= p->D; j += W) put(to, p->type, t * p->stride + j, load(from + t * columns + j));
        if (j < p->D) put_first(to, p->type, t * p->stride + j, load_first(from + t * columns + j, p->D - j), p->D - j);
    }
}

static void attention_gradient(const slm_attention *p, void *scratch) {
    attention_room r;
    lay_out(p, &r, scratch);
    const size_t T = p->T, D = p->D, units = units_of(D, p->product);
    const slm_operand q = rows_of(p, p->q, p->stride), k = rows_of(p, p->k, p->stride), v = rows_of(p, p->v, p->stride);
    const slm_operand k_across = columns_of(p, p->k, p->stride), q_across = columns_of(p, p->q, p->stride);
    const slm_operand dy = rows_of(p, p->dy, p->y_stride), dy_across = columns_of(p, p->dy, p->y_stride);
    pack(r.keys, &k, p->product, NR, 0, T, 0, D);
    pack(r.values, &v, p->product, NR, 0, T, 0, D);
    pack(r.keys_across, &k_across, p->product, NR, 0, D, 0, T);
    const size_t tall = round_up(T, MR);
    memset(r.dk, 0, tall * r.columns * 4);
    memset(r.dv, 0, tall * r.columns * 4);
    for (size_t q0 = 0; q0 < T; q0 += STRIP) {
        const size_t q1 = least(q0 + STRIP, T), rows = q1 - q0, low = first_of_strip(p, q0, q1), low_block = low / MR * MR;
        pack(r.left, &q, p->product, MR, q0, q1, 0, D);
        strip_product(p->product, units, r.left, r.keys, rows, q0, low, q1, r.scores, r.width);
        pack(r.left, &dy, p->product, MR, q0, q1, 0, D);
        strip_product(p->product, units, r.left, r.values, rows, q0, low, q1, r.slopes, r.width);
        for (size_t i = 0; i < rows; i++) {
            const size_t t = q0 + i, from = first_key(p, t);
            const float along = dot(p->dy, p->y, p->type, t * p->y_stride, D);
            exponentials_and_slopes(r.scores + i * r.width, r.slopes + i * r.width, low_block, q1, from, t, p->scale, p->log_sum[t], along);
        }
        pack(r.right, &dy_across, p->product, NR, 0, D, q0, q1);
        add_columns(p, r.scores, &r, rows, q0, low_block, q1, r.dv);
        pack(r.right, &q_across, p->product, NR, 0, D, q0, q1);
        add_columns(p, r.slopes, &r, rows, q0, low_block, q1, r.dk);
        write_rows(p, r.slopes, &r, r.keys_across, q0, rows, low, q1, NULL, p->dq, p->stride);
    }
    write_sums(p, r.dk, r.columns, p->dk);
    write_sums(p, r.dv, r.columns, p->dv);
}
