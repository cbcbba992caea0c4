import Glibc
import Kernels
import TestSupport
import Testing

@Suite struct MatmulTests {
    /// 0, 1, odd, and one more than a vector, a panel and a row block of each instruction set.
    static let shapes = [(0, 3, 5), (3, 0, 5), (3, 5, 0), (1, 1, 1), (1, 17, 3), (3, 33, 17), (17, 65, 33), (65, 33, 3),
        (33, 1, 65), (13, 49, 2), (1, 9, 64)]

    @Test(arguments: ProcessorVariant.all + ProcessorVariant.libraries)
    func `results agree with reference loops for all layouts and types of the operands`(variant: ProcessorVariant) throws {
        try checkLayouts(variant)
    }

    @Test(.needsBFloat16, arguments: ProcessorVariant.bfloat16(of: ProcessorVariant.all + ProcessorVariant.libraries))
    func `results of bf16 matmul agree with reference loops for all layouts and types of the operands`(variant: ProcessorVariant) throws {
        try checkLayouts(variant)
    }

    private func checkLayouts(_ variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (M, N, K) in Self.shapes {
            for layout in 0..<8 {
                for type in [DataType.float32, .bfloat16] {
                    check(M, N, K, type: type, transposed: (layout & 1 > 0, layout & 2 > 0), padding: layout & 4 > 0 ? 3 : 0, on: p,
                          in: variant.precision)
                }
            }
        }
    }

    /// K longer than a block of the sum, N wider than a block of columns, M taller than a block of rows.
    @Test(arguments: ProcessorVariant.all + ProcessorVariant.libraries)
    func `results agree with reference loops when the matmul is split into blocks`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        checkBlocks(on: p, in: .float32)
        let made = MatmulSample(M: 5, N: 400, K: 3_001).matmul(storing: .float32, on: p) { $0.activation = .tanh }
        p.run(made.matmul, as: "test")           // its sum cannot be split
        // `terms` allows for the accuracy of the sums.
        expectClose(p.floats(made.c), made.expected.map { UnaryFunction.tanh.value($0) }, within: .forward, terms: 60)
    }

    @Test(.needsBFloat16, arguments: ProcessorVariant.bfloat16(of: ProcessorVariant.all + ProcessorVariant.libraries))
    func `results of bf16 matmul agree with reference loops when it is split into blocks`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        checkBlocks(on: p, in: .bfloat16)
        check(3, 530, 4_101, type: .bfloat16, transposed: (true, true), padding: 0, on: p, in: .bfloat16)
    }

    private func checkBlocks(on p: Processor, in precision: DataType) {
        for (M, N, K) in [(5, 33, 1_025), (3, 17, 4_099), (7, 1_100, 1_030), (150, 35, 1_030)] {
            check(M, N, K, type: .float32, transposed: (false, true), padding: 0, on: p, in: precision)
            check(M, N, K, type: .float32, transposed: (true, false), padding: 1, on: p, in: precision)
        }
    }

    @Test(arguments: ProcessorVariant.all + ProcessorVariant.libraries)
    func `fused operations agree with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (M, N, K) in [(1, 1, 1), (3, 17, 5), (17, 65, 33), (50, 33, 7)] {
            let sample = MatmulSample(M: M, N: N, K: K)
            for type in [DataType.float32, .bfloat16] {
                let tolerance = type == .float32 ? Tolerance.forward : .stored
                for f in UnaryFunction.allCases where f != .log && f != .sqrt && f != .exp {
                    for isPlain in [true, false] {
                        let bias = TestRandom.numbers(N, seed: 3), plus = TestRandom.numbers(M * N, seed: 4),
                            preActivation = p.buffer(of: M * N, type)
                        let (matmul, c, expected) = sample.matmul(storing: type, on: p) {
                            $0.scale = 0.5
                            $0.activation = f
                            $0.bias = p.buffer(bias)
                            if !isPlain {
                                $0.preActivation = preActivation
                                $0.plus = p.buffer(plus)
                            }
                        }
                        p.run(matmul, as: "test")
                        let u = expected.indices.map { expected[$0] * 0.5 + Double(bias[$0 % N]) }
                        let y = u.indices.map { f.value(u[$0]) + (isPlain ? 0 : Double(plus[$0])) }
                        expectClose(p.floats(c), y, within: tolerance, "\(f) into \(type)")
                        if !isPlain { expectClose(p.floats(preActivation), u, within: tolerance, "input of \(f)") }
                    }
                }
                let start = TestRandom.numbers(M * N, seed: 5)
                let (matmul, c, expected) = sample.matmul(storing: type, on: p, initial: start) {
                    $0.accumulates = true
                    $0.scale = -2
                }
                p.run(matmul, as: "test")
                let sums = expected.indices.map { Double(start[$0]) - 2 * expected[$0] }
                expectClose(p.floats(c), sums, within: tolerance, "added to \(type)")
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `plus may be the result buffer`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), plus = TestRandom.numbers(17 * 33, seed: 6)
        let residual = p.buffer(plus)
        let (sample, _, expected) = MatmulSample(M: 17, N: 33, K: 5).matmul(storing: .float32, on: p) { _ in }
        var matmul = Matmul(of: sample.a, sample.b, into: Matrix(residual, rows: 17, columns: 33))
        matmul.plus = residual
        p.run(matmul, as: "test")
        expectClose(p.floats(residual), expected.indices.map { expected[$0] + Double(plus[$0]) }, within: .forward)
    }

    @Test(arguments: ProcessorVariant.all + ProcessorVariant.libraries)
    func `a list of matmuls gives the same bits as single matmuls`(variant: ProcessorVariant) throws { try checkList(variant) }

    @Test(.needsBFloat16, arguments: ProcessorVariant.bfloat16(of: ProcessorVariant.all + ProcessorVariant.libraries))
    func `a list of bf16 matmuls gives the same bits as single matmuls`(variant: ProcessorVariant) throws { try checkList(variant) }

    private func checkList(_ variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (M, N, K) in [(0, 3, 5), (1, 1, 1), (17, 33, 3), (5, 65, 1_100)] {
            let made = (0..<7).map { i in
                MatmulSample(M: M, N: N, K: K, seed: UInt64(i)).matmul(storing: .float32, on: p) { $0.precision = variant.precision }
            }
            p.run(made.map(\.matmul), as: "test")
            let together = made.map { p.floats($0.c) }
            for one in made { p.run(one.matmul, as: "test") }
            expectSame(together, made.map { p.floats($0.c) }, "\(M) \(N) \(K)")
        }
        p.run([], as: "test")
    }

    @Test(arguments: Processor.instructionSets)
    func `bits do not depend on the number of threads`(instructionSet: String) throws { try checkThreads(instructionSet, .float32) }

    @Test(.needsBFloat16, arguments: KernelVariant.bfloat16InstructionSets)
    func `bits of bf16 matmul do not depend on the number of threads`(instructionSet: String) throws {
        try checkThreads(instructionSet, .bfloat16)
    }

    private func checkThreads(_ instructionSet: String, _ precision: DataType) throws {
        for (M, N, K) in [(1, 33, 17), (65, 97, 33), (150, 130, 1_100)] {
            let made = try [1, 2, 3].map { threads in
                let p = try Processor(threads: threads, cores: threads, instructionSet: instructionSet)
                let (matmul, c, _) = MatmulSample(M: M, N: N, K: K).matmul(storing: .float32, on: p) { $0.precision = precision }
                p.run(matmul, as: "test")
                let first = p.floats(c)
                p.run(matmul, as: "test")
                expectSame(p.floats(c), first, "second run")
                return first
            }
            expectSame(made[1], made[0], "\(M) \(N) \(K) on two threads")
            expectSame(made[2], made[0], "\(M) \(N) \(K) on three threads")
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `NaN and infinity propagate as in reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        var a = TestRandom.numbers(5 * 17, seed: 1)
        a[3] = .nan
        a[2 * 17 + 1] = .infinity
        a[4 * 17] = -.infinity
        let c = p.buffer(of: 5 * 33, .float32), b = (0..<17 * 33).map { Float($0 % 5 - 2) + 0.5 }
        let left = Matrix(p.buffer(a), rows: 5, columns: 17), right = Matrix(p.buffer(b), rows: 17, columns: 33)
        p.run(Matmul(of: left, right, into: Matrix(c, rows: 5, columns: 33)), as: "test")
        expectClose(p.floats(c), referenceMatmul(a, b, M: 5, N: 33, K: 17), within: .forward)
    }

    /// Checks a matmul of operands with NaN as padding. The padding of the result must not change.
    private func check(_ M: Int, _ N: Int, _ K: Int, type: DataType, transposed: (Bool, Bool), padding: Int, on p: Processor,
                       in precision: DataType, sourceLocation: SourceLocation = #_sourceLocation) {
        let round = { (x: Float) in type == .bfloat16 ? rounded(x) : x }
        let a = TestRandom.numbers(M * K, seed: 1).map(round), b = TestRandom.numbers(K * N, seed: 2).map(round)
        let left = operand(a, M, K, transposed: transposed.0, padding: padding, type, on: p)
        let right = operand(b, K, N, transposed: transposed.1, padding: padding, type, on: p)
        let expected =
            precision == .float32
            ? referenceMatmul(a, b, M: M, N: N, K: K) : referenceMatmul(a.map(rounded), b.map(rounded), M: M, N: N, K: K)
        let width = N + padding, c = p.buffer([Float](repeating: 7, count: M * width))
        var matmul = Matmul(of: left, right, into: Matrix(c, rows: M, columns: N, rowStride: width))
        matmul.precision = precision
        p.run(matmul, as: "test")
        let actual = p.floats(c)
        let what = "[\(M), \(K)]·[\(K), \(N)] of \(type) in \(precision), transposed \(transposed), padding \(padding)"
        expectClose((0..<M * N).map { actual[$0 / N * width + $0 % N] }, expected, within: .forward, what,
                    sourceLocation: sourceLocation)
        #expect((0..<M * width).allSatisfy { $0 % width < N || actual[$0] == 7 }, "\(what): wrote outside the result",
                sourceLocation: sourceLocation)
    }

    @Test(.needsBFloat16) func `where oneDNN has no bf16 matmul, slm's kernels multiply`() async {
        await #expect(processExitsWith: .success) {
            setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1)                   // read when the library is loaded
            let instructionSet = try #require(KernelVariant.bfloat16InstructionSets.first)
            let p = try Processor(threads: 1, instructionSet: instructionSet, blas: .onednn), c = p.buffer(of: 4, .float32)
            let ones = p.buffer([1, 1, 1, 1])
            var matmul = Matmul(
                of: Matrix(ones, rows: 2, columns: 2), Matrix(ones, rows: 2, columns: 2), into: Matrix(c, rows: 2, columns: 2))
            matmul.precision = .bfloat16
            p.run(matmul, as: "test")
            #expect(p.floats(c) == [2, 2, 2, 2])
        }
    }
}

/// A·B in f64.
func referenceMatmul(_ a: [Float], _ b: [Float], M: Int, N: Int, K: Int) -> [Double] {
    var c = [Double](repeating: 0, count: M * N)
    for m in 0..<M {
        for k in 0..<K {
            let left = Double(a[m * K + k])
            for n in 0..<N { c[m * N + n] += left * Double(b[k * N + n]) }
        }
    }
    return c
}

/// A matrix with `padding` NaNs behind each stored row; if `transposed`, it is stored column by column.
private func operand(
    _ values: [Float], _ rows: Int, _ columns: Int, transposed: Bool, padding: Int, _ type: DataType, on p: Processor
) -> Matrix {
    let tall = transposed ? columns : rows, wide = transposed ? rows : columns, stride = wide + padding
    var stored = [Float](repeating: .nan, count: tall * stride)
    for i in 0..<tall { for j in 0..<wide { stored[i * stride + j] = transposed ? values[j * columns + i] : values[i * columns + j] } }
    let matrix = Matrix(p.buffer(stored, type), rows: tall, columns: wide, rowStride: stride)
    return transposed ? matrix.transposed : matrix
}

/// Two random matrices and their reference product.
private struct MatmulSample {
    let M, N, K: Int
    let a, b: [Float]

    init(M: Int, N: Int, K: Int, seed: UInt64 = 1) {
        self.M = M
        self.N = N
        self.K = K
        a = TestRandom.numbers(M * K, seed: 10 + seed)
        b = TestRandom.numbers(K * N, seed: 20 + seed)
    }

    func matmul(storing type: DataType, on p: Processor, initial: [Float]? = nil, _ configure: (inout Matmul) -> Void)
        -> (matmul: Matmul, c: Buffer, expected: [Double]) {
        let c = initial.map { p.buffer($0, type) } ?? p.buffer(of: M * N, type)
        var made = Matmul(of: Matrix(p.buffer(a), rows: M, columns: K), Matrix(p.buffer(b), rows: K, columns: N),
            into: Matrix(c, rows: M, columns: N))
        configure(&made)
        return (made, c, referenceMatmul(a, b, M: M, N: N, K: K))
    }
}

extension TestRandom {
    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var random = TestRandom(seed)
        return random.numbers(count)
    }
}
