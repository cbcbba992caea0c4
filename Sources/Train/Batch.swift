import Autograd
import Kernels
import Model

/// Rows of input tokens with their targets.
package struct Batch: Sendable {
    /// [B, T]
    package let inputs: [Int32]
    /// [B, T], negative where the loss ignores them.
    package let targets: [Int32]
    package let rows: Int
    /// [B, T]: for each position, the first position of its conversation; nil if each row is one conversation.
    package var documentStarts: [Int32]?
    /// Further targets whose probabilities an evaluation adds to those of `targets`: see ``countAsOneEvent(_:)``. Each is [B, T], negative
    /// where there is none.
    package internal(set) var alternatives: [[Int32]] = []

    package init(inputs: [Int32], targets: [Int32], rows: Int, documentStarts: [Int32]? = nil) {
        require(
            rows > 0 && inputs.count % rows == 0 && targets.count == inputs.count
                && (documentStarts?.count ?? inputs.count) == inputs.count,
            "a batch of \(inputs.count) inputs and \(targets.count) targets in \(rows) rows"
        )
        self.inputs = inputs
        self.targets = targets
        self.rows = rows
        self.documentStarts = documentStarts
    }

    package var length: Int { inputs.count / rows }
    /// The number of targets that count.
    package var targetCount: Int { targets.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) } }
}

extension Batch {
    /// Some of the rows as a batch.
    func selecting(_ rows: Range<Int>) -> Batch {
        let range = rows.lowerBound * length..<rows.upperBound * length
        var part = Batch(
            inputs: Array(inputs[range]), targets: Array(targets[range]), rows: rows.count,
            documentStarts: documentStarts.map { Array($0[range]) }
        )
        part.alternatives = alternatives.map { Array($0[range]) }
        return part
    }

    /// Some of the rows as tensors on a tape.
    func tensors(of rows: Range<Int>, on tape: Tape) -> (inputs: Tensor, targets: Tensor, documentStarts: Tensor?) {
        let range = rows.lowerBound * length..<rows.upperBound * length
        func tensor(_ ids: [Int32]) -> Tensor { tape.ids(Array(ids[range]), [rows.count, length]) }
        return (tensor(inputs), tensor(targets), documentStarts.map(tensor))
    }
}

extension GPT {
    /// The loss of each target that counts, in some rows of a batch.
    func tokenLosses(of batch: Batch, rows: Range<Int>, on tape: Tape) -> TokenLosses {
        let (inputs, targets, documentStarts) = batch.tensors(of: rows, on: tape)
        let range = rows.lowerBound * batch.length..<rows.upperBound * batch.length
        let alternatives = batch.alternatives.map { Array($0[range]) }
        let tensors = [targets] + alternatives.map { tape.ids($0, targets.shape) }
        let losses = tokenLosses(of: inputs, predicting: tensors, documentStarts: documentStarts, on: tape)
        return TokenLosses(losses, of: batch.targets[range], alternatives)
    }
}
