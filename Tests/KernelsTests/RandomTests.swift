import Kernels
import TestSupport
import Testing

@Suite struct RandomTests {
    @Test(arguments: ProcessorVariant.all)
    func `dropout zeroes a fraction p and scales the rest`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), count = 100_001
        for probability in [Float(0), 0.1, 0.5, 0.9] {
            let y = p.buffer(of: count, .float32)
            p.dropout(p.buffer([Float](repeating: 2, count: count)), into: y, p: probability, seed: 3, start: 7)
            let actual = p.floats(y), dropped = actual.count { $0 == 0 }
            #expect(abs(Double(dropped) / Double(count) - Double(probability)) < 0.005)
            #expect(actual.allSatisfy { $0 == 0 || $0 == 2 / (1 - probability) })
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `numbers depend only on the seed, not on threads or on how a buffer is split`(instructionSet: String) throws {
        let count = 20_003, x = TestRandom.numbers(count, seed: 1)
        let reference = try Self.generate(count, x, on: Processor(threads: 1, instructionSet: "plain"))
        for threads in [1, 2, 3] {
            let p = try Processor(threads: threads, cores: threads, instructionSet: instructionSet), actual = Self.generate(count, x, on: p)
            expectSame(actual.dropout, reference.dropout)
            expectSame(actual.uniform, reference.uniform)
            expectClose(actual.normal, reference.normal, within: .forward)
            let y = p.buffer(of: count, .float32), cut = 5_555
            p.dropout(p.buffer(Array(x[..<cut])), into: y[0..<cut], p: 0.3, seed: 9, start: 5)
            p.dropout(p.buffer(Array(x[cut...])), into: y[cut..<count], p: 0.3, seed: 9, start: 5 + UInt64(cut))
            expectSame(p.floats(y), reference.dropout)
            p.dropout(p.buffer(x), into: y, p: 0.3, seed: 10, start: 5)
            let isDifferent = p.floats(y) != reference.dropout
            #expect(isDifferent)
        }
    }

    private static func generate(_ count: Int, _ x: [Float], on p: Processor) -> (dropout: [Float], uniform: [Float], normal: [Float]) {
        let y = p.buffer(of: count, .float32), u = p.buffer(of: count, .float32), n = p.buffer(of: count, .float32)
        p.dropout(p.buffer(x), into: y, p: 0.3, seed: 9, start: 5)
        p.uniform(into: u, seed: 9, start: 5)
        p.normal(into: n, seed: 9, start: 5)
        return (p.floats(y), p.floats(u), p.floats(n))
    }

    @Test(arguments: ProcessorVariant.all)
    func `random numbers have the moments of their distributions`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), count = 200_000, y = p.buffer(of: count, .float32)
        func moment(_ power: Int) -> Double {
            p.floats(y).reduce(0) { sum, x in sum + (0..<power).reduce(1) { product, _ in product * Double(x) } } / Double(count)
        }
        for seed in [UInt64(0), 1, .max] {
            p.uniform(into: y, seed: seed)
            #expect(p.floats(y).allSatisfy { (0..<1).contains($0) })
            #expect(abs(moment(1) - 0.5) < 0.005 && abs(moment(2) - 1.0 / 3) < 0.005)
            p.normal(into: y, seed: seed)
            #expect(p.floats(y).allSatisfy { $0.isFinite })
            #expect(abs(moment(1)) < 0.01 && abs(moment(2) - 1) < 0.02 && abs(moment(3)) < 0.05 && abs(moment(4) - 3) < 0.15)
        }
    }
}
