import Autograd
import Kernels
import Testing
import TestSupport

@Suite(.serialized) struct GoldenOperationTests {
    @Test(arguments: GoldenCase.all, KernelVariant.all)
    func `an operation and its derivatives are PyTorch's`(_ operation: GoldenCase, _ setting: KernelVariant) throws {
        let golden = Self.golden, name = operation.name
        let tape = Tape(try setting.processor(), precision: setting.precision)
        let inputs = Inputs(of: name, from: golden, on: tape, setting)
        let y = operation.call(tape, inputs)
        #expect(y.shape == golden.shape("\(name)/y"))
        let found = tape.withoutRecording { tape.cast(tape.contiguous(y), to: .float32).floats }
        expectClose(found, golden.floats("\(name)/y"), within: setting.forward, "y")

        let r = tape.constant(golden.floats("\(name)/r"), golden.shape("\(name)/r"))
        for times in 1...2 {                     // the second gradient is added to the first
            tape.backward(from: y, gradient: r, keeping: true)
            for (input, x) in inputs.variables {
                let dx = try #require(tape.gradient(of: x), "d\(input)")
                let expected = golden.floats("\(name)/d\(input)").map { Float(times) * $0 }
                expectClose(dx.floats, expected, within: setting.gradient, "\(times) · d\(input)")
            }
        }
    }

    @Test func `every case that PyTorch computed is looked at`() {
        let written = Set(Self.golden.names.map { String($0.prefix { $0 != "/" }) })
        #expect(written == Set(GoldenCase.all.map(\.name)))
    }

    private static let golden: GoldenTensors = {
        do { return try GoldenTensors.golden("operations") } catch { preconditionFailure("\(error)") }
    }()
}
