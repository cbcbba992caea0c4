import Glibc
import Kernels
import TestSupport
import Testing

/// Operations along rows: norms, softmax, cross-entropy, embedding lookup.
@Suite struct RowTests {
    static let shapes = [(0, 3), (1, 1), (3, 17), (17, 33), (5, 65), (40, 3)]

    @Test(arguments: ProcessorVariant.all, [true, false])
    func `the norm of a row has the same bits alone and among others`(variant: ProcessorVariant, isCentered: Bool) throws {
        let p = try variant.processor()
        for (N, C) in Self.shapes + [(37, 12), (37, 28)] {
            let x = TestRandom.numbers(N * C, seed: 1), w = p.buffer(TestRandom.numbers(C, seed: 2))
            func norm(_ rows: Range<Int>) -> [Float] {
                let N = rows.count, y = p.buffer(of: N * C, .float32), statistics = p.buffer(of: 2 * N, .float32)
                p.norm(
                    p.buffer(Array(x[rows.lowerBound * C..<rows.upperBound * C])), N: N, C: C, scale: w, shift: isCentered ? w : nil,
                    into: y, mean: isCentered ? statistics[0..<N] : nil, rstd: statistics[N..<2 * N], epsilon: 1e-5)
                return p.floats(y)
            }
            let together = norm(0..<N)
            for n in 0..<N { expectSame(norm(n..<n + 1), Array(together[n * C..<(n + 1) * C]), "row \(n) of [\(N), \(C)]") }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `cross-entropy agrees with reference loops and skips ignored targets`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (N, V) in [(0, 3), (1, 1), (3, 17), (17, 33), (5, 65), (4, 3_001)] {
            for ignored in [[], [0], Array(0..<N)] {
                let x = TestRandom.numbers(N * V, seed: 1).map { 4 * $0 }
                let targets = (0..<N).map { Int32(ignored.contains($0) ? -1 : ($0 * 7 + V - 1) % V) }
                let log = referenceSoftmax(x, N: N, C: V, logarithm: true), logits = p.buffer(x), losses = p.buffer(of: N, .float32)
                let hits = p.buffer(of: N, .int32)
                let expected = (0..<N * V).map { i in
                    targets[i / V] < 0 ? 0 : 0.25 * (exp(log[i]) - (Int(targets[i / V]) == i % V ? 1 : 0))
                }
                for type in [DataType.float32, .bfloat16] {
                    let d = p.buffer(of: N * V, type)
                    p.crossEntropy(logits, N: N, V: V, targets: p.ids(targets), losses: losses, hits: hits, gradient: d, scale: 0.25)
                    expectClose(p.floats(losses), (0..<N).map { targets[$0] < 0 ? 0 : -log[$0 * V + Int(targets[$0])] }, within: .forward)
                    expectClose(p.floats(d), expected, within: type == .float32 ? .forward : .stored, "gradient of [\(N), \(V)]")
                }
                let best = (0..<N).map { n -> Int32 in
                    let row = Array(x[n * V..<(n + 1) * V])
                    return Int32(row.firstIndex(of: row.max() ?? 0) ?? 0)
                }
                let expectedHits: [Int32] = (0..<N).map { best[$0] == targets[$0] ? 1 : 0 }
                #expect(hits.integers == expectedHits)
                p.crossEntropy(logits, N: N, V: V, targets: p.ids(targets), losses: nil, gradient: logits, scale: 0.25)
                expectClose(p.floats(logits), expected, within: .forward, "gradient in place")
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `only the first of the largest logits is a hit, and NaN is none`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), V = 37
        for top in [0, 5, 16, 36] {
            for target in 0..<V {
                var x = TestRandom.numbers(3 * V, seed: 2)
                for i in top..<V { x[i] = 3 }                                  // the first row has many equal logits
                x[V + top] = 3                                                // the second row has one largest logit
                x[2 * V + top] = .nan
                let hits = p.buffer(of: 3, .int32)
                p.crossEntropy(
                    p.buffer(x), N: 3, V: V, targets: p.ids([Int32](repeating: Int32(target), count: 3)), losses: nil, hits: hits,
                    gradient: nil, scale: 1)
                let actual = hits.integers, isTop: Int32 = target == top ? 1 : 0
                #expect(actual[0] == isTop && actual[1] == isTop && (target != top || actual[2] == 0), "\(target), \(top)")
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `huge logits give finite losses`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), V = 33
        for size in [Float(1e4), 1e30, 3e38] {
            var x = [Float](repeating: -size, count: 2 * V)
            x[3] = size
            x[V + 32] = size
            let losses = p.buffer(of: 2, .float32), d = p.buffer(of: 2 * V, .float32), y = p.buffer(of: 2 * V, .float32)
            p.crossEntropy(p.buffer(x), N: 2, V: V, targets: p.ids([3, 32]), losses: losses, gradient: d, scale: 1)
            #expect(p.floats(losses) == [0, 0])
            #expect(p.floats(d).allSatisfy { $0 == 0 })
            p.softmax(p.buffer(x), N: 2, C: V, into: y, logarithm: false)
            expectSame(p.floats(y), x.map { $0 > 0 ? 1 : 0 })
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `NaN and infinity stay in their row`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), C = 19
        for special in [Float.nan, .infinity, -.infinity] {
            for column in [0, 18] {
                let clean = TestRandom.numbers(3 * C, seed: 1)
                var x = clean
                x[C + column] = special
                let y = p.buffer(of: 3 * C, .float32), losses = p.buffer(of: 3, .float32), rstd = p.buffer(of: 3, .float32)
                let mean = p.buffer(of: 3, .float32)
                p.softmax(p.buffer(x), N: 3, C: C, into: y, logarithm: false)
                expectClose(p.floats(y), referenceSoftmax(x, N: 3, C: C, logarithm: false), within: .forward, "softmax of \(special)")
                p.crossEntropy(p.buffer(x), N: 3, V: C, targets: p.ids([1, 2, 3]), losses: losses, gradient: nil, scale: 1)
                let log = referenceSoftmax(x, N: 3, C: C, logarithm: true)
                expectClose(p.floats(losses), [-log[1], -log[C + 2], -log[2 * C + 3]], within: .forward, "cross-entropy of \(special)")
                p.norm(p.buffer(x), N: 3, C: C, scale: p.buffer([Float](repeating: 1, count: C)), shift: nil,
                       into: y, mean: mean, rstd: rstd, epsilon: 1e-5)
                let actual = p.floats(y)
                #expect(actual[C..<2 * C].allSatisfy(\.isNaN) && (actual[..<C] + actual[(2 * C)...]).allSatisfy(\.isFinite))
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `embedding lookup is exact, and its gradient sums rows in order`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (N, C, V) in [(0, 3, 2), (1, 1, 1), (33, 17, 5), (200, 65, 7), (65, 3, 1)] {
            let T = max(1, N / 3), ids = (0..<N).map { Int32(($0 * $0 + 3) % V) }
            let table = TestRandom.numbers(V * C, seed: 1), positions = TestRandom.numbers((T + 2) * C, seed: 2),
                dy = TestRandom.numbers(N * C, seed: 3)
            for type in [DataType.float32, .bfloat16] {
                let y = p.buffer(of: N * C, .float32), stored = table.map { type == .bfloat16 ? rounded($0) : $0 }
                p.embed(p.ids(ids), table: p.buffer(table, type), C: C, plus: nil, period: 1, into: y)
                expectSame(p.floats(y), (0..<N * C).map { stored[Int(ids[$0 / C]) * C + $0 % C] })
                p.embed(p.ids(ids), table: p.buffer(table, type), C: C, plus: p.buffer(positions), period: T, into: y)
                expectSame(p.floats(y), (0..<N * C).map { stored[Int(ids[$0 / C]) * C + $0 % C] + positions[$0 / C % T * C + $0 % C] })
                let gradients = dy.map { type == .bfloat16 ? rounded($0) : $0 }, sums = p.buffer(table)
                p.embedGradient(p.ids(ids), dy: p.buffer(dy, type), C: C, into: sums)
                var expected = table
                for i in 0..<N * C { expected[Int(ids[i / C]) * C + i % C] += gradients[i] }
                expectSame(p.floats(sums), expected)                  // summed in order: the same bits
            }
        }
    }
}

private func referenceSoftmax(_ x: [Float], N: Int, C: Int, logarithm: Bool) -> [Double] {
    (0..<N).flatMap { n in
        let row = x[n * C..<(n + 1) * C].map(Double.init), top = row.reduce(-.infinity) { max($0, $1) }
        let sum = row.reduce(0) { $0 + exp($1 - top) }
        return row.map { logarithm ? $0 - top - log(sum) : exp($0 - top) / sum }
    }
}
