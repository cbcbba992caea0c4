import Autograd
import Kernels
import TestSupport
import Testing

@Suite struct SurpriseTests {
    /// [7, 5] features, 19 classes.
    private func inputs(_ tape: Tape) -> (x: Tensor, weight: Tensor) {
        var noise = TestRandom(3)
        return (tape.constant(noise.numbers(35), [7, 5]), tape.constant(noise.numbers(95), [19, 5]))
    }

    /// Where the largest of each row of 19 stands.
    private func likeliest(_ scores: [Float]) -> [Int32] {
        (0..<scores.count / 19).map { n in
            let row = Array(scores[n * 19..<(n + 1) * 19])
            return Int32(row.indices.max { row[$0] < row[$1] } ?? 0)
        }
    }

    @Test(arguments: KernelVariant.standard, [1, 3, 1_536]) func `each target costs what cross-entropy makes of it alone`(
        _ setting: KernelVariant, rows: Int
    ) throws {
        let tape = Tape(try setting.processor(), precision: setting.precision), (x, weight) = inputs(tape)
        for targets: [Int32] in [[3, 18, 0, 7, 7, 1, 2], [-1, 18, -1, -1, 7, 1, -1], Array(repeating: -1, count: 7)] {
            let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(targets, [7]), rows: rows) }
            var wanted: [Float] = [], hits: [Bool] = []
            // Rounded to bf16, two scores may be alike.
            let best = setting.precision == .float32 ? likeliest(tape.linear(x, weight: weight).floats) : []
            for (n, target) in targets.enumerated() where target >= 0 {
                let alone = targets.indices.map { $0 == n ? target : -1 }
                wanted.append(tape.linearCrossEntropy(x, weight: weight, targets: tape.ids(alone, [7])).scalar)
                if !best.isEmpty { hits.append(best[n] == target) }
            }
            // A library may add up in another order where there are other rows beside.
            if setting.blas == .slm {
                expectSame(found.nats, wanted, "\(targets)")
            } else {
                expectClose(found.nats, wanted, within: setting.forward, "\(targets)")
            }
            #expect(best.isEmpty || found.isTopPrediction == hits)
        }
    }

    @Test func `the likeliest targets are all hits`() throws {
        let tape = Tape(try Processor(threads: 2)), (x, weight) = inputs(tape), best = likeliest(tape.linear(x, weight: weight).floats)
        let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(best, [7])) }
        #expect(found.isTopPrediction == Array(repeating: true, count: 7))
    }
}
