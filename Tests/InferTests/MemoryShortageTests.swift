import Infer
import Kernels
import Testing

/// Models that do not fit into the free memory.
@Suite struct MemoryShortageTests {
    @Test(arguments: [
        (4_000, 4_000, WeightPrecision.float32, 32.0, nil),
        (6_100, 4_000, .float32, 32, "the weights need 6.1 GB of memory in f32, and 4.0 GB are free: use --dtype bf16 (3.0 GB)."),
        (6_100, 2_000, .float32, 32, "the weights need 6.1 GB of memory in f32, and 2.0 GB are free: use --dtype int8 (1.6 GB)."),
        (6_100, 1_100, .bfloat16, 16, "the weights need 6.1 GB of memory in bf16, and 1.1 GB are free: use a smaller model."),
        (800, 600, .int8, 8.5, "the weights need 800 MB of memory in int8, and 600 MB are free: use --dtype int4 (517 MB)."),
        (5_000, 4_000, .int4, 5, "the weights need 5.0 GB of memory in int4, and 4.0 GB are free: use a smaller model."),
    ] as [(Int, Int, WeightPrecision, Double, String?)])
    func `a model is refused with the data type that fits`(
        needed: Int, free: Int, precision: WeightPrecision, bits: Double, expected: String?
    ) {
        let shortage = MemoryShortage(
            needed: needed * 1_000_000, free: free * 1_000_000, precision: precision, bitsPerWeight: bits)
        #expect(shortage?.description == expected)
    }
}
