import Autograd
import Kernels
import TestSupport
import Testing

@Suite struct TokenLossTests {
    /// [7, 5] features, 19 classes.
    private func inputs(_ tape: Tape) -> (x: Tensor, weight: Tensor) {
        var noise = TestRandom(3)
        return (tape.constant(noise.numbers(35), [7, 5]), tape.constant(noise.numbers(95), [19, 5]))
    }

    /// The argmax of each row of 19 logits.
    private func argmax(_ logits: [Float]) -> [Int32] {
        (0..<logits.count / 19).map { n in
            let row = Array(logits[n * 19..<(n + 1) * 19])
            return Int32(row.indices.max { row[$0] < row[$1] } ?? 0)
        }
    }

    @Test(arguments: KernelVariant.training, [1, 3, 1_536]) func `the loss of each token is its cross-entropy alone`(
        _ variant: KernelVariant, rows: Int
    ) throws {
        let tape = Tape(try variant.processor(), precision: variant.activations), (x, weight) = inputs(tape)
        for targets: [Int32] in [[3, 18, 0, 7, 7, 1, 2], [-1, 18, -1, -1, 7, 1, -1], Array(repeating: -1, count: 7)] {
            let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(targets, [7]), rows: rows) }
            var expected: [Float] = [], isTop: [Bool] = []
            // Two logits can be equal after rounding to bf16.
            let best = variant.activations == .float32 ? argmax(tape.linear(x, weight: weight).floats) : []
            for (n, target) in targets.enumerated() where target >= 0 {
                let alone = targets.indices.map { $0 == n ? target : -1 }
                expected.append(tape.linearCrossEntropy(x, weight: weight, targets: tape.ids(alone, [7])).scalar)
                if !best.isEmpty { isTop.append(best[n] == target) }
            }
            // The order of sums in a BLAS library may depend on the number of rows.
            if variant.blas == .slm {
                expectSame(found.nats, expected, "\(targets)")
            } else {
                expectClose(found.nats, expected, within: variant.forward, "\(targets)")
            }
            #expect(best.isEmpty || found.isTopPrediction == isTop)
        }
    }

    @Test func `targets with the highest logit are top predictions`() throws {
        let tape = Tape(try Processor(threads: 2)), (x, weight) = inputs(tape), best = argmax(tape.linear(x, weight: weight).floats)
        let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(best, [7])) }
        #expect(found.isTopPrediction == Array(repeating: true, count: 7))
    }
}
