import Autograd
package import Checkpoint
package import Formats
package import Kernels
import Model
import Random
package import Tokenize

/// Runs a model on a text and collects the statistics of each matmul's inputs, with which quantized weights lose less.
///
///     let calibration = try Calibration(of: checkpoint, on: windows, with: processor)
///     let small = try checkpoint.quantized(to: .int4, on: processor, calibration: { calibration.statistics(of: $0) })
///
/// The statistics of a matrix with I inputs take 4·I² bytes. Those of a few matrices are collected in one pass over the text.
package final class Calibration {
    private let runner: ModelRunner
    private let windows: [[TokenID]]
    private let algebra: LinearAlgebra
    /// The inputs of each matmul, in the order in which the first pass finds them.
    private var inputs: [(name: String, count: Int)] = []
    private var collected: [String: InputStatistics] = [:]

    private static let bytesPerPass = 1 << 30

    /// - Parameters:
    ///   - windows: Pieces of text, each at most as long as the model's context; nil for text that the model generates.
    ///   - progress: Called with the share of that text which is generated.
    package init(
        of checkpoint: Checkpoint, on windows: [[TokenID]]? = nil, with processor: Processor, progress: (Double) -> Void = { _ in }
    ) throws {
        algebra = try LinearAlgebra(for: processor.instructionSet)
        let precision = PrecisionOption.auto.resolved(on: processor)
        runner = try ModelRunner(of: checkpoint, on: processor, precision: precision)
        self.windows = try windows ?? Self.generatedText(by: runner, progress)
    }

    /// The statistics of the inputs of a matrix; nil if no matmul uses it. Fastest for matrices in the order in which the model uses them.
    ///
    /// - Parameter progress: Called with the share of the text that has been read, if the model reads it for this matrix and others.
    package func statistics(of name: String, progress: (Double) -> Void = { _ in }) -> InputStatistics? {
        if inputs.isEmpty { findInputs() }
        if let found = collected[name] { return found }
        guard let start = inputs.firstIndex(where: { $0.name == name }) else { return nil }
        collected = [:]
        var bytes = 0
        for (name, count) in inputs[start...] {
            bytes += 4 * count * count
            if bytes > Self.bytesPerPass, !collected.isEmpty { break }
            collected[name] = InputStatistics(inputs: count, algebra)
        }
        let processor = runner.processor
        runner.observeInputs = { [collected] weight, x, rows in collected[weight.name]?.add(x, rows: rows, on: processor) }
        readText(progress)
        return collected[name]
    }

    /// The sums of the squared inputs of every matmul, for an importance matrix, in one pass over the text.
    ///
    /// - Parameter progress: Called with the share of the text that has been read.
    package func inputSquares(progress: (Double) -> Void = { _ in }) -> [String: ImportanceMatrix.Entry] {
        let processor = runner.processor
        var found: [String: ImportanceMatrix.Entry] = [:]
        runner.observeInputs = { weight, x, N in
            let I = weight.shape[1], squares = processor.buffer(of: N * I, .float32), sums = processor.buffer(of: I, .float32)
            processor.combine(.multiply, shape: [1, 1, N, I], x, strides: [0, 0, I, 1], x, strides: [0, 0, I, 1], into: squares)
            processor.sum(squares, outer: 1, R: N, inner: I, into: sums)
            var entry = found.removeValue(forKey: weight.name) ?? ImportanceMatrix.Entry(sums: [Float](repeating: 0, count: I), counts: [0])
            sums.read { sums in
                for i in 0..<I { entry.sums[i] += sums[i] }
            }
            entry.counts[0] += Float(N)
            found[weight.name] = entry
        }
        readText(progress)
        return found
    }

    /// The pieces of text, the tokens of the longest one, and those of all.
    package var windowCount: Int { windows.count }
    package var windowLength: Int { windows.reduce(0) { max($0, $1.count) } }
    package var tokenCount: Int { windows.reduce(0) { $0 + $1.count } }

    /// Runs the model on the text, and then stops observing its inputs.
    private func readText(_ progress: (Double) -> Void) {
        defer { runner.observeInputs = nil }
        for (index, window) in windows.enumerated() {
            progress(Double(index) / Double(windows.count))
            _ = runner.logits(for: [.init(runner.makeKVCache(), from: 0, ids: window, logits: .all)])
        }
    }

    private func findInputs() {
        var found: [(name: String, count: Int)] = []
        runner.observeInputs = { weight, _, _ in found.append((weight.name, weight.shape[1])) }
        // A mixture's tokens each reach a few of its experts.
        _ = runner.logits(for: [.init(runner.makeKVCache(), from: 0, ids: windows.first ?? [0])])
        runner.observeInputs = nil
        inputs = found
    }

    /// Text that the model itself generates at temperature 1, each piece after a random token.
    private static func generatedText(by runner: ModelRunner, _ progress: (Double) -> Void) throws -> [[TokenID]] {
        let V = runner.model.configuration.vocabulary, length = min(512, runner.model.configuration.context)
        var random = SeededRandom(seed: 1, stream: 0)
        let starts = (0..<16).map { _ in [TokenID.random(in: 0..<TokenID(V), using: &random)] }
        let texts = try GeneratedText.continuations(of: starts, by: runner, count: length - 1, progress: progress)
        return zip(starts, texts).map { $0 + $1 }
    }
}
