// Packs an operand of a matmul (matmul.h) in panels: panels of P rows are [k][P] units.

// One unit at row p and element k: slow, for edges and arbitrary strides.
static inline unit unit_at(const slm_operand *s, int precision, size_t p, size_t k, size_t K) {
    const size_t i = p * s->outer + k * s->inner;
    if (precision == SLM_F32) {
        float x = get1(s->data, s->type, i);
        unit u;
        memcpy(&u, &x, 4);
        return u;
    }
    if (k >= K) return 0;
    unit low = s->type == SLM_F32 ? narrow1(((const float *)s->data)[i]) : ((const bf16 *)s->data)[i];
    if (k + 1 >= K) return low;
    const size_t j = i + s->inner;
    unit high = s->type == SLM_F32 ? narrow1(((const float *)s->data)[j]) : ((const bf16 *)s->data)[j];
    return low | high << 16;
}

static inline quad_u load4(const void *p, int type, size_t i) {   // as f32
    if (type == SLM_F32) return *(const quad_u_any *)((const float *)p + i);
    typedef uint16_t h4 __attribute__((vector_size(8)));
    typedef h4 h4_any __attribute__((aligned(1), may_alias));
    return __builtin_convertvector(*(const h4_any *)((const bf16 *)p + i), quad_u) << 16;
}
static inline quad_u round4_to_bf16(quad_u bits) {
    const quad x = (quad)bits;
    const quad_u nan = (quad_u)(x != x);
    return (nan & (bits | 0x00400000)) | (~nan & (bits + 0x7fff + ((bits >> 16) & 1)));
}

// W units along K, which is contiguous.
static inline vu units_along(const void *data, int type, int precision, size_t i) {
    if (precision == SLM_F32) return (vu)get(data, type, i);
    if (type == SLM_BF16) return *(const vu_any *)((const bf16 *)data + i);
    return pair_along(load((const float *)data + i), load((const float *)data + i + W));
}

// Transposes four rows of W units: each 128-bit lane of a result holds one unit of all four rows, lane l of result j unit 4·l + j.
INLINE void transpose_quads(vu a, vu b, vu c, vu d, vu *four) {
    const vu ab_low = __builtin_shufflevector(a, b, INTERLEAVE(0)), ab_high = __builtin_shufflevector(a, b, INTERLEAVE(2));
    const vu cd_low = __builtin_shufflevector(c, d, INTERLEAVE(0)), cd_high = __builtin_shufflevector(c, d, INTERLEAVE(2));
    four[0] = __builtin_shufflevector(ab_low, cd_low, HALVES(0)), four[1] = __builtin_shufflevector(ab_low, cd_low, HALVES(2));
    four[2] = __builtin_shufflevector(ab_high, cd_high, HALVES(0)), four[3] = __builtin_shufflevector(ab_high, cd_high, HALVES(2));
}

// Prefetches element i, which may lie behind the end.
static inline void prefetch(const void *data, int type, size_t i) {
    __builtin_prefetch((const char *)((uintptr_t)data + i * (type == SLM_F32 ? 4 : 2)));
}

// Packs elements k0 ..< k1 of P rows of `s`, from row p0 on, as [units][P]; missing rows, the missing half of a last unit and missing
// units are 0.
static inline void pack_panel(unit *to, const slm_operand *s, int precision, int type, size_t P, size_t p0, size_t rows, size_t k0,
                              size_t k1, size_t units) {
    const size_t per = per_unit(precision);
    size_t whole = (k1 - k0) / per;                           // complete units
    if (s->inner == 1 && rows == P) {                         // K is contiguous: transpose, four rows at a time
        const size_t vectors = whole / W * W;
        for (size_t u = 0; u < vectors; u += W)
            for (size_t p = 0; p < P; p += 4) {
                const size_t i = (p0 + p) * s->outer + k0 + u * per;
                vu four[4];
                transpose_quads(units_along(s->data, type, precision, i), units_along(s->data, type, precision, i + s->outer),
                                units_along(s->data, type, precision, i + 2 * s->outer),
                                units_along(s->data, type, precision, i + 3 * s->outer), four);
                unit *t = to + u * P + p;
                for (int lane = 0; lane < W / 4; lane++)
                    for (int j = 0; j < 4; j++) memcpy(t + (4 * lane + j) * P, (const char *)&four[j] + 16 * lane, 16);
            }
        for (size_t u = vectors; u < units; u++)
            for (size_t p = 0; p < P; p++) to[u * P + p] = unit_at(s, precision, p0 + p, k0 + u * per, k1);
        return;
    }
    for (size_t u = 0; u < units; u++)
        for (size_t p = 0; p < P; p++) to[u * P + p] = p < rows ? unit_at(s, precision, p0 + p, k0 + u * per, k1) : 0;
}

// W, or four, rows' units at one k, where the rows are contiguous.
static inline vu units_across(const slm_operand *s, int precision, int type, size_t i) {
    if (precision == SLM_F32) return (vu)get(s->data, type, i);
    if (type == SLM_F32) return pair_across(load((const float *)s->data + i), load((const float *)s->data + i + s->inner));
    const vu low = __builtin_convertvector(*(const vh_any *)((const bf16 *)s->data + i), vu);
    const vu high = __builtin_convertvector(*(const vh_any *)((const bf16 *)s->data + i + s->inner), vu);
    return low | high << 16;
}
static inline quad_u units4_across(const slm_operand *s, int precision, int type, size_t i) {
    const quad_u low = load4(s->data, type, i);
    if (precision == SLM_F32) return low;
    const quad_u high = load4(s->data, type, i + s->inner);
    return type == SLM_F32 ? round4_to_bf16(low) >> 16 | (round4_to_bf16(high) & 0xffff0000) : low >> 16 | high;
}

// Packs one row of units of a panel. With `may_overrun`, whole vectors may read and write behind its end.
static inline void pack_across(unit *t, const slm_operand *s, int precision, int type, size_t P, size_t i, bool may_overrun) {
    size_t p = 0;
    for (; p + W <= P || (may_overrun && p < P); p += W) *(vu_any *)(t + p) = units_across(s, precision, type, i + p);
    for (; p < P; p += 4) *(quad_u_any *)(t + p) = units4_across(s, precision, type, i + p);
}

// Packs rows p0 ..< p1 of an operand in panels of P rows and `units` units.
static inline void pack_as(unit *to, const slm_operand *s, int precision, int type, size_t P, size_t p0, size_t p1, size_t k0, size_t k1,
                           size_t units) {
    const size_t per = per_unit(precision), whole = (k1 - k0) / per;
    size_t across = p0;
    if (s->outer == 1) {
        // Packs a few panels together, so that each reads its part of a row while the row is in the cache: rows are often a power of
        // two apart, and packing one narrow panel after the other would evict the cache lines before the next panel reads the rest
        // of them. Only a few, because each panel is another output stream. Software prefetch, because the rows are too far apart
        // for the hardware prefetcher.
        across = p0 + (p1 - p0) / P * P;
        const size_t line = type == SLM_F32 ? 16 : 32, together = round_up(8 * line, P), ahead = 8 * per * s->inner;
        for (size_t first = p0; first < across; first += together) {
            const size_t last = min_size(first + together, across);
            for (size_t u = 0; u < whole; u++) {
                const size_t at = (k0 + u * per) * s->inner;
                if (u + 8 < whole)
                    for (size_t p = first; p < last; p += line)
                        for (size_t h = 0; h < per; h++) prefetch(s->data, type, at + ahead + p + h * s->inner);
                for (size_t p = first; p < last; p += P)
                    pack_across(to + (p - p0) * units + u * P, s, precision, type, P, at + p,
                                u + round_up(P, W) / P < units && p + round_up(P, W) <= p1);
            }
        }
        for (size_t p = p0; p < across; p += P)
            for (size_t u = whole; u < units; u++)
                for (size_t j = 0; j < P; j++) to[(p - p0) * units + u * P + j] = unit_at(s, precision, p + j, k0 + u * per, k1);
    }
    for (size_t p = across; p < p1; p += P) pack_panel(to + (p - p0) * units, s, precision, type, P, p, min_size(P, p1 - p), k0, k1, units);
}

// A specialized loop for each combination of types.
static void pack_units(unit *to, const slm_operand *s, int precision, size_t P, size_t p0, size_t p1, size_t k0, size_t k1, size_t units) {
    if (precision == SLM_F32) {
        if (s->type == SLM_F32) pack_as(to, s, SLM_F32, SLM_F32, P, p0, p1, k0, k1, units);
        else pack_as(to, s, SLM_F32, SLM_BF16, P, p0, p1, k0, k1, units);
    } else {
        if (s->type == SLM_F32) pack_as(to, s, SLM_BF16, SLM_F32, P, p0, p1, k0, k1, units);
        else pack_as(to, s, SLM_BF16, SLM_BF16, P, p0, p1, k0, k1, units);
    }
}
static inline void pack_plainly(unit *to, const slm_operand *s, int precision, size_t P, size_t p0, size_t p1, size_t k0, size_t k1) {
    pack_units(to, s, precision, P, p0, p1, k0, k1, units_of(k1 - k0, precision));
}
