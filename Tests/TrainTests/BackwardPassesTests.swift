import Autograd
import Model
import Testing
import TestSupport
import Train

/// Which gradients a backward pass has completed.
@Suite struct BackwardPassesTests {
    private let list = ParameterList(of: GPTConfiguration(layers: 0, heads: 1, width: 8, context: 4, vocabulary: 16)).parameters

    @Test func `a gradient is complete when it was written as often as in earlier passes of its kind`() {
        var passes = BackwardPasses()
        let first = list[0], last = list[list.count - 1]
        func write(_ counts: [Int]) {
            for (parameter, count) in zip(list, counts).reversed() { for _ in 0..<count { passes.willWrite(parameter.index) } }
        }
        // Nothing is known of the first pass of a kind: the last parameter is written once in one kind, and twice in the other.
        for kind in [1, 2] {
            passes.begin(kind)
            write(list.indices.map { $0 == list.count - 1 ? kind : 1 })
            #expect(passes.frontier(in: list) == .max)
            passes.end()
        }
        passes.begin(2)
        passes.willWrite(last.index)
        passes.willWrite(first.index)
        #expect(passes.frontier(in: list) == .max)
        passes.begin(1)
        passes.willWrite(last.index)
        // It is being written.
        #expect(passes.frontier(in: list) == .max)
        passes.willWrite(first.index)
        #expect(passes.frontier(in: list) == last.start)
        write(list.indices.map { $0 == 0 || $0 == list.count - 1 ? 0 : 1 })
        #expect(passes.frontier(in: list) == list[2].start)
        passes.end()
        #expect(passes.frontier(in: list) == first.start)
    }

    @Test func `a gradient that is written once more than before stops the program`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var passes = BackwardPasses()
            for writes in [1, 2] {
                passes.begin(7)
                for _ in 0..<writes { passes.willWrite(3) }
                passes.end()
            }
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains("the gradient of parameter 3 was written after its sum"), "\(output.prefix(200))")
    }
}
