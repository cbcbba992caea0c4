// The functions of UnaryFunction, in its order, and their derivatives.
float sigmoid(float x) { return 1 / (1 + exp(-x)); }

// 1 − 2/(e²ˣ + 1); near 0, where that would cancel, an odd polynomial.
float exact_tanh(float x) {
    const float square = x * x;
    if (square < 0.390625) {
        float near = -5.70498872745e-3;
        near = near * square + 2.06390887954e-2;
        near = near * square - 5.37397155531e-2;
        near = near * square + 1.33314422036e-1;
        near = near * square - 3.33332819422e-1;
        return near * square * x + x;
    }
    return 1 - 2 / (exp(2 * x) + 1);
}

// erfc(x) for x ≥ 0, accurate to 1.5·10⁻⁷: Abramowitz & Stegun 7.1.26.
float erfc_of_positive(float x) {
    const float t = 1 / (1 + 0.3275911 * x);
    return ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * exp(-x * x);
}

// Φ(x), the cumulative normal distribution.
float normal_cdf(float x) {
    const float tail = 0.5 * erfc_of_positive(abs(x) * 0.70710678);
    return x < 0 ? tail : 1 - tail;
}

// GELU's tanh approximation is x·sigmoid(2z) with z = √(2/π)·(x + 0.044715·x³).
float gelu_gate(float x) { return sigmoid(x * (1.59576912 + 0.0713548162 * x * x)); }

float apply(int f, float x) {
    switch (f) {
    case 1: return exp(x);
    case 2: return log(x);
    case 3: return sqrt(x);
    case 4: return exact_tanh(x);
    case 5: return sigmoid(x);
    case 6: return x < 0 ? 0 : x;
    case 7: return x < 0 ? 0 : x * x;
    case 8: return x * gelu_gate(x);
    case 9: return x * normal_cdf(x);
    case 10: return x * sigmoid(x);
    default: return x;
    }
}

float derivative(int f, float x) {
    switch (f) {
    case 1: return exp(x);
    case 2: return 1 / x;
    case 3: return 0.5 / sqrt(x);
    case 4: {
        const float y = exact_tanh(x);
        return 1 - y * y;
    }
    case 5: {
        const float y = sigmoid(x);
        return y * (1 - y);
    }
    case 6: return x > 0 ? 1 : 0;
    case 7: return x > 0 ? 2 * x : 0;
    case 8: {
        const float s = gelu_gate(x);
        return s + x * s * (1 - s) * (1.59576912 + 0.2140644486 * x * x);
    }
    case 9: return normal_cdf(x) + x * 0.39894228 * exp(-0.5 * x * x);
    case 10: {
        const float s = sigmoid(x);
        return s + x * s * (1 - s);
    }
    default: return 1;
    }
}
