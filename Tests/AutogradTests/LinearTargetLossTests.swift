import Autograd
import Kernels
import TestSupport
import Testing

@Suite struct LinearTargetLossTests {
    @Test(arguments: Processor.instructionSets) func `the gradients match finite differences, in chunks and with ignored targets`(
        instructionSet: String
    ) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet)
        for targets: [Int32] in [[3, 18, 0, 7, 7, 1, 2], [-1, 18, -1, -1, 7, 1, -1], Array(repeating: -1, count: 7)] {
            for rows in [1, 3, 1_536] {
                expectGradientCheck(of: [.anything([7, 5]), .anything([19, 5])], on: p, "\(targets) in chunks of \(rows)") { tape, x in
                    tape.linearTargetLosses(x[0], weight: x[1], targets: tape.ids(targets, [7]), rows: rows)
                }
                expectGradientCheck(of: [.anything([7, 5]), .anything([19, 5])], on: p, "\(targets) with capped logits") { tape, x in
                    tape.linearTargetLosses(x[0], weight: x[1], softCap: 0.8, targets: tape.ids(targets, [7]), rows: rows)
                }
            }
        }
    }

    @Test(arguments: KernelVariant.standard) func `equal slopes give the loss and the gradients of the mean cross-entropy`(
        _ variant: KernelVariant
    ) throws {
        let tape = Tape(try variant.processor(), precision: variant.precision)
        var noise = TestRandom(4)
        let (x, weight) = (noise.numbers(9 * 8), noise.numbers(33 * 8))
        let ids: [Int32] = [4, -1, 32, 0, 9, -1, -1, 9, 21]
        func result(_ body: (Tensor, Tensor, Tensor) -> Tensor, slope: Float) -> [[Float]] {
            tape.reset()
            let (x, weight) = (tape.variable(x, [9, 8]), tape.variable(weight, [33, 8]))
            let y = body(x, weight, tape.ids(ids, [9]))
            tape.backward(from: y, gradient: tape.constant(Array(repeating: slope, count: y.count), y.shape))
            return [[y.floats.reduce(0, +) * slope]] + [x, weight].map { tape.gradient(of: $0)?.floats ?? [] }
        }
        let found = result({ tape.linearTargetLosses($0, weight: $1, targets: $2, rows: 4) }, slope: 1.0 / 6)
        let expected = result({ tape.linearCrossEntropy($0, weight: $1, targets: $2, rows: 4) }, slope: 1)
        for (i, name) in ["loss", "dx", "dW"].enumerated() { expectClose(found[i], expected[i], within: variant.gradient, name) }
    }

    @Test func `nothing is recorded without gradients`() throws {
        let tape = Tape(try Processor(threads: 1)), x = tape.variable([1, 2], [1, 2]), weight = tape.variable([1, 0, 0, 1], [2, 2])
        let losses = tape.withoutRecording { tape.linearTargetLosses(x, weight: weight, targets: tape.ids([1], [1])) }
        expectClose(losses.floats, [0.313_261_7], within: .forward)
    }
}
