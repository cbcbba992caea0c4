import Kernels
import TestSupport
import Testing

@Suite struct `Matrix products` {
    /// Nothing, one, odd, and one past a vector, a panel and a row block of each path.
    static let shapes = [(0, 3, 5), (3, 0, 5), (3, 5, 0), (1, 1, 1), (1, 17, 3), (3, 33, 17), (17, 65, 33), (65, 33, 3),
        (33, 1, 65), (13, 49, 2), (1, 9, 64)]

    @Test(arguments: Machine.all + Machine.libraries)
    func `agree with plain loops, whichever way their sides lie and are stored`(machine: Machine) throws {
        let p = try machine.processor()
        for (M, N, K) in Self.shapes {
            for sides in 0..<8 {
                for type in [DataType.float32, .bfloat16] {
                    check(M, N, K, type: type, across: (sides & 1 > 0, sides & 2 > 0), padding: sides & 4 > 0 ? 3 : 0, on: p)
                }
            }
        }
    }

    /// Longer than what is summed at a time, wider than a block of columns, taller than a block of rows.
    @Test(arguments: Machine.all + Machine.libraries)
    func `agree with plain loops when they are cut into blocks`(machine: Machine) throws {
        let p = try machine.processor()
        for (M, N, K) in [(5, 33, 1_025), (3, 17, 4_099), (7, 1_100, 1_030), (150, 35, 1_030)] {
            check(M, N, K, type: .float32, across: (false, true), padding: 0, on: p)
            check(M, N, K, type: .float32, across: (true, false), padding: 1, on: p)
        }
        if p.hasBFloat16 { check(3, 530, 4_101, type: .bfloat16, across: (true, true), padding: 0, on: p) }
        let made = Sample(M: 5, N: 400, K: 3_001).product(storing: .float32, on: p) { $0.activation = .tanh }
        p.multiply(made.product, as: "test")           // a sum that may not be cut
        expectClose(p.floats(made.c), made.wanted.map { UnaryFunction.tanh.value($0) }, within: .forward, terms: 60)   // the sums
    }

    @Test(arguments: Machine.all + Machine.libraries)
    func `do everything that is asked for on the way into the result`(machine: Machine) throws {
        let p = try machine.processor()
        for (M, N, K) in [(1, 1, 1), (3, 17, 5), (17, 65, 33), (50, 33, 7)] {
            let sample = Sample(M: M, N: N, K: K)
            for type in [DataType.float32, .bfloat16] {
                let near = type == .float32 ? Tolerance.forward : .stored
                for f in UnaryFunction.allCases where f != .log && f != .sqrt && f != .exp {
                    for plain in [true, false] {
                        let bias = TestRandom.numbers(N, seed: 3), plus = TestRandom.numbers(M * N, seed: 4),
                            before = p.buffer(of: M * N, type)
                        let (product, c, wanted) = sample.product(storing: type, on: p) {
                            $0.scale = 0.5
                            $0.activation = f
                            $0.bias = p.buffer(bias)
                            if !plain {
                                $0.before = before
                                $0.plus = p.buffer(plus)
                            }
                        }
                        p.multiply(product, as: "test")
                        let u = wanted.indices.map { wanted[$0] * 0.5 + Double(bias[$0 % N]) }
                        let y = u.indices.map { f.value(u[$0]) + (plain ? 0 : Double(plus[$0])) }
                        expectClose(p.floats(c), y, within: near, "\(f) into \(type)")
                        if !plain { expectClose(p.floats(before), u, within: near, "what goes into \(f)") }
                    }
                }
                let start = TestRandom.numbers(M * N, seed: 5)
                let (product, c, wanted) = sample.product(storing: type, on: p, beginning: start) {
                    $0.accumulates = true
                    $0.scale = -2
                }
                p.multiply(product, as: "test")
                expectClose(p.floats(c), wanted.indices.map { Double(start[$0]) - 2 * wanted[$0] }, within: near, "added to \(type)")
            }
        }
    }

    @Test(arguments: Machine.all)
    func `may add to the buffer that they write`(machine: Machine) throws {
        let p = try machine.processor(), plus = TestRandom.numbers(17 * 33, seed: 6)
        let residual = p.buffer(plus)
        let (sample, _, wanted) = Sample(M: 17, N: 33, K: 5).product(storing: .float32, on: p) { _ in }
        var product = Matmul(of: sample.a, sample.b, into: Matrix(residual, rows: 17, columns: 33))
        product.plus = residual
        p.multiply(product, as: "test")
        expectClose(p.floats(residual), wanted.indices.map { wanted[$0] + Double(plus[$0]) }, within: .forward)
    }

    @Test(arguments: Machine.all + Machine.libraries)
    func `in a list are the same as one by one`(machine: Machine) throws {
        let p = try machine.processor()
        for (M, N, K) in [(0, 3, 5), (1, 1, 1), (17, 33, 3), (5, 65, 1_100)] {
            for type in [DataType.float32] + (p.hasBFloat16 ? [.bfloat16] : []) {
                let made = (0..<7).map { i in
                    Sample(M: M, N: N, K: K, seed: UInt64(i)).product(storing: .float32, on: p) { $0.precision = type }
                }
                p.multiply(made.map(\.product), as: "test")
                let together = made.map { p.floats($0.c) }
                for one in made { p.multiply(one.product, as: "test") }
                expectSame(together, made.map { p.floats($0.c) }, "\(M) \(N) \(K) \(type)")
            }
        }
        p.multiply([], as: "test")
    }

    @Test(arguments: Processor.instructionSets)
    func `have the same bits for every number of threads`(path: String) throws {
        for (M, N, K) in [(1, 33, 17), (65, 97, 33), (150, 130, 1_100)] {
            let made = try [1, 2, 3].map { threads in
                let p = try Processor(threads: threads, instructionSet: path)
                return [DataType.float32, .bfloat16].filter { $0 == .float32 || p.hasBFloat16 }.map { type in
                    let (product, c, _) = Sample(M: M, N: N, K: K).product(storing: .float32, on: p) { $0.precision = type }
                    p.multiply(product, as: "test")
                    let first = p.floats(c)
                    p.multiply(product, as: "test")
                    expectSame(p.floats(c), first, "a second time")
                    return first
                }
            }
            expectSame(made[1], made[0], "\(M) \(N) \(K) on two threads")
            expectSame(made[2], made[0], "\(M) \(N) \(K) on three threads")
        }
    }

    @Test(arguments: Machine.all)
    func `carry NaN and infinity where plain loops do`(machine: Machine) throws {
        let p = try machine.processor()
        var a = TestRandom.numbers(5 * 17, seed: 1)
        a[3] = .nan
        a[2 * 17 + 1] = .infinity
        a[4 * 17] = -.infinity
        let c = p.buffer(of: 5 * 33, .float32), b = (0..<17 * 33).map { Float($0 % 5 - 2) + 0.5 }
        let left = Matrix(p.buffer(a), rows: 5, columns: 17), right = Matrix(p.buffer(b), rows: 17, columns: 33)
        p.multiply(Matmul(of: left, right, into: Matrix(c, rows: 5, columns: 33)), as: "test")
        expectClose(p.floats(c), plainProduct(a, b, M: 5, N: 33, K: 17), within: .forward)
    }

    /// Both sides lie as asked, with NaN in the gaps; the result has gaps of its own, which must stay.
    private func check(_ M: Int, _ N: Int, _ K: Int, type: DataType, across: (Bool, Bool), padding: Int, on p: Processor,
                       sourceLocation: SourceLocation = #_sourceLocation) {
        let round = { (x: Float) in type == .bfloat16 ? rounded(x) : x }
        let a = TestRandom.numbers(M * K, seed: 1).map(round), b = TestRandom.numbers(K * N, seed: 2).map(round)
        let left = side(a, M, K, across: across.0, padding: padding, type, on: p)
        let right = side(b, K, N, across: across.1, padding: padding, type, on: p)
        for precision in [DataType.float32] + (p.hasBFloat16 ? [.bfloat16] : []) {
            let wanted =
                precision == .float32
                ? plainProduct(a, b, M: M, N: N, K: K) : plainProduct(a.map(rounded), b.map(rounded), M: M, N: N, K: K)
            let width = N + padding, c = p.buffer([Float](repeating: 7, count: M * width))
            var product = Matmul(of: left, right, into: Matrix(c, rows: M, columns: N, rowStride: width))
            product.precision = precision
            p.multiply(product, as: "test")
            let found = p.floats(c)
            let what = "[\(M), \(K)]·[\(K), \(N)] of \(type) in \(precision), across \(across), padding \(padding)"
            expectClose((0..<M * N).map { found[$0 / N * width + $0 % N] }, wanted, within: .forward, what,
                        sourceLocation: sourceLocation)
            #expect((0..<M * width).allSatisfy { $0 % width < N || found[$0] == 7 }, "\(what): wrote beside the result",
                    sourceLocation: sourceLocation)
        }
    }
}

/// A·B in f64.
func plainProduct(_ a: [Float], _ b: [Float], M: Int, N: Int, K: Int) -> [Double] {
    var c = [Double](repeating: 0, count: M * N)
    for m in 0..<M {
        for k in 0..<K {
            let left = Double(a[m * K + k])
            for n in 0..<N { c[m * N + n] += left * Double(b[k * N + n]) }
        }
    }
    return c
}

/// Rows and columns with `padding` NaNs behind each row; `across` lies column by column.
private func side(_ values: [Float], _ rows: Int, _ columns: Int, across: Bool, padding: Int, _ type: DataType, on p: Processor) -> Matrix {
    let (tall, wide) = across ? (columns, rows) : (rows, columns), stride = wide + padding
    var stored = [Float](repeating: .nan, count: tall * stride)
    for i in 0..<tall { for j in 0..<wide { stored[i * stride + j] = across ? values[j * columns + i] : values[i * columns + j] } }
    let matrix = Matrix(p.buffer(stored, type), rows: tall, columns: wide, rowStride: stride)
    return across ? matrix.transposed : matrix
}

/// Two matrices with what their product should be.
private struct Sample {
    let M, N, K: Int
    let a, b: [Float]

    init(M: Int, N: Int, K: Int, seed: UInt64 = 1) {
        self.M = M
        self.N = N
        self.K = K
        a = TestRandom.numbers(M * K, seed: 10 + seed)
        b = TestRandom.numbers(K * N, seed: 20 + seed)
    }

    func product(storing type: DataType, on p: Processor, beginning: [Float]? = nil, _ asked: (inout Matmul) -> Void)
        -> (product: Matmul, c: Buffer, wanted: [Double]) {
        let c = beginning.map { p.buffer($0, type) } ?? p.buffer(of: M * N, type)
        var made = Matmul(of: Matrix(p.buffer(a), rows: M, columns: K), Matrix(p.buffer(b), rows: K, columns: N),
            into: Matrix(c, rows: M, columns: N))
        asked(&made)
        return (made, c, plainProduct(a, b, M: M, N: N, K: K))
    }
}

extension TestRandom {
    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var noise = TestRandom(seed)
        return noise.numbers(count)
    }
}
