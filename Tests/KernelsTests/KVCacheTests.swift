import Glibc
import Kernels
import TestSupport
import Testing

/// Attention over KV caches, against reference loops in f64.
@Suite struct KVCacheTests {
    private static let precisions: [WeightPrecision] = [.float32, .bfloat16, .int8]

    /// Causal attention: y [T, H·D] for rows qkv [T, 3·H·D]. `rounding` is applied to keys and values.
    private func attention(_ qkv: [Float], T: Int, H: Int, D: Int, rounding: (Float) -> Float) -> [Double] {
        let C = H * D
        var y = [Double](repeating: 0, count: T * C)
        for t in 0..<T {
            for h in 0..<H {
                let q = (0..<D).map { Double(qkv[t * 3 * C + h * D + $0]) }
                let scores = (0...t).map { s in
                    (0..<D).reduce(0.0) { $0 + q[$1] * Double(rounding(qkv[s * 3 * C + C + h * D + $1])) } / Double(D).squareRoot()
                }
                let top = scores.max() ?? 0, weights = scores.map { exp($0 - top) }, sum = weights.reduce(0, +)
                for d in 0..<D {
                    y[t * C + h * D + d] = (0...t).reduce(0.0) {
                        $0 + weights[$1] / sum * Double(rounding(qkv[$1 * 3 * C + 2 * C + h * D + d]))
                    }
                }
            }
        }
        return y
    }

    @Test(arguments: ProcessorVariant.all)
    func `cached attention agrees with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (T, H, D) in [(1, 1, 1), (5, 2, 3), (33, 2, 16), (70, 3, 34), (130, 1, 64), (20, 1, 129)] {
            let qkv = TestRandom.numbers(T * 3 * H * D, seed: UInt64(T)).map { 2 * $0 }
            for precision in Self.precisions {
                let cache = p.makeKVCache(layers: 2, heads: H, headWidth: D, capacity: T + 3, precision)
                let y = p.buffer(of: T * H * D, .float32)
                p.cachedAttention(p.buffer(qkv), rows: [.init(cache, from: 0, count: T)], layer: 1, into: y)
                let expected = attention(qkv, T: T, H: H, D: D) { precision == .bfloat16 ? rounded($0) : $0 }
                let tolerance = precision == .float32 ? Tolerance.gradient : .bfloat16Gradient
                expectClose(p.floats(y), expected, within: tolerance, terms: 2, "\((T, H, D)) \(precision)")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `bits do not depend on how a sequence is split into steps, nor on other sequences`(instructionSet: String) throws {
        let p = try Processor(threads: 3, cores: 3, instructionSet: instructionSet), T = 75, H = 2, D = 24, C = H * D
        let qkv = TestRandom.numbers(T * 3 * C, seed: 1), other = TestRandom.numbers(9 * 3 * C, seed: 2)
        for precision in Self.precisions {
            func makeCache() -> KVCache { p.makeKVCache(layers: 1, heads: H, headWidth: D, capacity: 80, precision) }
            let whole = p.buffer(of: T * C, .float32), original = makeCache()
            p.cachedAttention(p.buffer(qkv), rows: [.init(original, from: 0, count: T)], layer: 0, into: whole)
            let expected = p.floats(whole).map(\.bitPattern)
            let first = makeCache(), second = makeCache()
            var at = 0, actual: [UInt32] = []
            for count in [1, 1, 30, 1, 17, 2, 23] {
                let y = p.buffer(of: (9 + count) * C, .float32)
                p.cachedAttention(
                    p.buffer(other + qkv[at * 3 * C..<(at + count) * 3 * C]),
                    rows: [.init(second, from: 0, count: 9), .init(first, from: at, count: count)], layer: 0, into: y)
                actual += p.floats(y)[(9 * C)...].map(\.bitPattern)
                at += count
            }
            let same = actual == expected
            #expect(same, "\(precision)")
            // A copy of a cache continues like the original.
            let copy = makeCache()
            for count in [T - 1, 33, 7] {
                copy.clear()
                copy.copy(count, from: original)
                let rest = p.buffer(of: (T - count) * C, .float32)
                p.cachedAttention(
                    p.buffer(Array(qkv[count * 3 * C..<T * 3 * C])), rows: [.init(copy, from: count, count: T - count)], layer: 0,
                    into: rest)
                let isCopy = p.floats(rest).map(\.bitPattern) == Array(expected[(count * C)...])
                #expect(isCopy, "\(precision), \(count)")
            }
        }
    }
}
