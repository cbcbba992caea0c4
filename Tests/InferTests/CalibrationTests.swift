import Autograd
import Checkpoint
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
}
