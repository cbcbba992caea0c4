import Autograd
import Checkpoint
import Formats
import Infer
import Kernels
import Model
import Tokenize
import Train

// Checkpoints with quantized matrices.
extension ExportOptions {
    /// The tokens of a text that calibration reads at most: more hardly changes the result.
    private static let mostCalibrationTokens = 65_536
    private static let windowLength = 512

    /// The checkpoint in int8, int6 or int4, calibrated on --calibrate, or on text that the model generates.
    func quantized(_ checkpoint: Checkpoint, to precision: WeightPrecision, on processor: Processor) throws -> Checkpoint {
        try calibrating(checkpoint, on: processor) { statistics in
            try checkpoint.quantized(to: precision, on: processor) { name in
                // Blocks in int8 lose nothing that calibration could save: see decisions/int8.md.
                precision == .int8 && !Checkpoint.isEmbeddingOrHead(name) ? nil : statistics(name)
            }
        }
    }

    /// Calls `body` with a function that collects the statistics of a matrix's inputs, and shows the progress.
    func calibrating<Result>(
        _ checkpoint: Checkpoint, on processor: Processor, _ body: ((_ name: String) -> InputStatistics?) throws -> Result
    ) throws -> Result {
        let generation = ProgressBar("generating text to calibrate on", isVisible: !quiet)
        let calibration = try Calibration(
            of: checkpoint, on: try calibrate.map { try windows(of: $0, for: checkpoint, on: processor) }, with: processor
        ) { generation.show(fraction: $0, "of the tokens") }
        generation.clear()
        let reading = ProgressBar("running the model on the text", isVisible: !quiet)
        let progress = ProgressBar("quantizing", isVisible: !quiet)
        let costs = checkpoint.quantizationCosts, total = max(1, costs.values.reduce(0, +))
        var done = 0.0
        let result = try body { name in
            let statistics = calibration.statistics(of: name) { reading.show(fraction: $0, "of the text") }
            reading.clear()
            progress.show(fraction: min(1, done / total), name)
            done += costs[name] ?? 0
            return statistics
        }
        progress.clear()
        return result
    }

    private func windows(of path: String, for checkpoint: Checkpoint, on processor: Processor) throws -> [[TokenID]] {
        let ids = try EvaluationReader(checkpoint, on: processor.pool).text(at: path).ids.prefix(Self.mostCalibrationTokens)
        let length = min(Self.windowLength, checkpoint.configuration.context)
        return stride(from: 0, to: ids.count, by: length).map { Array(ids[$0..<min($0 + length, ids.count)]) }
    }

    /// Prints the loss of the exported model on a text beside that of the model that it was made from, in f32.
    func printLoss(of result: String, beside original: String) throws {
        guard let check else { return }
        func loss(of path: String, as type: PrecisionOption) throws -> Double {
            var evaluation = EvalOptions()
            evaluation.checkpoint = path
            evaluation.base = path == original ? base : nil
            evaluation.data = [check]
            evaluation.dtype = type
            evaluation.quiet = quiet
            let model = try ModelFile(path, base: evaluation.base)
            try model.verify()
            let command = try EvalCommand(evaluation), files = try EvaluationReader.files(at: [check])
            let pieces = try command.pieces(of: model, files, EvalCommand.lossScope(of: [model.checkpoint]))
            return pieces.flatMap(\.pieces).reduce(into: Evaluation(), +=).loss
        }
        let before = try loss(of: original, as: .f32), after = try loss(of: result, as: .auto), difference = after - before
        printLine("\(check): \(after.fixed(4)) nats per token, \(before.fixed(4)) in f32: "
            + "\(difference < 0 ? "−" : "+")\(abs(difference).fixed(4))")
    }
}

extension Checkpoint {
    /// What the error feedback of each matrix costs: outputs × inputs² operations.
    fileprivate var quantizationCosts: [String: Double] {
        func cost(_ outputs: Int, _ inputs: Int) -> Double { Double(outputs) * Double(inputs) * Double(inputs) }
        var costs: [String: Double] = [:]
        for (name, array) in weights where Self.isMatrix(name, array.shape) { costs[name] = cost(array.shape[0], array.shape[1]) }
        for (name, matrix) in quantized { costs[name] = cost(matrix.outputs, matrix.inputs) }
        return costs
    }
}
