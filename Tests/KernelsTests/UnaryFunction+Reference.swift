import Glibc
import Kernels

extension UnaryFunction {
    /// f(x) in f64.
    func value(_ x: Double) -> Double {
        switch self {
        case .identity: x
        case .exp: Glibc.exp(x)
        case .log: Glibc.log(x)
        case .sqrt: x.squareRoot()
        case .tanh: Glibc.tanh(x)
        case .sigmoid: 1 / (1 + Glibc.exp(-x))
        case .relu: x < 0 ? 0 : x
        case .reluSquared: x < 0 ? 0 : x * x
        case .gelu: x * 0.5 * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .exactGELU: x * 0.5 * erfc(-x / 2.0.squareRoot())
        case .silu: x / (1 + Glibc.exp(-x))
        case .clampedSiLU: min(x, 7) / (1 + Glibc.exp(-1.702 * min(x, 7)))
        }
    }

    /// f'(x) by a central difference, where f is differentiable.
    func derivative(_ x: Double) -> Double { (value(x + 1e-5) - value(x - 1e-5)) / 2e-5 }
}
