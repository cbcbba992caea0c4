package import Autograd
package import Kernels
package import Model

/// Rows of tokens, each with what comes next.
package struct Batch: Sendable {
    /// [B, T], row after row.
    package let inputs: [Int32]
    /// [B, T], negative where nothing is to be learned.
    package let targets: [Int32]
    package let rows: Int
    /// [B, T]: where each position's document begins; nil when a row is one document.
    package var documents: [Int32]?

    package init(inputs: [Int32], targets: [Int32], rows: Int, documents: [Int32]? = nil) {
        require(rows > 0 && inputs.count % rows == 0 && targets.count == inputs.count && (documents?.count ?? inputs.count) == inputs.count,
                "a batch of \(inputs.count) inputs and \(targets.count) targets in \(rows) rows")
        (self.inputs, self.targets, self.rows, self.documents) = (inputs, targets, rows, documents)
    }

    package var length: Int { inputs.count / rows }
    /// How many targets count.
    package var learned: Int { targets.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) } }
}

/// What one step did.
package struct StepReport: Sendable {
    package let step: Int
    /// Mean over the targets that count, before the step.
    package let loss: Float
    /// Before clipping.
    package let gradientNorm: Float
}

/// Takes optimiser steps. It prints nothing, reads no clock and no file.
///
///     let trainer = try Trainer(.eugpt, on: processor, precision: .bfloat16, seed: 1)
///     let report = trainer.advance(batch, rate: 3e-4)
package final class Trainer {
    package let model: GPT
    package let parameters: Parameters
    package let optimizer: AdamW
    package var clipping: Float = 1
    /// A batch is learned from in parts of about so many tokens, as if it were one: activations of more would not stay
    /// in the cache and would take memory (Documentation/decisions/micro-batches.md).
    package var tokensAtOnce: Int
    package static let usualTokensAtOnce = 1_536
    /// Whoever learns an adapter has little memory, and no gradients of large weights to add up part by part.
    package static let adapterTokensAtOnce = 1_024
    private let tape: Tape
    private let seed: UInt64

    package convenience init(_ configuration: GPTConfiguration, on processor: Processor, precision: DataType, recomputing: Bool = false,
                             seed: UInt64) throws(ProcessorError) {
        var list = ParameterList()
        var model = GPT(configuration, in: &list)
        model.recomputesBlocks = recomputing
        self.init(model, try Parameters(list, on: processor, seed: seed), on: processor, precision: precision, seed: seed)
    }

    /// Learns on from weights that are there.
    package init(_ model: GPT, _ parameters: Parameters, on processor: Processor, precision: DataType, seed: UInt64) {
        (self.model, self.parameters, self.seed) = (model, parameters, seed)
        tokensAtOnce = parameters.frozen.isEmpty ? Self.usualTokensAtOnce : Self.adapterTokensAtOnce
        // Before anything that comes and goes: in the middle of it they would leave holes.
        _ = parameters.gradients
        tape = Tape(processor, parameters: parameters, precision: precision)
        optimizer = AdamW(for: parameters, on: processor)
    }

    /// One optimiser step. A loss or gradient that is not finite leaves the weights as they are.
    package func advance(_ batch: Batch, rate: Float) -> StepReport {
        let count = batch.learned
        var sum: Float = 0
        for (part, rows) in parts(of: batch).enumerated() {
            tape.reset(seed: seed &+ UInt64(optimizer.steps) << 20 &+ UInt64(part))
            let value = loss(of: rows, in: batch, count: count)
            sum += value.scalar
            tape.backward(from: value)
        }
        guard sum.isFinite else {
            parameters.forgetGradients()
            return StepReport(step: optimizer.steps, loss: sum, gradientNorm: .nan)
        }
        let norm = optimizer.update(rate: rate, clippingTo: clipping)
        return StepReport(step: optimizer.steps, loss: sum, gradientNorm: norm)
    }

    /// The sum over all targets that count of how surprising they are, in nats, and how many they are. Nothing is learned.
    package func surprise(of batch: Batch) -> (nats: Double, count: Int) {
        let count = batch.learned
        guard count > 0 else { return (0, 0) }
        var nats = 0.0
        for rows in parts(of: batch) {
            tape.reset()
            nats += tape.withoutRecording { Double(loss(of: rows, in: batch, count: 1).scalar) }
        }
        return (nats, count)
    }

    /// The loss of some rows, whose sum is divided by `count`.
    private func loss(of rows: Range<Int>, in batch: Batch, count: Int) -> Tensor {
        model.loss(of: tensor(batch.inputs, rows, of: batch), predicting: tensor(batch.targets, rows, of: batch), count: count,
                   documents: batch.documents.map { tensor($0, rows, of: batch) }, on: tape)
    }

    private func tensor(_ ids: [Int32], _ rows: Range<Int>, of batch: Batch) -> Tensor {
        let T = batch.length
        return tape.ids(Array(ids[rows.lowerBound * T..<rows.upperBound * T]), [rows.count, T])
    }

    /// Parts of the rows, as equal as can be: of two numbers of parts that are near what is wanted, the one that divides the rows.
    private func parts(of batch: Batch) -> [Range<Int>] {
        let wanted = min(max(1, (batch.inputs.count - 1) / tokensAtOnce + 1), batch.rows)
        let count = [wanted, wanted - 1, wanted + 1].first { $0 > 0 && batch.rows % $0 == 0 } ?? wanted
        return (0..<count).map { batch.rows * $0 / count..<batch.rows * ($0 + 1) / count }
    }
}
