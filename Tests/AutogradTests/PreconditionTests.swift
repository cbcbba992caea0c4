import Autograd
import Kernels
import Testing

/// Programming errors trap with a message that names the operation and the shapes.
@Suite struct PreconditionTests {
    enum Mistake: String, CaseIterable, Codable, Sendable {
        case add, matmul, linear, bias, plus, concat, reshape, slice, axis, backward, again, unrecorded,
             stale, target, id, targets, targetsAcross, targetsOfHead, heads, documents, dropout, norm
        case emptyMean, duplicateName, unread, ids, usedUp, foreign, batch, shift, oddHeads, angles, normHeads

        var message: String {
            switch self {
            case .add: "add: [2, 3] and [2, 4] do not fit"
            case .matmul: "matmul: [2, 3]·[4, 2]"
            case .linear: "linear: [2, 3] through a weight [2, 4]"
            case .bias: "linear: a bias [3] for a weight [2, 3]"
            case .plus: "linear: [2, 3] cannot be added to [2, 2]"
            case .concat: "concat: [2, 3] and [4, 2] along axis 0"
            case .reshape: "reshape: [2, 3] has 6 elements, [4, 2] has 8"
            case .slice: "slice: 1..<4 along axis 1 of [2, 3]"
            case .axis: "sum: axis 2 of a tensor [2, 3]"
            case .backward: "backward: expected a tensor with one element, found [2, 3]. Reduce it first, or pass a gradient."
            case .again: "backward: called a second time for the same tensor; compute it again"
            case .unrecorded: "backward: the tensor has no recorded operations"
            case .stale: "a tensor from before the tape was reset, or of another tape: made by its operation 0"
            case .target: "crossEntropy: target 3 at 1, among 3 classes"
            case .id: "embed: id 2 at 1, in a table of 2"
            case .targets: "crossEntropy: targets [3] for logits [2, 3]"
            case .targetsAcross: "crossEntropy: targets [2, 1] for logits [1, 2, 3]"
            case .targetsOfHead: "linearCrossEntropy: targets [1, 2] for [2, 3]"
            case .heads: "causalAttention: [1, 2, 3] for 2 heads of queries and 1 of keys, 1 wide"
            case .documents: "causalAttention: position 0 cannot attend from 1 on"
            case .dropout: "dropout: expected a probability in 0..<1, found 1.0"
            case .norm: "layerNorm: a scale [2] for [2, 3]"
            case .emptyMean: "mean: of an empty tensor [0, 3]"
            case .duplicateName: "two parameters are named layer.weight"
            case .unread: "the elements of a view are read after tape.contiguous(_:)"
            case .usedUp: "backward: operation 1 was freed by an earlier call; compute it again"
            case .foreign: "a tensor from before the tape was reset, or of another tape: made by its operation 0"
            case .batch: "matmul: [2, 1, 3]·[3, 3, 1]"
            case .shift: "layerNorm: a shift [2] for [2, 3]"
            case .oddHeads: "applyRotaryEmbedding: [1, 2, 9] for 1 heads of queries and 1 of keys, 3 wide, which must be even"
            case .angles: "applyRotaryEmbedding: angles [1, 2] for [1, 2, 6] and heads of 2"
            case .normHeads: "applyQKNorm: [2, 3] for 1 heads of queries and 1 of keys, 2 wide"
            case .ids: "expected f32 or bf16, found i32"
            }
        }

        func make() throws {
            let tape = Tape(try Processor(threads: 1, instructionSet: "plain"))
            let x = tape.variable([1, 2, 3, 4, 5, 6], [2, 3]), w = tape.constant([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]),
                v = tape.reshape(w, [4, 2])
            switch self {
            case .add: _ = tape.add(x, w)
            case .matmul: _ = tape.matmul(x, v)
            case .linear: _ = tape.linear(x, weight: w)
            case .bias: _ = tape.linear(x, weight: x, bias: tape.constant([1, 2, 3], [3]))
            case .plus: _ = tape.linear(x, weight: x, plus: x)
            case .concat: _ = tape.concat([x, v], along: 0)
            case .reshape: _ = tape.reshape(x, [4, 2])
            case .slice: _ = tape.slice(x, along: 1, 1..<4)
            case .axis: _ = tape.sum(x, along: 2)
            case .backward: tape.backward(from: tape.tanh(x))
            case .again:
                let loss = tape.sum(x)
                tape.backward(from: loss)
                tape.backward(from: loss)
            case .usedUp:
                let h = tape.exp(x)
                tape.backward(from: tape.sum(h))
                tape.backward(from: tape.mean(h))
            case .foreign: _ = Tape(try Processor(threads: 1, instructionSet: "plain")).exp(x)
            case .batch: _ = tape.matmul(tape.reshape(x, [2, 1, 3]), tape.constant([Float](repeating: 0, count: 9), [3, 3, 1]))
            case .shift: _ = tape.layerNorm(x, scale: tape.constant([1, 2, 3], [3]), shift: tape.constant([1, 2], [2]))
            case .unrecorded: tape.backward(from: tape.sum(w))
            case .stale:
                tape.reset()
                _ = tape.sum(x)
            case .target: _ = tape.crossEntropy(x, targets: tape.ids([0, 3], [2]))
            case .id: _ = tape.embed(tape.ids([0, 2], [2]), in: x)
            case .targets: _ = tape.crossEntropy(x, targets: tape.ids([0, 1, 2], [3]))
            case .targetsAcross: _ = tape.crossEntropy(tape.reshape(x, [1, 2, 3]), targets: tape.ids([0, 1], [2, 1]))
            case .targetsOfHead: _ = tape.linearCrossEntropy(x, weight: x, targets: tape.ids([0, 1], [1, 2]))
            case .heads: _ = tape.causalAttention(tape.reshape(x, [1, 2, 3]), AttentionHeads(2, keys: 1, width: 1))
            case .documents: _ = tape.causalAttention(tape.reshape(x, [1, 2, 3]), heads: 1, documentStarts: tape.ids([1, 0], [1, 2]))
            case .dropout: _ = tape.dropout(x, 1)
            case .norm: _ = tape.layerNorm(x, scale: tape.constant([1, 2], [2]))
            case .emptyMean: _ = tape.mean(tape.constant([], [0, 3]))
            case .duplicateName:
                var list = ParameterList()
                for _ in 0..<2 { _ = Linear(from: 1, to: 1, named: "layer", in: &list) }
            case .unread: _ = tape.transpose(x).floats
            case .oddHeads:
                _ = tape.applyRotaryEmbedding(
                    tape.constant([Float](repeating: 0, count: 18), [1, 2, 9]), heads: 1, by: tape.rotaryAngles(of: 2, width: 2))
            case .angles:
                _ = tape.applyRotaryEmbedding(
                    tape.constant([Float](repeating: 0, count: 12), [1, 2, 6]), heads: 1, by: tape.rotaryAngles(of: 1, width: 2))
            case .normHeads: _ = tape.applyQKNorm(x, AttentionHeads(1, width: 2))
            case .ids: _ = tape.tanh(tape.add(x, tape.ids([1], [1])))
            }
        }
    }

    @Test(arguments: Mistake.allCases)
    func `a programming error traps with a message`(mistake: Mistake) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [mistake] in
            try mistake.make()
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains(mistake.message), "\(mistake.rawValue): \(output.prefix(200))")
    }
}
