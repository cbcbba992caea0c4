package import Autograd
package import Checkpoint
package import Kernels
import Model

/// Asks a model about texts.
///
///     let evaluator = try Evaluator(checkpoint, on: processor, precision: .float32)
///     let pieces = try evaluator.pieces(of: text) { share in … }
///     pieces.reduce(into: Evaluation(), +=).loss
///
/// The figures are the same bits however many rows are read at once.
package struct Evaluator {
    /// Tokens from one window to the next; nil for half the context.
    package var stride: Int?
    /// Rows that are read at once; nil for as many as stay in the cache.
    package var rows: Int?
    private let context: Int
    /// What the targets of a batch that count cost the model.
    private let ask: (Batch) -> TokenLosses

    /// - Parameter base: the model that an adapter is for, where that is not where it was.
    package init(_ checkpoint: Checkpoint, base: String? = nil, on processor: Processor, precision: DataType) throws(CheckpointError) {
        let (model, parameters) = try checkpoint.model(base: base, on: processor), tape = Tape(processor, parameters: parameters, precision: precision)
        self.init(context: model.configuration.context) { batch in
            tape.reset()
            return model.tokenLosses(of: batch, rows: 0..<batch.rows, on: tape)
        }
    }

    /// Whoever else carries a model out: it is asked for what the targets of each batch that count cost it, in their order.
    package init(context: Int, _ ask: @escaping (Batch) -> TokenLosses) { (self.context, self.ask) = (context, ask) }

    /// What is told of each piece of a text.
    package func pieces(of text: EvaluationText, progress: (_ share: Double) -> Void = { _ in }) throws -> [Evaluation] {
        let tokenLosses = try tokenLosses(of: text, progress: progress)
        return text.pieces.indices.map { i in
            var result = Evaluation()
            result.bytes = text.pieces[i].bytes
            for place in text.pieces[i].start..<(i + 1 < text.pieces.count ? text.pieces[i + 1].start : text.ids.count) where !(tokenLosses.nats[place] < 0) {
                result.add(tokenLosses.nats[place], isHit: tokenLosses.isTopPrediction[place])
            }
            return result
        }
    }

    /// What each token costs, at its place in the text; −1 for those that do not count.
    private func tokenLosses(of text: EvaluationText, progress: (_ share: Double) -> Void) throws -> TokenLosses {
        let stride = stride ?? max(1, context / 2)
        guard stride <= context else { throw EvaluationError.strideTooLong(stride: stride, context: context) }
        // The longest first: rows of a batch are nearly of one length, and memory is asked for once.
        let windows = text.windows(of: context, stride: stride).sorted { $0.inputs.count > $1.inputs.count }
        var result = TokenLosses(), done = 0
        result.nats = Array(repeating: -1, count: text.ids.count)
        result.isTopPrediction = Array(repeating: false, count: text.ids.count)
        while done < windows.count {
            let length = windows[done].inputs.count, rows = rows ?? max(1, Trainer.defaultMicroBatchTokens / length)
            let part = windows[done..<min(done + rows, windows.count)]
            let found = ask(text.batch(part, length: length))
            let places = part.flatMap { $0.targets.filter { text.isCounted[$0] } }
            for (i, place) in places.enumerated() {
                // What is certain may be rounded to less than nothing.
                result.nats[place] = found.nats[i] < 0 ? 0 : found.nats[i]
                result.isTopPrediction[place] = found.isTopPrediction[i]
            }
            done += part.count
            progress(Double(done) / Double(windows.count))
        }
        return result
    }
}

extension EvaluationText {
    /// Windows as the rows of a batch. What fills a row up is behind all that counts, where nothing sees it.
    fileprivate func batch(_ windows: ArraySlice<Window>, length: Int) -> Batch {
        var inputs: [Int32] = [], targets: [Int32] = []
        for window in windows {
            let missing = repeatElement(Int32(0), count: length - window.inputs.count)
            inputs += ids[window.inputs] + missing
            targets += window.inputs.map { $0 + 1 >= window.firstTarget && isCounted[$0 + 1] ? ids[$0 + 1] : -1 } + missing.map { _ in -1 }
        }
        return Batch(inputs: inputs, targets: targets, rows: windows.count)
    }
}
