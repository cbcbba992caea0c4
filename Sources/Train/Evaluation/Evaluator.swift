package import Autograd
package import Checkpoint
package import Distributed
import Hashing
package import Kernels
package import Model

/// Evaluates a model on texts with sliding windows.
///
///     let evaluator = try Evaluator(checkpoint, on: processor, precision: .float32)
///     let pieces = try evaluator.pieces(of: text) { share in … }
///     pieces.reduce(into: Evaluation(), +=).loss
///
/// The results do not depend on the number of rows per batch, bit for bit.
package struct Evaluator {
    /// Tokens from one window to the next; nil for half the context.
    package var stride: Int?
    /// Rows per batch; nil for as many as fit into the cache.
    package var rows: Int?
    private let context: Int
    /// The processes that share the batches; nil for one process.
    package var ranks: RankGroup?
    private let losses: (Batch) -> TokenLosses

    /// The length of a window: at most `context` tokens, or 1,024 if nil, and at most the model's context.
    package static func context(_ context: Int?, of configuration: GPTConfiguration) -> Int {
        min(context ?? 1_024, configuration.context)
    }

    /// - Parameter base: The base model of a LoRA adapter; by default, the checkpoint at the path that the adapter names.
    package init(
        _ checkpoint: Checkpoint, over base: Checkpoint? = nil, context: Int? = nil, on processor: Processor, precision: DataType
    ) throws(CheckpointError) {
        let (model, parameters) = try checkpoint.model(over: base, keepingQuantized: true, on: processor)
        let tape = Tape(processor, parameters: parameters, precision: precision)
        self.init(context: Self.context(context, of: model.configuration)) { batch in
            tape.reset()
            return model.tokenLosses(of: batch, rows: 0..<batch.rows, on: tape)
        }
    }

    /// Evaluates any implementation of a model.
    ///
    /// - Parameter losses: Computes the losses of the targets of a batch, in order.
    package init(context: Int, _ losses: @escaping (Batch) -> TokenLosses) {
        self.context = context
        self.losses = losses
    }

    /// The metrics of each piece of a text.
    package func pieces(of text: EvaluationText, progress: (_ share: Double) throws -> Void = { _ in }) throws -> [Evaluation] {
        let tokenLosses = try tokenLosses(of: text, progress: progress)
        return text.pieces.indices.map { i in
            var result = Evaluation()
            result.bytes = text.pieces[i].bytes
            let end = i + 1 < text.pieces.count ? text.pieces[i + 1].start : text.ids.count
            for position in text.pieces[i].start..<end where !(tokenLosses.nats[position] < 0) {
                result.add(
                    tokenLosses.nats[position], isTopPrediction: tokenLosses.isTopPrediction[position],
                    isTurnEnd: !text.isTurnEnd.isEmpty && text.isTurnEnd[position]
                )
            }
            return result
        }
    }

    /// The log-probability of each sequence of preferences.
    ///
    /// - Parameter progress: Called with the share that is done.
    package func logProbabilities(of data: PreferenceData, progress: (_ share: Double) -> Void) throws -> [Double] {
        try ranks?.check([("data", data.digest), ("window", "\(context) tokens, rows \(rows ?? 0)")])
        let indices = Array(data.sequences.indices), tokens = rows.map { $0 * context } ?? Trainer.defaultMicroBatchTokens
        let all = data.sequences.reduce(0) { $0 + $1.inputs.count }
        let found = data.logProbabilities(
            of: indices, tokens: tokens, sharesRows: false, over: ranks, progress: { progress(Double($0) / Double(max(all, 1))) }, losses)
        return indices.map { found[$0] ?? .nan }
    }

    /// The loss of each token, at its position in the text; −1 for tokens that are not targets.
    private func tokenLosses(of text: EvaluationText, progress: (_ share: Double) throws -> Void) throws -> TokenLosses {
        let stride = stride ?? max(1, context / 2)
        guard stride <= context else { throw EvaluationError.strideTooLong(stride: stride, context: context) }
        // The longest windows first: the rows of a batch have nearly the same length, and later batches need no new memory.
        let windows = text.windows(of: context, stride: stride).sorted { $0.inputs.count > $1.inputs.count }
        var result = TokenLosses()
        result.nats = Array(repeating: -1, count: text.ids.count)
        result.isTopPrediction = Array(repeating: false, count: text.ids.count)
        var batches: [ArraySlice<EvaluationText.Window>] = []
        while let first = windows[(batches.last?.endIndex ?? 0)...].first {
            let start = batches.last?.endIndex ?? 0
            let rows = rows ?? max(1, Trainer.defaultMicroBatchTokens / first.inputs.count)
            batches.append(windows[start..<min(start + rows, windows.count)])
        }
        try ranks?.check([("data", text.digest), ("window", "\(context) tokens, stride \(stride), rows \(rows ?? 0)")])
        let all = try ranks.shared(batches.count) { i in
            try progress(Double(batches[i].endIndex) / Double(windows.count))
            return losses(text.batch(batches[i], length: batches[i][batches[i].startIndex].inputs.count))
        }
        for (part, found) in zip(batches, all) {
            let positions = part.flatMap { $0.targets.filter { text.isCounted[$0] } }
            for (i, position) in positions.enumerated() {
                // Rounding can make the loss of a certain token slightly negative.
                result.nats[position] = found.nats[i] < 0 ? 0 : found.nats[i]
                result.isTopPrediction[position] = found.isTopPrediction[i]
            }
        }
        return result
    }
}

extension EvaluationText {
    /// A digest of the tokens and of which of them are targets.
    fileprivate var digest: String {
        let digest = Digest()
        digest.add(ids)
        digest.add(isCounted.map { $0 ? 1 : 0 })
        return digest.text
    }

    /// Windows as the rows of a batch. The padding comes after all targets, where causal attention does not reach it.
    fileprivate func batch(_ windows: ArraySlice<Window>, length: Int) -> Batch {
        var inputs: [Int32] = [], targets: [Int32] = []
        for window in windows {
            let padding = repeatElement(Int32(0), count: length - window.inputs.count)
            inputs += ids[window.inputs] + padding
            targets += window.inputs.map { $0 + 1 >= window.firstTarget && isCounted[$0 + 1] ? ids[$0 + 1] : -1 } + padding.map { _ in -1 }
        }
        var batch = Batch(inputs: inputs, targets: targets, rows: windows.count)
        batch.countAsOneEvent(turnEnds)
        return batch
    }
}
