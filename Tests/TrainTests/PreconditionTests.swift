import Testing
import Train

/// Programming errors trap with a message that names the sizes.
@Suite struct PreconditionTests {
    @Test func `a batch whose document starts have another length than its inputs stops the program`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Batch(inputs: [1, 2], targets: [2, 3], rows: 1, documentStarts: [0])
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains("a batch of 2 inputs and 2 targets in 1 rows"), "\(output.prefix(200))")
    }
}
