import Autograd
import Kernels
import Testing
import TestSupport

@Suite(.serialized) struct GoldenOperationTests {
    @Test(arguments: GoldenCase.all, KernelVariant.all)
    func `an operation and its gradients match PyTorch`(_ operation: GoldenCase, _ kernels: KernelVariant) throws {
        let golden = Self.golden, name = operation.name
        let tape = Tape(try kernels.processor(), precision: kernels.activations)
        let inputs = Inputs(of: name, from: golden, on: tape, kernels)
        let r = tape.constant(golden.floats("\(name)/r"), golden.shape("\(name)/r"))
        for times in 1...2 {                     // the second gradient accumulates
            let y = operation.call(tape, inputs)
            #expect(y.shape == golden.shape("\(name)/y"))
            let found = tape.withoutRecording { tape.cast(tape.contiguous(y), to: .float32).floats }
            expectClose(found, golden.floats("\(name)/y"), within: kernels.forward, "y")
            tape.backward(from: y, gradient: r)
            for (input, x) in inputs.variables {
                let dx = try #require(tape.gradient(of: x), "d\(input)")
                let expected = golden.floats("\(name)/d\(input)").map { Float(times) * $0 }
                expectClose(dx.floats, expected, within: kernels.gradient, "\(times) · d\(input)")
            }
        }
    }

    @Test func `every case of the golden file is tested`() {
        let written = Set(Self.golden.names.map { String($0.prefix { $0 != "/" }) })
        #expect(written == Set(GoldenCase.all.map(\.name)))
    }

    private static let golden: GoldenTensors = {
        do { return try GoldenTensors.golden("operations") } catch { preconditionFailure("\(error)") }
    }()
}
