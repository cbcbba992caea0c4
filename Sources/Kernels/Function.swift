/// A function of one number, as kernels and derivatives know it.
package enum UnaryFunction: Int32, Sendable, CaseIterable {
    case identity, exp, log, sqrt, tanh, sigmoid, relu, reluSquared
    /// GELU in GPT-2's form, x·½·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    case gelu
    /// x·Φ(x) itself.
    case exactGELU
    /// x·sigmoid(x), also called swish.
    case silu
}

package enum ArithmeticOperator: Int32, Sendable {
    case add, subtract, multiply, divide
}
