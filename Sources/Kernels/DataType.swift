/// How the elements of a buffer are stored.
package enum DataType: String, Sendable {
    case float32 = "f32"
    /// The upper half of a `float32`: its range with 8 bits of significand.
    case bfloat16 = "bf16"
    /// Token ids and targets.
    case int32 = "i32"

    package var size: Int { self == .bfloat16 ? 2 : 4 }

    /// The kernels' own number for a type that can be computed with.
    var code: Int32 {
        require(self != .int32, "ids are looked up, not computed with")
        return self == .float32 ? 0 : 1
    }
}
