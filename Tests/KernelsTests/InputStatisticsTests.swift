import Kernels
import TestSupport
import Testing

/// int6 and int4 weights that are fitted to their inputs.
@Suite struct InputStatisticsTests {
    /// The squared error of outputs x·Wᵀ, divided by the squared outputs.
    private func error(of weights: QuantizedWeights, _ values: [Float], _ x: [Float], on p: Processor) -> Double {
        let (O, I) = (weights.outputs, weights.inputs), quantized = p.buffer(of: O * I, .float32)
        p.dequantize(weights, into: quantized)
        let w = p.floats(quantized)
        var lost = 0.0, size = 0.0
        for n in 0..<x.count / I {
            for o in 0..<O {
                let row = (0..<I).map { i in (x[n * I + i], o * I + i) }
                let exact = row.reduce(0.0) { $0 + Double($1.0) * Double(values[$1.1]) }
                let found = row.reduce(0.0) { $0 + Double($1.0) * Double(w[$1.1]) }
                lost += (exact - found) * (exact - found)
                size += exact * exact
            }
        }
        return lost / size
    }

    /// Inputs that depend on each other: 200 rows of 96 numbers from 24 sources.
    private func inputs(seed: UInt64) -> [Float] {
        let sources = TestRandom.numbers(200 * 24, seed: seed), mixing = TestRandom.numbers(24 * 96, seed: 77)
        return (0..<200 * 96).map { at -> Float in
            let (row, column) = (at / 96, at % 96)
            return (0..<24).reduce(Float(0)) { sum, k in sum + sources[row * 24 + k] * mixing[k * 96 + column] }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `weights that make up for each other's errors lose less on other inputs like these`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), (O, I) = (70, 96)
        let values = TestRandom.numbers(O * I, seed: 5), weights = p.buffer(values), statistics = try calibrated(on: inputs(seed: 1), p)
        for precision in [WeightPrecision.int8, .int6, .int4] {
            let plain = p.quantize(weights, outputs: O, inputs: I, to: precision)
            let fitted = p.quantize(weights, outputs: O, inputs: I, to: precision, calibration: statistics)
            let others = inputs(seed: 2), before = error(of: plain, values, others, on: p), after = error(of: fitted, values, others, on: p)
            #expect(after < 0.5 * before, "\(precision.rawValue): \(before) before, \(after) after")
        }
    }

    private func calibrated(on x: [Float], _ p: Processor) throws -> InputStatistics {
        let statistics = InputStatistics(inputs: 96, try LinearAlgebra(for: p.instructionSet))
        statistics.add(p.buffer(Array(x[..<(100 * 96)])), rows: 100, on: p)
        statistics.add(p.buffer(Array(x[(100 * 96)...])), rows: 100, on: p)
        return statistics
    }

    /// An importance matrix of llama.cpp has only the squares.
    @Test(arguments: Processor.instructionSets)
    func `weights of large inputs lose less if only the squares of inputs are known`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), (O, I) = (70, 96)
        let values = TestRandom.numbers(O * I, seed: 5), weights = p.buffer(values)
        let squares = (0..<I).map { $0 % 8 == 3 ? 100 : 1 as Float }, statistics = InputStatistics(squares: squares)
        for precision in [WeightPrecision.int6, .int4] {
            let errors = [nil, statistics].map { calibration in
                let fitted = p.quantize(weights, outputs: O, inputs: I, to: precision, calibration: calibration)
                let found = p.buffer(of: O * I, .float32)
                p.dequantize(fitted, into: found)
                return zip(p.floats(found), values).enumerated().reduce(0) { sum, item in
                    sum + squares[item.offset % I] * (item.element.0 - item.element.1) * (item.element.0 - item.element.1)
                }
            }
            #expect(errors[1] < 0.6 * errors[0], "\(precision.rawValue): \(errors)")
        }
        let unknown = InputStatistics(squares: [Float](repeating: 0, count: I))
        #expect(statistics.isDiagonal && unknown.errorWeights(on: p) == nil)
        #expect(InputStatistics(squares: [1, .nan]).errorWeights(on: p) == nil)
    }

    @Test func `statistics of inputs that are not finite are not used`() throws {
        let p = try Processor(threads: 2), weights = p.buffer(TestRandom.numbers(40 * 96, seed: 5))
        var x = inputs(seed: 1)
        x[7] = .nan
        let fitted = p.quantize(weights, outputs: 40, inputs: 96, to: .int4, calibration: try calibrated(on: x, p))
        let plain = p.quantize(weights, outputs: 40, inputs: 96, to: .int4)
        #expect(fitted.codes.readBytes { a in plain.codes.readBytes { b in a.indices.allSatisfy { a[$0] == b[$0] } } })
    }

    @Test func `inputs that are always 0 keep their weights`() throws {
        let p = try Processor(threads: 2), weights = p.buffer(TestRandom.numbers(40 * 96, seed: 5))
        let statistics = try calibrated(on: [Float](repeating: 0, count: 200 * 96), p)
        let fitted = p.quantize(weights, outputs: 40, inputs: 96, to: .int4, calibration: statistics)
        let values = p.buffer(of: 40 * 96, .float32)
        p.dequantize(fitted, into: values)
        let largest = zip(p.floats(values), p.floats(weights)).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(largest < 2.0 / 15)                                                         // a step of weights from -1 to 1
    }
}
