internal import CKernels

// The machine's peak performance, to which profiles compare operations.
extension Processor {
    /// Peak FLOP/s: those of the innermost loop of a matmul, with data in the first-level cache.
    package func peak(in type: DataType) -> Double {
        require(type == .float32 || table.has_native_bf16, "peak: \(instructionSet) kernels do not support bf16 matmul")
        let rounds = 20_000
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { pool.run { _ in table.peak(type.code, rounds) } }) }
        return Double(rounds * threads) * Double(table.peak_flops) * (type == .bfloat16 ? 2 : 1) / best
    }

    /// Memory bandwidth in bytes per second, reading more than the caches hold.
    package func bandwidth() -> Double {
        let count = 64 << 20      // 256 MB of f32
        let x = zeros(count), total = buffer(of: concurrency, .float32)
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { sum(x, outer: concurrency, R: count / concurrency, inner: 1, into: total) }) }
        return Double(count * 4) / best
    }
}
