import Kernels
import TestSupport
import Testing

/// Quantized weights some of whose inputs have far larger or smaller weights, or activations, than the others.
@Suite struct InputScaleTests {
    private static let N = 5, O = 150, I = 130

    /// Weights and input rows whose product is the same for every factor: some inputs have weights of `factor` times the usual size and
    /// activations of 1/`factor`, others the reverse.
    private func operands(factor: Float) -> (weights: [Float], rows: [Float]) {
        let factors = (0..<Self.I).map { $0 % 21 == 3 ? factor : $0 % 21 == 11 ? 1 / factor : 1 }
        let weights = TestRandom.numbers(Self.O * Self.I, seed: 1), rows = TestRandom.numbers(Self.N * Self.I, seed: 2)
        return (
            weights.enumerated().map { i, value in value * factors[i % Self.I] },
            rows.enumerated().map { i, value in value / factors[i % Self.I] }
        )
    }

    /// The squared error of a product with quantized weights, divided by the squared product.
    private func relativeError(factor: Float, _ precision: WeightPrecision, on p: Processor) -> Double {
        let (weights, rows) = operands(factor: factor), (N, O, I) = (Self.N, Self.O, Self.I)
        let y = p.buffer(of: N * O, .float32)
        p.packedMatmul(p.buffer(rows), rows: N, by: p.pack(p.buffer(weights), outputs: O, inputs: I, as: precision), into: y)
        var error = 0.0, total = 0.0
        for (n, value) in p.floats(y).enumerated() {
            let exact = (0..<I).reduce(0.0) { $0 + Double(rows[n / O * I + $1]) * Double(weights[n % O * I + $1]) }
            error += (Double(value) - exact) * (Double(value) - exact)
            total += exact * exact
        }
        return error / total
    }

    @Test(arguments: Processor.instructionSets)
    func `outliers do not cost the other inputs their accuracy`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet)
        for (precision, most) in [(WeightPrecision.int8, 1.5e-4), (.int6, 1e-3), (.int4, 1.5e-2)] {
            let usual = relativeError(factor: 1, precision, on: p)
            #expect(usual < most)
            for factor in [30, 1_000, 0.01] as [Float] {
                let error = relativeError(factor: factor, precision, on: p)
                #expect(error < 1.3 * usual, "\(precision.rawValue), factor \(factor): \(error) instead of \(usual)")
            }
        }
    }

    @Test func `quantized weights with outliers stand for the same values in every form`() throws {
        let p = try Processor(threads: 2), (O, I) = (Self.O, Self.I), weights = p.buffer(operands(factor: 100).weights)
        for precision in [WeightPrecision.int8, .int6, .int4] {
            let quantized = p.quantize(weights, outputs: O, inputs: I, to: precision)
            let scales = try #require(quantized.inputScales)
            #expect(p.floats(scales)[3] == 128 && p.floats(scales)[11] == 1 / 128 && p.floats(scales)[0] == 1)
            let dequantized = p.buffer(of: O * I, .float32), lookedUp = p.buffer(of: O * I, .float32)
            p.dequantize(quantized, into: dequantized)
            p.embed(p.ids((0..<Int32(O)).map { $0 }), in: p.pack(quantized, as: precision), plus: nil, into: lookedUp)
            #expect(p.floats(lookedUp) == p.floats(dequantized))
            let packed = p.pack(weights, outputs: O, inputs: I, as: precision)
            p.embed(p.ids((0..<Int32(O)).map { $0 }), in: packed, plus: nil, into: lookedUp)
            #expect(p.floats(lookedUp) == p.floats(dequantized))
        }
    }

    @Test func `weights without outliers have no scales of inputs`() throws {
        let p = try Processor(threads: 2)
        for seed in 0..<20 as Range<UInt64> {
            let weights = p.buffer(TestRandom.numbers(64 * 200, seed: seed))
            #expect(p.quantize(weights, outputs: 64, inputs: 200, to: .int8).inputScales == nil)
        }
    }
}
