package import Autograd
package import Kernels
package import Model

/// The result of one optimizer step.
package struct StepReport: Sendable {
    package let step: Int
    /// The mean loss over the targets that count, before the update.
    package let loss: Float
    /// Before clipping.
    package let gradientNorm: Float
    /// The number of targets that count.
    package let targets: Int
    /// The metrics of a step on preferences.
    package var preferences: PreferenceMetrics?
    /// The time that the step waited for other ranks; nil without ranks.
    package var waitedSeconds: Double?
}

/// Takes one optimizer step; the training loop is ``TrainingRun/run(clock:shouldStop:_:)``. Prints nothing, and reads no clock and no file.
///
///     let trainer = Trainer(.eugpt, on: processor, precision: .bfloat16, seed: 1)
///     let report = trainer.step(batch, rate: 3e-4)
package final class Trainer {
    package internal(set) var model: GPT
    package let parameters: Parameters
    package let optimizer: Optimizer
    /// The length of a training row: the model's context, or less.
    package var context: Int
    /// The maximum gradient norm.
    package var clipping: Float = 1
    /// The approximate number of tokens per micro-batch. The gradients of the micro-batches of a batch are accumulated. The activations of
    /// larger micro-batches would not fit into the cache and would need more memory (Documentation/decisions/micro-batches.md).
    package var microBatchTokens: Int
    package static let defaultMicroBatchTokens = 1_536
    /// LoRA is used where memory is short, and has no gradients of large weights to accumulate.
    package static let loraMicroBatchTokens = 1_024

    package static func defaultMicroBatchTokens(usesLoRA: Bool) -> Int { usesLoRA ? loraMicroBatchTokens : defaultMicroBatchTokens }
    /// How the gradients of a batch are summed; nil for one micro-batch after the other, in this process.
    package var groups: GradientGroups?
    let tape: Tape
    private let seed: UInt64

    /// Creates a model with random weights.
    ///
    /// - Parameter recomputesBlocks: Whether the backward pass recomputes the blocks instead of storing their activations.
    package convenience init(
        _ configuration: GPTConfiguration, on processor: Processor, precision: DataType, recomputesBlocks: Bool = false, seed: UInt64
    ) {
        var list = ParameterList()
        var model = GPT(configuration, in: &list)
        model.recomputesBlocks = recomputesBlocks
        self.init(model, Parameters(list, on: processor, seed: seed), on: processor, precision: precision, seed: seed)
    }

    /// Trains existing weights.
    package init(_ model: GPT, _ parameters: Parameters, on processor: Processor, precision: DataType, seed: UInt64) {
        self.model = model
        context = model.configuration.context
        self.parameters = parameters
        self.seed = seed
        microBatchTokens = processor.rowsAtOnce(Self.defaultMicroBatchTokens(usesLoRA: !parameters.frozen.isEmpty))
        // Allocates the gradients before any short-lived buffers, to avoid fragmentation.
        _ = parameters.gradients
        tape = Tape(processor, parameters: parameters, precision: precision)
        optimizer = Optimizer(for: parameters, on: processor)
    }

    /// Updates the weights of linear layers with ``Muon``, at `rateRatio` times the learning rate of the others.
    package func useMuon(rateRatio: Float) { optimizer.muon = Muon(rateRatio: rateRatio, in: tape.matmulPrecision) }

    /// Takes one optimizer step. A loss or gradient that is not finite leaves the weights unchanged.
    package func step(_ batch: Batch, rate: Float) -> StepReport {
        if let groups { return measuringWait { step(batch, rate: rate, groups) } }
        return update(loss: accumulateGradients(of: batch), targets: batch.targetCount, rate: rate)
    }

    /// Updates the weights with the accumulated gradients, if the loss is finite.
    func update(loss: Float, targets: Int, rate: Float, _ preferences: PreferenceMetrics? = nil) -> StepReport {
        var norm = Float.nan
        if loss.isFinite, let groups {
            norm = groups.gradientNorm
            optimizer.update(rate: rate, clippingTo: clipping, norm: norm, groups)
            groups.gatherWeights()
        } else if loss.isFinite {
            norm = optimizer.update(rate: rate, clippingTo: clipping)
        } else {
            parameters.zeroGradients()
        }
        return StepReport(step: optimizer.steps, loss: loss, gradientNorm: norm, targets: targets, preferences: preferences)
    }

    /// Clears the tape for a micro-batch, whose dropout depends on the step and on its index.
    func reset(forPart part: Int) {
        tape.savesMemory = model.recomputesBlocks
        tape.reset(seed: seed &+ UInt64(optimizer.steps) << 20 &+ UInt64(part))
    }

    /// Adds the gradients of a batch to those of the parameters. Returns the mean loss over the targets that count.
    package func accumulateGradients(of batch: Batch) -> Float {
        let count = batch.targetCount
        var sum: Float = 0
        for (part, rows) in microBatches(of: batch).enumerated() {
            reset(forPart: part)
            let loss = loss(of: rows, in: batch, count: count)
            sum += loss.scalar
            tape.backward(from: loss)
        }
        return sum
    }

    /// The loss of each target that counts, without an update.
    package func tokenLosses(of batch: Batch) -> TokenLosses {
        var result = TokenLosses()
        for rows in microBatches(of: batch) {
            tape.reset()
            result += model.tokenLosses(of: batch, rows: rows, on: tape)
        }
        return result
    }

    /// The summed loss of some rows, divided by `count`.
    func loss(of rows: Range<Int>, in batch: Batch, count: Int) -> Tensor {
        let (inputs, targets, documentStarts) = batch.tensors(of: rows, on: tape)
        return model.loss(of: inputs, predicting: targets, count: count, documentStarts: documentStarts, on: tape)
    }

    private func microBatches(of batch: Batch) -> [Range<Int>] {
        Self.microBatches(rows: batch.rows, length: batch.length, microBatchTokens: microBatchTokens)
    }

    /// Divides rows into micro-batches of nearly equal size. Prefers a number of micro-batches that divides the rows, if one is within 1.
    static func microBatches(rows: Int, length: Int, microBatchTokens: Int) -> [Range<Int>] {
        let ideal = min(max(1, (rows * length - 1) / microBatchTokens + 1), rows)
        let count = [ideal, ideal - 1, ideal + 1].first { $0 > 0 && rows % $0 == 0 } ?? ideal
        return (0..<count).map { rows * $0 / count..<rows * ($0 + 1) / count }
    }
}

extension Trainer {
    /// Whether the weights give a finite loss on the first row of a batch. Changes no state.
    func hasFiniteLoss(on batch: Batch) -> Bool { tokenLosses(of: batch.selecting(0..<1)).nats.allSatisfy(\.isFinite) }

    /// Estimates the time of a step: the forward and backward pass of a micro-batch, times the number of micro-batches, and the optimizer's
    /// passes over the parameters.
    ///
    /// Measures a second micro-batch if the first, which allocates memory, is short. Changes no state.
    ///
    /// - Parameter clock: Monotonic seconds.
    package func estimatedStepSeconds(for batch: Batch, clock: () -> Double) -> Double {
        let microBatches = microBatches(of: batch)
        guard let rows = microBatches.first else { return 0 }
        func measured(_ body: () -> Void) -> Double {
            let begin = clock()
            body()
            return clock() - begin
        }
        func pass() {
            tape.reset(seed: 0)
            tape.backward(from: loss(of: rows, in: batch, count: batch.targetCount))
        }
        var passSeconds = measured(pass)
        if passSeconds < 1 { passSeconds = measured(pass) }
        tape.reset()
        // Their norm reads the gradients. AdamW then reads weights, gradients and two moments, and writes all but the gradients.
        let normSeconds = measured { _ = optimizer.gradientNorm() }
        let muonSeconds = optimizer.muon == nil ? 0 : measured(optimizer.rehearseMuon)
        parameters.zeroGradients()
        return passSeconds * Double(microBatches.count) + normSeconds * 8 + muonSeconds
    }
}
