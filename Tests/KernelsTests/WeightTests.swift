import Glibc
import Kernels
import TestSupport
import Testing

/// Packed and quantized weights, against reference loops in f64 over the rounded weights.
@Suite struct WeightTests {
    /// N rows, O outputs, I inputs.
    static let cases = [(N: 1, O: 1, I: 1), (2, 33, 5), (5, 31, 32), (13, 70, 100), (7, 64, 33), (29, 17, 64), (3, 130, 259)]

    /// The weights [O, I] that packed weights stand for: their product with the identity matrix, which no precision rounds.
    private func storedValues(of weights: PackedWeights, on p: Processor) -> [Double] {
        let O = weights.outputs, I = weights.inputs, y = p.buffer(of: I * O, .float32)
        let rows = p.buffer((0..<I * I).map { $0 / I == $0 % I ? 1 : 0 })
        p.packedMatmul(rows, rows: I, by: weights, into: y)
        let columns = p.floats(y)
        return (0..<O * I).map { Double(columns[$0 % I * O + $0 / I]) }
    }

    /// bf12 stores a bf16 weight in less than two bytes, unless neighboring exponents differ too much.
    @Test(.needsBFloat16, arguments: [("normal", true), ("outliers", true), ("tiny", true), ("huge", true), ("all exponents", false)])
    func `compressed bf16 weights are exact`(distribution: String, isCompressed: Bool) throws {
        let p = try Processor(threads: 2, instructionSet: KernelVariant.bfloat16InstructionSets.first), O = 130, I = 192
        let packed = p.pack(p.buffer(numbers(O * I, distribution, on: p)), outputs: O, inputs: I, as: .bfloat16)
        #expect((packed.byteCount < 2 * O * I) == isCompressed, "\(packed.byteCount) bytes")
        let rows = p.buffer(of: O * I, .float32)
        p.embed(p.ids((0..<Int32(O)).map { $0 }), in: packed, plus: nil, into: rows)
        let expected = numbers(O * I, distribution, on: p).map { rounded($0).bitPattern }
        let differing = zip(p.floats(rows).map(\.bitPattern), expected).enumerated().filter { $1.0 != $1.1 }
        #expect(differing.isEmpty, "\(differing.prefix(5))")
        // 0 · ∞ is NaN
        if distribution != "huge" { #expect(storedValues(of: packed, on: p) == expected.map { Double(Float(bitPattern: $0)) }) }
    }

    private func numbers(_ count: Int, _ distribution: String, on p: Processor) -> [Float] {
        let normal = p.buffer(of: count, .float32)
        p.normal(into: normal, seed: 3)
        var values = p.floats(normal)
        let outliers: [Float]
        switch distribution {
        case "outliers": outliers = [1e6, 1e-6, 0, -0.0, 1e30, -1e-30]
        case "tiny":
            values = values.map { $0 * 1e-33 }
            outliers = [0, -0.0]
        case "huge":
            values = values.map { $0 * 1e37 }
            outliers = [.infinity, -.infinity, -0.0]
        case "all exponents":
            values = values.indices.map { Float(sign: .plus, exponent: $0 * 7 % 200 - 100, significand: 1.5) }
            outliers = []
        default: outliers = []
        }
        for (i, value) in outliers.enumerated() { for index in stride(from: 77 + 331 * i, to: count, by: 3_000) { values[index] = value } }
        return values
    }

    @Test func `quantization has a small squared error`() throws {
        let p = try Processor(threads: 2), O = 256, I = 512
        let normal = p.buffer(of: O * I, .float32)
        p.normal(into: normal, seed: 3)
        let values = p.floats(normal), energy = values.reduce(0) { $0 + Double($1) * Double($1) }
        for (precision, maxLoss) in [(WeightPrecision.int8, 4e-5), (.int6, 4.5e-4), (.int4, 7e-3)] {
            let stored = storedValues(of: p.pack(normal, outputs: O, inputs: I, as: precision), on: p)
            let lost = zip(values, stored).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
            #expect(lost / energy < maxLoss, "\(precision.rawValue): \(lost / energy) of the energy is lost")
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `the bits of a row do not depend on other rows`(instructionSet: String) throws {
        let one = try Processor(threads: 1, instructionSet: instructionSet)
        let three = try Processor(threads: 3, cores: 3, instructionSet: instructionSet)
        let O = 77, rowCount = 199
        for (precision, I) in WeightPrecision.allCases.map({ ($0, 130) }) + [(.bfloat16, 192)] {
            let x = TestRandom.numbers(rowCount * I, seed: 1), values = numbers(O * I, "outliers", on: one)
            let weights = one.pack(one.buffer(values), outputs: O, inputs: I, as: precision)
            let sameWeights = three.pack(three.buffer(values), outputs: O, inputs: I, as: precision)
            let rows = (0..<rowCount).map { n in
                let y = one.buffer(of: O, .float32)
                one.packedMatmul(one.buffer(Array(x[n * I..<(n + 1) * I])), rows: 1, by: weights, into: y)
                return one.floats(y).map(\.bitPattern)
            }
            for N in [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 25, 40, 98, 103, 199] {
                let y = three.buffer(of: N * O, .float32)
                three.packedMatmul(three.buffer(Array(x[0..<N * I])), rows: N, by: sameWeights, into: y)
                let same = three.floats(y).map(\.bitPattern) == rows[0..<N].flatMap { $0 }
                #expect(same, "\(precision.rawValue), \(N) rows")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `packing quantized weights gives the same bits as packing the values`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet)
        for (_, O, I) in Self.cases where I > 1 {
            let values = p.buffer(TestRandom.numbers(O * I, seed: 4)), x = p.buffer(TestRandom.numbers(3 * I, seed: 5))
            for precision in [WeightPrecision.int8, .int6, .int4] {
                let quantized = p.quantize(values, outputs: O, inputs: I, to: precision)
                let direct = p.pack(values, outputs: O, inputs: I, as: precision)
                let results = [direct, p.pack(quantized, as: precision)].map { weights in
                    let y = p.buffer(of: 3 * O, .float32)
                    p.packedMatmul(x, rows: 3, by: weights, into: y)
                    return p.floats(y).map(\.bitPattern)
                }
                let isSame = results[0] == results[1]
                #expect(isSame, "\(precision.rawValue) [\(O), \(I)]")
                let dequantized = p.buffer(of: O * I, .float32)
                p.dequantize(quantized, into: dequantized)
                expectClose(p.floats(dequantized), storedValues(of: direct, on: p), within: .forward, "\(precision.rawValue) [\(O), \(I)]")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `weights that stay where they are stored give the bits of packed ones`(instructionSet: String) throws {
        for threads in [1, 3] {
            let p = try Processor(threads: threads, cores: threads, instructionSet: instructionSet)
            for (N, O, I) in Self.cases {
                let values = p.buffer(TestRandom.numbers(O * I, seed: 2))
                for precision in WeightPrecision.allCases {
                    let what = "\(precision.rawValue), \(N) rows, [\(O), \(I)], \(threads) threads"
                    let packed = p.pack(values, outputs: O, inputs: I, as: precision), stored: PackedWeights?
                    if precision == .float32 {
                        stored = p.unpacked(values, outputs: O, inputs: I, as: precision)
                    } else {
                        stored = p.unpacked(p.quantize(values, outputs: O, inputs: I, to: precision), as: precision)
                    }
                    let unpacked = try #require(stored, "\(what)")
                    #expect(unpacked.isUnpacked && !packed.isUnpacked && unpacked.byteCount == packed.byteCount, "\(what)")
                    expectSameResults(packed, unpacked, rows: N, on: p, what)
                }
                // Large weights of some inputs give them scales of their own.
                let uneven = p.buffer(TestRandom.numbers(O * I, seed: 3).enumerated().map { $0 % I % 50 == 7 ? 30 * $1 : $1 })
                for (precision, values) in [(WeightPrecision.bfloat16, values), (.int8, values), (.int8, uneven)] {
                    let packed = p.pack(values, outputs: O, inputs: I, as: precision)
                    let unpacked = try #require(p.unpacked(values, outputs: O, inputs: I, as: precision))
                    #expect(unpacked.roundsRows == (precision == .int8))
                    expectSameResults(packed, unpacked, rows: N, on: p, "f32 as \(precision.rawValue) [\(O), \(I)]")
                }
                #expect(p.unpacked(values, outputs: O, inputs: I, as: .int4) == nil)
            }
        }
    }

    @Test func `a weight that is not finite makes the output NaN, in every precision`() throws {
        let p = try Processor(threads: 2), O = 40, I = 64, x = p.buffer(TestRandom.numbers(I, seed: 1)), y = p.buffer(of: O, .float32)
        for (bad, at) in [(Float.nan, 4), (.nan, 7), (.infinity, 9)] {
            var w = TestRandom.numbers(O * I, seed: 2)
            w[3 * I + at] = bad
            for precision in WeightPrecision.allCases {
                p.packedMatmul(x, rows: 1, by: p.pack(p.buffer(w), outputs: O, inputs: I, as: precision), into: y)
                #expect(p.floats(y).indices.filter { !p.floats(y)[$0].isFinite } == [3], "\(precision.rawValue)")
                guard precision.isInteger else { continue }
                let stored = p.quantize(p.buffer(w), outputs: O, inputs: I, to: precision)
                p.packedMatmul(x, rows: 1, by: p.pack(stored, as: precision), into: y)
                #expect(p.floats(y).indices.filter { !p.floats(y)[$0].isFinite } == [3], "stored \(precision.rawValue)")
            }
        }
    }
}
