import Autograd
import Kernels
import TestSupport
import Testing

@Suite struct TokenLossTests {
    /// [7, 5] features, 19 classes.
    private func inputs(_ processor: Processor, precision: DataType = .float32) -> (tape: Tape, x: Tensor, weight: Parameter) {
        var list = ParameterList(), noise = TestRandom(3)
        let weight = list.add("head", [19, 5], .constant(0)), parameters = Parameters(list, on: processor)
        let tape = Tape(processor, parameters: parameters, precision: precision), x = tape.constant(noise.numbers(35), [7, 5])
        parameters.values[weight.range].write { span in for i in span.indices { span[i] = noise.number() } }
        return (tape, x, weight)
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
        let (tape, x, weight) = inputs(try variant.processor(), precision: variant.activations)
        for targets: [Int32] in [[3, 18, 0, 7, 7, 1, 2], [-1, 18, -1, -1, 7, 1, -1], Array(repeating: -1, count: 7)] {
            let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(targets, [7]), rows: rows) }
            var expected: [Float] = [], isTop: [Bool] = []
            // Two logits can be equal after rounding to bf16.
            let best = variant.activations == .float32 ? argmax(tape.linear(x, weight: tape.value(of: weight)).floats) : []
            for (n, target) in targets.enumerated() where target >= 0 {
                let alone = targets.indices.map { $0 == n ? target : -1 }
                let loss = tape.withoutRecording { tape.linearCrossEntropy(x, weight: weight, targets: tape.ids(alone, [7])) }
                expected.append(loss.scalar)
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
        let (tape, x, weight) = inputs(try Processor(threads: 2))
        let best = argmax(tape.linear(x, weight: tape.value(of: weight)).floats)
        let found = tape.withoutRecording { tape.linearTokenLosses(x, weight: weight, targets: tape.ids(best, [7])) }
        #expect(found.isTopPrediction == Array(repeating: true, count: 7))
    }
}
