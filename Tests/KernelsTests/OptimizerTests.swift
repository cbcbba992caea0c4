import Glibc
import Kernels
import TestSupport
import Testing

@Suite struct OptimizerTests {
    @Test(arguments: ProcessorVariant.devices)
    func `AdamW agrees with Loshchilov and Hutter's algorithm 2`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for count in [0, 1, 3, 17, 33, 65, 10_001] {
            let start = TestRandom.numbers(count, seed: 1), w = p.buffer(start), m = p.zeros(count), v = p.zeros(count)
            var weights = start.map(Double.init), first = [Double](repeating: 0, count: count), second = first
            for number in 1...4 {
                let g = TestRandom.numbers(count, seed: UInt64(10 + number))
                let step = AdamWStep(rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, number: number, gradientScale: 0.5)
                p.adamW(step, weights: w, gradients: p.buffer(g), first: m, second: v)
                for i in 0..<count {
                    let gradient = 0.5 * Double(g[i])
                    first[i] = 0.9 * first[i] + 0.1 * gradient
                    second[i] = 0.95 * second[i] + 0.05 * gradient * gradient
                    let hat = first[i] / (1 - pow(0.9, Double(number))), spread = second[i] / (1 - pow(0.95, Double(number)))
                    weights[i] -= 0.01 * (hat / (spread.squareRoot() + 1e-8) + 0.1 * weights[i])
                }
                expectClose(p.floats(w), weights, within: .forward, "weights after step \(number)")
                expectClose(p.floats(m), first, within: .forward, "first moments")
                expectClose(p.floats(v), second, within: .forward, "second moments")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `bits of the sum of squares do not depend on the number of threads`(instructionSet: String) throws {
        for count in [0, 1, 33, 65_537, 700_001] {
            let x = TestRandom.numbers(count, seed: 1), expected = x.reduce(0) { $0 + Double($1) * Double($1) }
            let sums = try [1, 2, 3].map { threads in
                let p = try Processor(threads: threads, cores: threads, instructionSet: instructionSet)
                return p.sumOfSquares(p.buffer(x))
            }
            #expect(sums[0] == sums[1] && sums[0] == sums[2])
            expectClose([Float(sums[0])], [expected], within: .longSum)
        }
    }

    @Test(arguments: Processor.instructionSets, [1, 2, 3])
    func `a second run has the same bits as the first`(instructionSet: String, threads: Int) throws {
        let runs = try (0..<2).map { _ in
            let p = try Processor(threads: threads, cores: threads, instructionSet: instructionSet), N = 200, C = 65
            let x = p.buffer(TestRandom.numbers(N * C, seed: 1)), dy = p.buffer(TestRandom.numbers(N * C, seed: 2)),
                w = p.buffer(TestRandom.numbers(C, seed: 3))
            let y = p.buffer(of: N * C, .float32), mean = p.buffer(of: N, .float32), rstd = p.buffer(of: N, .float32)
            let dx = p.buffer(of: N * C, .float32)
            let dw = p.zeros(C), db = p.zeros(C), sums = p.zeros(C), total = p.zeros(1)
            p.norm(x, N: N, C: C, scale: w, shift: nil, into: y, mean: mean, rstd: rstd, epsilon: 1e-5)
            p.normGradient(dy: dy, x: x, N: N, C: C, scale: w, mean: mean, rstd: rstd, dx: dx, adding: false, dw: dw, db: db)
            p.sum(x, outer: 1, R: N, inner: C, into: sums)
            p.sum(x, outer: 1, R: N * C, inner: 1, into: total)
            return [y, dx, dw, db, sums, total].map { p.floats($0) }
        }
        expectSame(runs[0], runs[1])
    }
}
