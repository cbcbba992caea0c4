package import Kernels

/// The precision of the weights during inference, as a user chooses it.
package enum PrecisionOption: String, Sendable, CaseIterable {
    /// The file's precision if it is quantized; otherwise the fastest without loss of quality: bf16 if the CPU supports it, f32 otherwise.
    case auto
    case f32, bf16, int8, int6, int4

    /// The precision on this machine. Kernels without bf16 instructions widen bf16 weights to f32.
    ///
    /// - Parameter stored: The precision of quantized weights in the file.
    package func resolved(on processor: Processor, stored: WeightPrecision? = nil) -> WeightPrecision {
        switch self {
        case .auto: stored ?? (processor.hasBFloat16 ? .bfloat16 : .float32)
        case .f32, .bf16, .int8, .int6, .int4: WeightPrecision(rawValue: rawValue) ?? .float32
        }
    }
}
