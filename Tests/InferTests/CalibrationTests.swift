import Autograd
import Checkpoint
import Formats
import Infer
import Kernels
import Model
import TestSupport
import Testing

/// Checkpoints in int4 that are fitted to the activations of a text.
@Suite struct CalibrationTests {
    @Test(arguments: [true, false])
    func `a checkpoint is calibrated on a text, or on what it generates`(hasText: Bool) throws {
        let p = try Processor(threads: 2), model = try GoldenGPT(.untied, KernelVariant.standard[0])
        let values = model.parameters.list.map { (name: $0.name, array: FloatArray(model.parameters.values[$0.range], shape: $0.shape)) }
        var exact = Checkpoint(model.model.configuration, weights: [:])
        for (name, array) in values { exact.weights[name] = array }
        let ids = Array(model.golden.ids("batch/ids").prefix(24))
        let calibration = try Calibration(of: exact, on: hasText ? [ids] : nil, with: p)
        let fitted = try exact.quantized(to: .int4, on: p, calibration: { calibration.statistics(of: $0) })
        #expect(fitted.quantized["head.weight"]?.precision == .int6 && fitted.quantized["tokens.weight"]?.precision == .int8)
        #expect(fitted.quantized["layer0.up.weight"]?.precision == .int4 && fitted.quantizedPrecision == .int4)
        #expect(calibration.statistics(of: "positions.weight") == nil)
    }

    @Test(arguments: [GoldenGPT.Variant.untied, .experts])
    func `the squares of all inputs of a text add up`(variant: GoldenGPT.Variant) throws {
        let p = try Processor(threads: 2), model = try GoldenGPT(variant, KernelVariant.standard[0])
        let configuration = model.model.configuration
        var exact = Checkpoint(configuration, weights: [:])
        for parameter in model.parameters.list {
            exact.weights[parameter.name] = FloatArray(model.parameters.values[parameter.range], shape: parameter.shape)
        }
        let windows = [Array(model.golden.ids("batch/ids").prefix(24)), Array(model.golden.ids("batch/ids").suffix(9))]
        let calibration = try Calibration(of: exact, on: windows, with: p), squares = calibration.inputSquares()
        #expect(calibration.windowCount == 2 && calibration.windowLength == 24 && calibration.tokenCount == 33)
        // Each token has one input of every matrix, and of two experts.
        let expertTokens = squares.filter { $0.key.hasPrefix("layer1.expert") && $0.key.hasSuffix("down.weight") }
        #expect(expertTokens.values.reduce(0) { $0 + $1.counts[0] } == (configuration.experts == nil ? 0 : 66))
        for (name, entry) in squares where !name.contains(".expert") { #expect(entry.counts == [33], "\(name)") }
        #expect(squares["layer0.qkv.weight"]?.sums.count == 32 && squares["tokens.weight"] == nil)
        let runner = try ModelRunner(of: exact, on: p, precision: PrecisionOption.auto.resolved(on: p))
        var totals: [String: Double] = [:]
        runner.observeInputs = { weight, x, _ in totals[weight.name, default: 0] += p.sumOfSquares(x) }
        for window in windows { _ = runner.logits(for: [.init(runner.makeKVCache(), from: 0, ids: window, logits: .all)]) }
        #expect(Set(squares.keys) == Set(totals.keys))
        for (name, entry) in squares {
            let sum = entry.sums.reduce(0) { $0 + Double($1) }, total = totals[name] ?? 0
            #expect(abs(sum - total) < 1e-5 * total, "\(name): \(sum), \(total)")
        }
    }
}
