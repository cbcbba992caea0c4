package import Kernels
import Model

/// The precision of cached keys and values, as a user chooses it.
package enum KVPrecisionOption: String, Sendable, CaseIterable {
    /// That of the weights, and int8 for weights of fewer bits. bf16 instead of int8 if queries, keys and values have biases of their own:
    /// some channels of such keys are far larger than the others (Documentation/decisions/kv-precision.md).
    case auto
    case bf16, int8

    /// - Parameters:
    ///   - weights: The precision of the weights.
    ///   - hasQKVBias: Whether queries, keys and values have biases, unlike other layers, as in Qwen2.
    package func resolved(weights: WeightPrecision, hasQKVBias: Bool) -> WeightPrecision {
        switch self {
        case .bf16: .bfloat16
        case .int8: .int8
        case .auto where weights == .float32 || weights == .bfloat16: weights
        case .auto: hasQKVBias ? .bfloat16 : .int8
        }
    }
}
