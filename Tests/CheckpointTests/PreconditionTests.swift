import Autograd
import Checkpoint
import Kernels
import Testing

/// Programming errors trap with a message that names the sizes.
@Suite struct PreconditionTests {
    @Test func `an array whose shape has another number of elements stops the program`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = FloatArray(try Processor(threads: 1, instructionSet: "plain").zeros(6), shape: [2, 4])
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains("expected 8 f32 numbers for an array [2, 4], found 6 of f32"), "\(output.prefix(200))")
    }
}
