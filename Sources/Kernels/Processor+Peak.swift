internal import CKernels

// The machine's peak performance, to which profiles compare operations.
extension Processor {
    /// Peak FLOP/s: those of the innermost loop of a matmul, with data in the first-level cache.
    package func peak(in type: DataType) -> Double {
        if let gpu { return peak(of: gpu, in: type) }
        require(type == .float32 || table.has_native_bf16, "peak: \(instructionSet) kernels do not support bf16 matmul")
        let rounds = 20_000
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { pool.run { _ in table.peak(type.code, rounds) } }) }
        return Double(rounds * threads) * Double(table.peak_flops(type.code)) / best
    }

    /// Memory bandwidth in bytes per second, reading more than the caches hold.
    package func bandwidth() -> Double {
        let count = 64 << 20      // 256 MB of f32
        let x = zeros(count)
        if let gpu {
            return Double(count * 4) / fastest(on: gpu) { clear(x) }
        }
        let total = buffer(of: concurrency, .float32)
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, measureSeconds { sum(x, outer: concurrency, R: count / concurrency, inner: 1, into: total) }) }
        return Double(count * 4) / best
    }

    /// FLOP/s of a large matmul on a device.
    private func peak(of gpu: GPU, in type: DataType) -> Double {
        let n = gpu.device.kind == .software ? 256 : 4_096
        let a = Matrix(zeros(n * n, type), rows: n, columns: n), c = Matrix(zeros(n * n), rows: n, columns: n)
        var matmul = Matmul(of: a, a.transposed, into: c)
        matmul.precision = type
        return Double(matmul.flops) / fastest(on: gpu) { run(matmul, as: "peak") }
    }

    /// The shortest time of work on a device.
    private func fastest(on gpu: GPU, _ work: () -> Void) -> Double {
        var best = Double.infinity
        for _ in 0..<4 {
            gpu.finish()
            best = min(best, measureSeconds {
                work()
                gpu.finish()
            })
        }
        return best
    }
}
