import Glibc
import Kernels
import TestSupport
import Testing

/// Attention over KV caches, against reference loops in f64.
@Suite struct KVCacheTests {
    private static let precisions: [WeightPrecision] = [.float32, .bfloat16, .int8]

    /// Causal attention: y [T, H·D] for rows qkv [T, (H + 2K)·D]. `rounding` is applied to keys and values.
    private func attention(
        _ qkv: [Float], T: Int, _ heads: AttentionHeads, sinks: [Float]? = nil, rounding: (Float) -> Float
    ) -> [Double] {
        let C = heads.queryWidth, D = heads.width, row = heads.rowWidth
        var y = [Double](repeating: 0, count: T * C)
        for t in 0..<T {
            for h in 0..<heads.queries {
                let key = C + h / (heads.queries / heads.keys) * D, value = key + heads.keyWidth, low = max(0, t + 1 - (heads.window ?? T))
                let q = (0..<D).map { Double(qkv[t * row + h * D + $0]) }
                let scores = (low...t).map { s in
                    let score = (0..<D).reduce(0.0) { $0 + q[$1] * Double(rounding(qkv[s * row + key + $1])) } * Double(heads.scale)
                    return heads.scoreCap.map { Double($0) * tanh(score / Double($0)) } ?? score
                }
                let top = scores.max() ?? 0, weights = scores.map { exp($0 - top) }
                let sum = weights.reduce(0, +) + (sinks.map { exp(Double($0[h]) - top) } ?? 0)
                for d in 0..<D {
                    y[t * C + h * D + d] = (low...t).reduce(0.0) {
                        $0 + weights[$1 - low] / sum * Double(rounding(qkv[$1 * row + value + d]))
                    }
                }
            }
        }
        return y
    }

    @Test(arguments: ProcessorVariant.all)
    func `cached attention agrees with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        let cases: [(T: Int, AttentionHeads)] = [
            (1, .init(1, width: 1)), (5, .init(2, width: 3)), (33, .init(2, width: 16)), (70, .init(3, width: 34)),
            (130, .init(1, width: 64)),
            (20, .init(1, width: 129)), (40, .init(6, keys: 2, width: 16)), (150, .init(4, keys: 1, width: 32, scale: 0.1, window: 37)),
            (100, .init(2, width: 8, window: 1)), (90, .init(4, keys: 2, width: 20, window: 64)),
            (75, .init(4, keys: 2, width: 20, scoreCap: 1.5)), (90, .init(2, width: 40, scale: 0.2, scoreCap: 0.5, window: 30)),
        ]
        for (T, heads) in cases {
            let qkv = TestRandom.numbers(T * heads.rowWidth, seed: UInt64(T)).map { 2 * $0 }
            let sinks = !variant.usesGPU ? [nil, TestRandom.numbers(heads.queries, seed: 3).map { 4 * $0 }] : [nil]
            for (precision, sinks) in Self.precisions.flatMap({ precision in sinks.map { (precision, $0) } }) {
                let cache = p.makeKVCache(layers: 2, heads: heads.keys, headWidth: heads.width, capacity: T + 3, precision)
                let y = p.buffer(of: T * heads.queryWidth, .float32)
                p.cachedAttention(
                    p.buffer(qkv), heads, rows: [.init(cache, from: 0, count: T)], layer: 1, sinks: sinks.map { p.buffer($0) }, into: y)
                let expected = attention(qkv, T: T, heads, sinks: sinks) { precision == .bfloat16 ? rounded($0) : $0 }
                let tolerance = precision == .float32 ? Tolerance.gradient : .bfloat16Gradient
                expectClose(p.floats(y), expected, within: tolerance, terms: 2, "\(T) positions, \(heads), \(precision), \(sinks ?? [])")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `bits do not depend on how a sequence is split into steps, nor on other sequences`(instructionSet: String) throws {
        let p = try Processor(threads: 3, cores: 3, instructionSet: instructionSet), T = 75
        let sliding = AttentionHeads(4, keys: 2, width: 24, window: 20)
        let variants = [AttentionHeads(2, width: 24), sliding, AttentionHeads(3, keys: 1, width: 8)]
        for (heads, precision) in variants.flatMap({ heads in Self.precisions.map { (heads, $0) } }) {
            let C = heads.queryWidth, row = heads.rowWidth
            let qkv = TestRandom.numbers(T * row, seed: 1), other = TestRandom.numbers(9 * row, seed: 2)
            func makeCache() -> KVCache { p.makeKVCache(layers: 1, heads: heads.keys, headWidth: heads.width, capacity: 80, precision) }
            let whole = p.buffer(of: T * C, .float32), original = makeCache()
            p.cachedAttention(p.buffer(qkv), heads, rows: [.init(original, from: 0, count: T)], layer: 0, into: whole)
            let expected = p.floats(whole).map(\.bitPattern)
            let first = makeCache(), second = makeCache()
            var at = 0, actual: [UInt32] = []
            for count in [1, 1, 30, 1, 17, 2, 23] {
                let y = p.buffer(of: (9 + count) * C, .float32)
                p.cachedAttention(
                    p.buffer(other + qkv[at * row..<(at + count) * row]), heads,
                    rows: [.init(second, from: 0, count: 9), .init(first, from: at, count: count)], layer: 0, into: y)
                actual += p.floats(y)[(9 * C)...].map(\.bitPattern)
                at += count
            }
            let same = actual == expected
            #expect(same, "\(heads) \(precision)")
            // A sequence without rows changes nothing for one with two.
            let two = p.buffer(of: 2 * C, .float32)
            let rows = [CachedRows(makeCache(), from: 0, count: 0), CachedRows(makeCache(), from: 0, count: 2)]
            p.cachedAttention(p.buffer(Array(qkv[..<(2 * row)])), heads, rows: rows, layer: 0, into: two)
            #expect(p.floats(two).map(\.bitPattern) == Array(expected[..<(2 * C)]), "\(heads) \(precision)")
            // A copy of a cache continues like the original.
            let copy = makeCache()
            for count in [T - 1, 33, 7] {
                copy.clear()
                copy.copy(count, from: original)
                let rest = p.buffer(of: (T - count) * C, .float32)
                p.cachedAttention(
                    p.buffer(Array(qkv[count * row..<T * row])), heads, rows: [.init(copy, from: count, count: T - count)], layer: 0,
                    into: rest)
                let isCopy = p.floats(rest).map(\.bitPattern) == Array(expected[(count * C)...])
                #expect(isCopy, "\(heads) \(precision), \(count)")
            }
        }
    }
}
