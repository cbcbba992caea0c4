internal import CKernels

// What the machine can do at most: what a profile holds its operations against.
extension Processor {
    /// Floating-point operations a second of the innermost loop of a product, its data in the first-level cache.
    package func peak(in type: DataType) -> Double {
        let rounds = 20_000
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { pool.run { _ in table.peak(type.code, rounds) } }) }
        return Double(rounds * threads) * Double(table.peak_flops) * (type == .bfloat16 ? 2 : 1) / best
    }

    /// Bytes a second when each thread reads more than the caches hold.
    package func bandwidth() -> Double {
        let count = 64 << 20      // 256 MB of f32
        let x = zeros(count), total = buffer(of: threads, .float32)
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { sum(x, outer: threads, R: count / threads, inner: 1, into: total) }) }
        return Double(count * 4) / best
    }
}
