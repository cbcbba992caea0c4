import Kernels

/// How the frozen weights of an adapter's base are kept in memory.
enum BaseType: String, CaseIterable, OptionValue {
    case f32, bf16, int8, int6, int4

    var precision: WeightPrecision {
        switch self {
        case .f32: .float32
        case .bf16: .bfloat16
        case .int8: .int8
        case .int6: .int6
        case .int4: .int4
        }
    }
}
