// Activation functions, the functions that they are made of, and their derivatives, one vector at a time.

static inline vf exp_near_zero(vf r) {   // |r| ≤ ln 2 / 2
    vf y = splat(1.9875691500e-4f);
    y = y * r + splat(1.3981999507e-3f);
    y = y * r + splat(8.3334519073e-3f);
    y = y * r + splat(4.1665795894e-2f);
    y = y * r + splat(1.6666665459e-1f);
    y = y * r + splat(5.0000001201e-1f);
    return y * (r * r) + r + splat(1.0f);
}

// exp, accurate to about one unit in the last place: x = n·ln 2 + r, a polynomial in r, and 2ⁿ in two factors, so that the ends of
// the range give denormals and infinity. NaN stays NaN.
static inline vf vexp(vf x) {
    const vf bounded = vselect(x != x, x, vmin(vmax(x, splat(-104.0f)), splat(89.0f)));
    const vf magic = splat(12582912.0f);                            // 1.5·2²³: adding it rounds to an integer
    const vf shifted = bounded * splat(1.44269504f) + magic;
    const vf n = shifted - magic;
    vf r = bounded - n * splat(0.693359375f);
    r = r - n * splat(-2.12194440e-4f);
    const vi power = (vi)shifted - (vi)magic, half = power >> 1;
    return exp_near_zero(r) * (vf)((half + 127) << 23) * (vf)((power - half + 127) << 23);
}

// exp with a quarter less work: results are at least 10⁻³⁸, and infinite from e⁸⁸·⁴ on. NaN stays NaN.
static inline vf vexp_bounded(vf x) {
    const vf bounded = vmin(splat(89.0f), vmax(splat(-87.0f), x));    // this order of arguments keeps NaN
    const vf magic = splat(12582912.0f);
    const vf shifted = bounded * splat(1.44269504f) + magic;
    const vf n = shifted - magic;
    vf r = bounded - n * splat(0.693359375f);
    r = r - n * splat(-2.12194440e-4f);
    return exp_near_zero(r) * (vf)(((vi)shifted - (vi)magic + 127) << 23);
}

// 2ˣ for x < 128, accurate to two units in the last place, with half the work of exp: x < −126 gives 10⁻³⁸. NaN stays NaN.
static inline vf vexp2_bounded(vf x) {
    const vf magic = splat(12582912.0f);
    const vf bounded = vmax(splat(-126.0f), x);                     // this order of arguments keeps NaN
    const vf shifted = bounded + magic, r = bounded - (shifted - magic);      // |r| ≤ ½
    vf y = splat(1.326472731e-3f);                                  // minimax polynomial: relative error at most 1.1·10⁻⁷
    y = y * r + splat(9.671512991e-3f);
    y = y * r + splat(5.550733581e-2f);
    y = y * r + splat(2.402224243e-1f);
    y = y * r + splat(6.931470037e-1f);
    y = y * r + splat(1.0f);
    return y * (vf)(((vu)shifted << 23) + 0x3f800000);              // the shift drops all bits of magic
}

static inline vf vsigmoid(vf x) { return splat(1.0f) / (splat(1.0f) + vexp_bounded(-x)); }

// 1 − 2/(e²ˣ + 1); near 0, where that would cancel, an odd polynomial.
static inline vf vtanh(vf x) {
    const vf square = x * x;
    vf near = splat(-5.70498872745e-3f);
    near = near * square + splat(2.06390887954e-2f);
    near = near * square + splat(-5.37397155531e-2f);
    near = near * square + splat(1.33314422036e-1f);
    near = near * square + splat(-3.33332819422e-1f);
    near = near * square * x + x;
    const vf far = splat(1.0f) - splat(2.0f) / (vexp(x + x) + splat(1.0f));
    return vselect(square < splat(0.390625f), near, far);
}

// cap·tanh(x/cap): nearly x for small x, and never beyond ±cap.
static inline vf soft_capped(vf x, float cap, float inverse_cap) { return splat(cap) * vtanh(x * splat(inverse_cap)); }

// erfc(x) for x ≥ 0, accurate to 1.5·10⁻⁷: Abramowitz & Stegun 7.1.26, in the form that does not cancel in the tail.
static inline vf verfc(vf x) {
    const vf t = splat(1.0f) / (splat(1.0f) + splat(0.3275911f) * x);
    vf y = splat(1.061405429f);
    y = y * t + splat(-1.453152027f);
    y = y * t + splat(1.421413741f);
    y = y * t + splat(-0.284496736f);
    y = y * t + splat(0.254829592f);
    return y * t * vexp(-(x * x));
}

static inline vf vabs(vf x) { return (vf)((vi)x & 0x7fffffff); }

// Φ(x), the cumulative normal distribution: GELU is x·Φ(x).
static inline vf normal_cdf(vf x) {
    const vf tail = splat(0.5f) * verfc(vabs(x) * splat(0.70710678f));
    return vselect(x < splat(0.0f), tail, splat(1.0f) - tail);
}

static inline vf map_lanes(vf x, float (*f)(float)) {
    float part[W];
    memcpy(part, &x, sizeof part);
    for (int i = 0; i < W; i++) part[i] = f(part[i]);
    memcpy(&x, part, sizeof part);
    return x;
}

// GELU's tanh approximation is x·sigmoid(2z) with z = √(2/π)·(x + 0.044715·x³).
static inline vf gelu_gate(vf x) { return vsigmoid(x * (splat(1.59576912f) + splat(0.0713548162f) * (x * x))); }

// gpt-oss limits gates from above, and values on both sides, and adds 1 to these.
static const float gate_limit = 7.0f, gate_slope = 1.702f;
static inline vf clamped_gate(vf x) { return vmin(splat(gate_limit), x); }                  // NaN stays NaN
static inline vf clamped_value(vf x) { return vmin(splat(gate_limit), vmax(splat(-gate_limit), x)); }

static inline vf apply(int f, vf x) {
    const vf zero = splat(0.0f);
    switch (f) {
    case SLM_EXP: return vexp(x);
    case SLM_LOG: return map_lanes(x, logf);
    case SLM_SQRT: return __builtin_elementwise_sqrt(x);
    case SLM_TANH: return vtanh(x);
    case SLM_SIGMOID: return vsigmoid(x);
    case SLM_RELU: return vselect(x < zero, zero, x);               // NaN stays NaN
    case SLM_RELU_SQUARED: return vselect(x < zero, zero, x * x);
    case SLM_GELU_TANH: return x * gelu_gate(x);
    case SLM_GELU_ERF: return x * normal_cdf(x);
    case SLM_SILU: return x * vsigmoid(x);
    case SLM_CLAMPED_SILU: { const vf g = clamped_gate(x); return g * vsigmoid(splat(gate_slope) * g); }
    default: return x;
    }
}

// f'(x), from x.
static inline vf derivative(int f, vf x) {
    const vf zero = splat(0.0f), one = splat(1.0f);
    switch (f) {
    case SLM_EXP: return vexp(x);
    case SLM_LOG: return one / x;
    case SLM_SQRT: return splat(0.5f) / __builtin_elementwise_sqrt(x);
    case SLM_TANH: { const vf y = vtanh(x); return one - y * y; }
    case SLM_SIGMOID: { const vf y = vsigmoid(x); return y * (one - y); }
    case SLM_RELU: return vselect(x <= zero, zero, one);            // 1 for NaN
    case SLM_RELU_SQUARED: return vselect(x <= zero, zero, x + x);
    case SLM_GELU_TANH: {
        const vf s = gelu_gate(x);
        return s + x * s * (one - s) * (splat(1.59576912f) + splat(0.2140644488f) * (x * x));
    }
    case SLM_GELU_ERF: return normal_cdf(x) + x * splat(0.39894228f) * vexp(splat(-0.5f) * (x * x));
    case SLM_SILU: { const vf s = vsigmoid(x); return s + x * s * (one - s); }
    case SLM_CLAMPED_SILU: {
        const vf g = clamped_gate(x), s = vsigmoid(splat(gate_slope) * g);
        return vselect(x > splat(gate_limit), zero, s + splat(gate_slope) * g * s * (one - s));
    }
    default: return one;
    }
}
