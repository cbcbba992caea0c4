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
        self.inputs = inputs
        self.targets = targets
        self.rows = rows
        self.documents = documents
    }

    package var length: Int { inputs.count / rows }
    /// How many targets count.
    package var learned: Int { targets.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) } }
}

extension Batch {
    /// Some rows as a tape takes them.
    fileprivate func tensors(of rows: Range<Int>, on tape: Tape) -> (inputs: Tensor, targets: Tensor, documents: Tensor?) {
        let range = rows.lowerBound * length..<rows.upperBound * length
        func tensor(_ ids: [Int32]) -> Tensor { tape.ids(Array(ids[range]), [rows.count, length]) }
        return (tensor(inputs), tensor(targets), documents.map(tensor))
    }
}

extension GPT {
    /// What each target that counts costs, in some rows of a batch.
    func tokenLosses(of batch: Batch, rows: Range<Int>, on tape: Tape) -> TokenLosses {
        let (inputs, targets, documents) = batch.tensors(of: rows, on: tape)
        return tokenLosses(of: inputs, predicting: targets, documents: documents, on: tape)
    }
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
///     let trainer = Trainer(.eugpt, on: processor, precision: .bfloat16, seed: 1)
///     let report = trainer.step(batch, rate: 3e-4)
package final class Trainer {
    package let model: GPT
    package let parameters: Parameters
    package let optimizer: AdamW
    package var clipping: Float = 1
    /// A batch is learned from in parts of about so many tokens, as if it were one: activations of more would not stay
    /// in the cache and would take memory (Documentation/decisions/micro-batches.md).
    package var microBatchTokens: Int
    package static let defaultMicroBatchTokens = 1_536
    /// Whoever learns an adapter has little memory, and no gradients of large weights to add up part by part.
    package static let loraMicroBatchTokens = 1_024

    package static func defaultMicroBatchTokens(isAdapting: Bool) -> Int { isAdapting ? loraMicroBatchTokens : defaultMicroBatchTokens }
    private let tape: Tape
    private let seed: UInt64

    package convenience init(_ configuration: GPTConfiguration, on processor: Processor, precision: DataType, recomputing: Bool = false,
                             seed: UInt64) {
        var list = ParameterList()
        var model = GPT(configuration, in: &list)
        model.recomputesBlocks = recomputing
        self.init(model, Parameters(list, on: processor, seed: seed), on: processor, precision: precision, seed: seed)
    }

    /// Learns on from weights that are there.
    package init(_ model: GPT, _ parameters: Parameters, on processor: Processor, precision: DataType, seed: UInt64) {
        self.model = model
        self.parameters = parameters
        self.seed = seed
        microBatchTokens = Self.defaultMicroBatchTokens(isAdapting: !parameters.frozen.isEmpty)
        // Before anything that comes and goes: in the middle of it they would leave holes.
        _ = parameters.gradients
        tape = Tape(processor, parameters: parameters, precision: precision)
        optimizer = AdamW(for: parameters, on: processor)
    }

    /// One optimiser step. A loss or gradient that is not finite leaves the weights as they are.
    package func step(_ batch: Batch, rate: Float) -> StepReport {
        let count = batch.learned
        var sum: Float = 0
        for (part, rows) in parts(of: batch).enumerated() {
            tape.reset(seed: seed &+ UInt64(optimizer.steps) << 20 &+ UInt64(part))
            let value = loss(of: rows, in: batch, count: count)
            sum += value.scalar
            tape.backward(from: value)
        }
        guard sum.isFinite else {
            parameters.zeroGradients()
            return StepReport(step: optimizer.steps, loss: sum, gradientNorm: .nan)
        }
        let norm = optimizer.update(rate: rate, clippingTo: clipping)
        return StepReport(step: optimizer.steps, loss: sum, gradientNorm: norm)
    }

    /// What each target that counts costs. Nothing is learned.
    package func tokenLosses(of batch: Batch) -> TokenLosses {
        var result = TokenLosses()
        for rows in parts(of: batch) {
            tape.reset()
            result += model.tokenLosses(of: batch, rows: rows, on: tape)
        }
        return result
    }

    /// The loss of some rows, whose sum is divided by `count`.
    private func loss(of rows: Range<Int>, in batch: Batch, count: Int) -> Tensor {
        let (inputs, targets, documents) = batch.tensors(of: rows, on: tape)
        return model.loss(of: inputs, predicting: targets, count: count, documents: documents, on: tape)
    }

    private func parts(of batch: Batch) -> [Range<Int>] {
        Self.parts(rows: batch.rows, length: batch.length, microBatchTokens: microBatchTokens)
    }

    /// Parts of the rows, as equal as can be: of two numbers of parts that are near what is wanted, the one that divides the rows.
    static func parts(rows: Int, length: Int, microBatchTokens: Int) -> [Range<Int>] {
        let wanted = min(max(1, (rows * length - 1) / microBatchTokens + 1), rows)
        let count = [wanted, wanted - 1, wanted + 1].first { $0 > 0 && rows % $0 == 0 } ?? wanted
        return (0..<count).map { rows * $0 / count..<rows * ($0 + 1) / count }
    }
}

/// Before anything is learned.
extension Trainer {
    /// About how long a step with such a batch will take: as many times a part's forward pass as the way back, the optimiser and all parts
    /// cost. The pass is
    /// measured, the second of two, since the first finds nothing in its place. Nothing is learned, and nothing drawn.
    ///
    /// - Parameter clock: seconds since whenever.
    package func estimatedStepSeconds(for batch: Batch, clock: () -> Double) -> Double {
        let parts = parts(of: batch), length = batch.length
        guard let rows = parts.first else { return 0 }
        let cut = { (ids: [Int32]) in Array(ids[rows.lowerBound * length..<rows.upperBound * length]) }
        let part = Batch(inputs: cut(batch.inputs), targets: cut(batch.targets), rows: rows.count, documents: batch.documents.map(cut))
        _ = tokenLosses(of: part)
        let begin = clock()
        _ = tokenLosses(of: part)
        return (clock() - begin) * Double(parts.count) * (model.recomputesBlocks ? 4 : 3)
    }
}
