/// A function of one number that kernels compute elementwise: activation functions and others.
package enum UnaryFunction: Int32, Sendable, CaseIterable {
    case identity, exp, log, sqrt, tanh, sigmoid, relu, reluSquared
    /// GELU in GPT-2's tanh approximation, x·½·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    case gelu
    /// GELU itself, x·Φ(x).
    case exactGELU
    /// x·sigmoid(x), also called swish.
    case silu
    /// x·sigmoid(1.702·x) of at most 7. As a gate, it multiplies values that are limited to ±7, plus 1, as in gpt-oss.
    case clampedSiLU
}

package enum ArithmeticOperator: Int32, Sendable {
    case add, subtract, multiply, divide
}
