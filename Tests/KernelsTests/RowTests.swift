import Glibc
import Kernels
import TestSupport
import Testing

/// What works along rows: norms, softmax, cross-entropy, tables.
@Suite struct Rows {
    static let shapes = [(0, 3), (1, 1), (3, 17), (17, 33), (5, 65), (40, 3)]

    @Test(arguments: Machine.all, [true, false])
    func `norms and their gradients agree with plain loops`(machine: Machine, isCentered: Bool) throws {
        let p = try machine.processor()
        for (N, C) in Self.shapes {
            for types in [(DataType.float32, DataType.float32), (.float32, .bfloat16), (.bfloat16, .bfloat16)] {
                let x = TestRandom.numbers(N * C, seed: 1).map { $0 + 0.5 }.map { types.0 == .bfloat16 ? rounded($0) : $0 }
                let w = TestRandom.numbers(C, seed: 2), b = TestRandom.numbers(C, seed: 3)
                let dy = TestRandom.numbers(N * C, seed: 4).map { types.1 == .bfloat16 ? rounded($0) : $0 },
                    old = TestRandom.numbers(N * C, seed: 5)
                let wanted = plainNorm(x, w, isCentered ? b : [], dy, N: N, C: C, isCentered: isCentered)
                let near = types.1 == .float32 ? Tolerance.gradient : .stored, what = "[\(N), \(C)] \(types)"

                let y = p.buffer(of: N * C, types.1), mean = isCentered ? p.buffer(of: N, .float32) : nil, rstd = p.buffer(of: N, .float32)
                let input = p.buffer(x, types.0), scale = p.buffer(w)
                p.norm(
                    input, N: N, C: C, scale: scale, shift: isCentered ? p.buffer(b) : nil, into: y, mean: mean, rstd: rstd, epsilon: 1e-3)
                expectClose(p.floats(y), wanted.y, within: types.1 == .float32 ? .forward : .stored, "y \(what)")

                for adding in [false, true] {
                    let dx = p.buffer(old, types.0), dw = p.buffer(w), db = p.buffer(b)
                    p.normGradient(dy: p.buffer(dy, types.1), x: input, N: N, C: C, scale: scale, mean: mean, rstd: rstd,
                                   dx: dx, adding: adding, dw: dw, db: db)
                    // A mean of few numbers leaves little of dy: the error is of the size of what cancels, times rstd ≤ 32.
                    expectClose(p.floats(dx), wanted.dx.indices.map { wanted.dx[$0] + (adding ? Double(old[$0]) : 0) },
                               within: near, terms: 8, "dx \(what)")
                    expectClose(p.floats(dw), wanted.dw.indices.map { wanted.dw[$0] + Double(w[$0]) }, within: near, terms: 8, "dw \(what)")
                    expectClose(p.floats(db), wanted.db.indices.map { wanted.db[$0] + Double(b[$0]) }, within: near, terms: 8, "db \(what)")
                }
            }
        }
    }

    @Test(arguments: Machine.all, [true, false])
    func `softmax and its gradient agree with plain loops`(machine: Machine, logarithm: Bool) throws {
        let p = try machine.processor()
        for (N, C) in Self.shapes + [(3, 5_000)] {
            let x = TestRandom.numbers(N * C, seed: 1).map { 5 * $0 }, dy = TestRandom.numbers(N * C, seed: 2),
                old = TestRandom.numbers(N * C, seed: 3)
            let y = plainSoftmax(x, N: N, C: C, logarithm: logarithm), out = p.buffer(of: N * C, .float32)
            p.softmax(p.buffer(x), N: N, C: C, into: out, logarithm: logarithm)
            expectClose(p.floats(out), y, within: .forward, "[\(N), \(C)]")
            let narrow = p.buffer(of: N * C, .bfloat16)
            p.softmax(p.buffer(x), N: N, C: C, into: narrow, logarithm: logarithm)
            expectClose(p.floats(narrow), y, within: .stored, "[\(N), \(C)] as bf16")
            var dx = [Double](repeating: 0, count: N * C)
            for n in 0..<N {
                let row = n * C..<(n + 1) * C, sum = row.reduce(0) { $0 + Double(dy[$1]) * (logarithm ? 1 : y[$1]) }
                for i in row { dx[i] = logarithm ? Double(dy[i]) - exp(y[i]) * sum : y[i] * (Double(dy[i]) - sum) }
            }
            for adding in [false, true] {
                let target = p.buffer(old)
                p.softmaxGradient(dy: p.buffer(dy), y: out, N: N, C: C, dx: target, logarithm: logarithm, adding: adding)
                expectClose(p.floats(target), dx.indices.map { dx[$0] + (adding ? Double(old[$0]) : 0) }, within: .forward, "[\(N), \(C)]")
            }
        }
    }

    @Test(arguments: Machine.all)
    func `cross-entropy agrees with plain loops, and leaves out what is ignored`(machine: Machine) throws {
        let p = try machine.processor()
        for (N, V) in [(0, 3), (1, 1), (3, 17), (17, 33), (5, 65), (4, 3_001)] {
            for ignored in [[], [0], Array(0..<N)] {
                let x = TestRandom.numbers(N * V, seed: 1).map { 4 * $0 }
                let targets = (0..<N).map { Int32(ignored.contains($0) ? -1 : ($0 * 7 + V - 1) % V) }
                let log = plainSoftmax(x, N: N, C: V, logarithm: true), scores = p.buffer(x), losses = p.buffer(of: N, .float32)
                let hits = p.buffer(of: N, .int32),
                    wanted = (0..<N * V).map { i in targets[i / V] < 0 ? 0 : 0.25 * (exp(log[i]) - (Int(targets[i / V]) == i % V ? 1 : 0)) }
                for type in [DataType.float32, .bfloat16] {
                    let d = p.buffer(of: N * V, type)
                    p.crossEntropy(scores, N: N, V: V, targets: p.ids(targets), losses: losses, hits: hits, gradient: d, scale: 0.25)
                    expectClose(p.floats(losses), (0..<N).map { targets[$0] < 0 ? 0 : -log[$0 * V + Int(targets[$0])] }, within: .forward)
                    expectClose(p.floats(d), wanted, within: type == .float32 ? .forward : .stored, "gradient of [\(N), \(V)]")
                }
                let best = (0..<N).map { n -> Int32 in
                    let row = Array(x[n * V..<(n + 1) * V])
                    return Int32(row.firstIndex(of: row.max() ?? 0) ?? 0)
                }
                let wantedHits: [Int32] = (0..<N).map { best[$0] == targets[$0] ? 1 : 0 }
                #expect(hits.integers == wantedHits)
                p.crossEntropy(scores, N: N, V: V, targets: p.ids(targets), losses: nil, gradient: scores, scale: 0.25)
                expectClose(p.floats(scores), wanted, within: .forward, "gradient in the scores' own place")
            }
        }
    }

    @Test(arguments: Machine.all)
    func `the first of the largest scores is the likeliest, and NaN is none`(machine: Machine) throws {
        let p = try machine.processor(), V = 37
        for top in [0, 5, 16, 36] {
            for target in 0..<V {
                var x = TestRandom.numbers(3 * V, seed: 2)
                for place in top..<V { x[place] = 3 }                          // the first row: many alike
                x[V + top] = 3                                                // the second: one
                x[2 * V + top] = .nan
                let hits = p.buffer(of: 3, .int32)
                p.crossEntropy(
                    p.buffer(x), N: 3, V: V, targets: p.ids([Int32](repeating: Int32(target), count: 3)), losses: nil, hits: hits,
                    gradient: nil, scale: 1)
                let found = hits.integers, isTop: Int32 = target == top ? 1 : 0
                #expect(found[0] == isTop && found[1] == isTop && (target != top || found[2] == 0), "\(target), \(top)")
            }
        }
    }

    @Test(arguments: Machine.all)
    func `huge scores give finite losses`(machine: Machine) throws {
        let p = try machine.processor(), V = 33
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

    @Test(arguments: Machine.all)
    func `NaN and infinity stay in their row`(machine: Machine) throws {
        let p = try machine.processor(), C = 19
        for poison in [Float.nan, .infinity, -.infinity] {
            for place in [0, 18] {
                let clean = TestRandom.numbers(3 * C, seed: 1)
                var x = clean
                x[C + place] = poison
                let y = p.buffer(of: 3 * C, .float32), losses = p.buffer(of: 3, .float32), rstd = p.buffer(of: 3, .float32)
                let mean = p.buffer(of: 3, .float32)
                p.softmax(p.buffer(x), N: 3, C: C, into: y, logarithm: false)
                expectClose(p.floats(y), plainSoftmax(x, N: 3, C: C, logarithm: false), within: .forward, "softmax of \(poison)")
                p.crossEntropy(p.buffer(x), N: 3, V: C, targets: p.ids([1, 2, 3]), losses: losses, gradient: nil, scale: 1)
                let log = plainSoftmax(x, N: 3, C: C, logarithm: true)
                expectClose(p.floats(losses), [-log[1], -log[C + 2], -log[2 * C + 3]], within: .forward, "cross-entropy of \(poison)")
                p.norm(p.buffer(x), N: 3, C: C, scale: p.buffer([Float](repeating: 1, count: C)), shift: nil,
                       into: y, mean: mean, rstd: rstd, epsilon: 1e-5)
                let found = p.floats(y)
                #expect(found[C..<2 * C].allSatisfy(\.isNaN) && (found[..<C] + found[(2 * C)...]).allSatisfy(\.isFinite))
            }
        }
    }

    @Test(arguments: Machine.all)
    func `tables are looked up, and their gradients summed in order`(machine: Machine) throws {
        let p = try machine.processor()
        for (N, C, V) in [(0, 3, 2), (1, 1, 1), (33, 17, 5), (200, 65, 7), (65, 3, 1)] {
            let T = max(1, N / 3), ids = (0..<N).map { Int32(($0 * $0 + 3) % V) }
            let table = TestRandom.numbers(V * C, seed: 1), places = TestRandom.numbers((T + 2) * C, seed: 2),
                dy = TestRandom.numbers(N * C, seed: 3)
            for type in [DataType.float32, .bfloat16] {
                let y = p.buffer(of: N * C, .float32), stored = table.map { type == .bfloat16 ? rounded($0) : $0 }
                p.embed(p.ids(ids), table: p.buffer(table, type), C: C, plus: nil, period: 1, into: y)
                expectSame(p.floats(y), (0..<N * C).map { stored[Int(ids[$0 / C]) * C + $0 % C] })
                p.embed(p.ids(ids), table: p.buffer(table, type), C: C, plus: p.buffer(places), period: T, into: y)
                expectSame(p.floats(y), (0..<N * C).map { stored[Int(ids[$0 / C]) * C + $0 % C] + places[$0 / C % T * C + $0 % C] })
                let slopes = dy.map { type == .bfloat16 ? rounded($0) : $0 }, sums = p.buffer(table)
                p.embedGradient(p.ids(ids), dy: p.buffer(dy, type), C: C, into: sums)
                var wanted = table
                for i in 0..<N * C { wanted[Int(ids[i / C]) * C + i % C] += slopes[i] }
                expectSame(p.floats(sums), wanted)                  // one number after the other: the very bits
            }
        }
    }
}

private func plainSoftmax(_ x: [Float], N: Int, C: Int, logarithm: Bool) -> [Double] {
    (0..<N).flatMap { n in
        let row = x[n * C..<(n + 1) * C].map(Double.init), top = row.reduce(-.infinity) { max($0, $1) }
        let sum = row.reduce(0) { $0 + exp($1 - top) }
        return row.map { logarithm ? $0 - top - log(sum) : exp($0 - top) / sum }
    }
}

private func plainNorm(_ x: [Float], _ w: [Float], _ b: [Float], _ dy: [Float], N: Int, C: Int, isCentered: Bool)
    -> (y: [Double], dx: [Double], dw: [Double], db: [Double]) {
    var y: [Double] = [], dx: [Double] = [], dw = [Double](repeating: 0, count: C), db = dw
    for n in 0..<N {
        let row = x[n * C..<(n + 1) * C].map(Double.init), slopes = dy[n * C..<(n + 1) * C].map(Double.init)
        let mean = isCentered ? row.reduce(0, +) / Double(C) : 0
        let rstd = 1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(C) + 1e-3).squareRoot()
        let hat = row.map { ($0 - mean) * rstd }, g = slopes.indices.map { slopes[$0] * Double(w[$0]) }
        let meanG = isCentered ? g.reduce(0, +) / Double(C) : 0, meanGX = zip(g, hat).reduce(0) { $0 + $1.0 * $1.1 } / Double(C)
        for c in 0..<C {
            y.append(hat[c] * Double(w[c]) + (b.isEmpty ? 0 : Double(b[c])))
            dx.append(rstd * (g[c] - meanG - hat[c] * meanGX))
            dw[c] += slopes[c] * hat[c]
            db[c] += slopes[c]
        }
    }
    return (y, dx, dw, db)
}
