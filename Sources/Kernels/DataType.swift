/// How the elements of a buffer are stored.
package enum DataType: String, Sendable {
    case float32 = "f32"
    /// The upper half of a `float32`: the same range with 8 bits of significand.
    case bfloat16 = "bf16"
    /// Token ids and targets.
    case int32 = "i32"
    /// Codes of quantized weights.
    case byte = "u8"

    package var size: Int {
        switch self { case .float32, .int32: 4; case .bfloat16: 2; case .byte: 1 }
    }

    /// The kernels' number for a floating-point type: SLM_F32 or SLM_BF16.
    var code: Int32 {
        require(self == .float32 || self == .bfloat16, "expected f32 or bf16, found \(rawValue)")
        return self == .float32 ? 0 : 1
    }
}
