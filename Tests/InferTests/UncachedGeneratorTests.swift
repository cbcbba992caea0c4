import Autograd
import Infer
import Kernels
import Model
import Testing
import TestSupport

@Suite struct UncachedGeneratorTests {
    @Test(arguments: KernelVariant.standard)
    func `logits after a text are the last row of the golden model's logits`(_ variant: KernelVariant) throws {
        let gpt = try GoldenGPT(.untied, variant), V = 61
        let generator = UncachedGenerator(of: gpt.model, gpt.parameters, on: gpt.tape.processor, precision: variant.precision)
        let ids = gpt.golden.ids("batch/ids"), T = gpt.golden.shape("batch/ids")[1], expected = gpt.expected("logits")
        for row in 0..<2 {
            let logits = generator.logits(after: Array(ids[row * T..<(row + 1) * T]))
            expectClose(logits, Array(expected[((row + 1) * T - 1) * V..<(row + 1) * T * V]), within: variant.forward, "row \(row)")
        }
    }

    @Test func `generation is greedy and ends at a stop token`() throws {
        let gpt = try GoldenGPT(.untied, KernelVariant.standard[0])
        let generator = UncachedGenerator(of: gpt.model, gpt.parameters, on: gpt.tape.processor)
        let prompt = Array(gpt.golden.ids("batch/ids").prefix(5)), ten = generator.completion(of: prompt, stoppingAt: [], most: 10)
        var ids = prompt
        for id in ten {
            let logits = generator.logits(after: ids)
            #expect(logits[Int(id)] == logits.max())
            ids.append(id)
        }
        #expect(ten.count == 10)
        let stop = ten[4], first = ten.firstIndex(of: stop) ?? 4
        #expect(generator.completion(of: prompt, stoppingAt: [stop], most: 10) == Array(ten.prefix(first)))
        // Longer than the context of 24: only the end is used.
        #expect(generator.completion(of: prompt, stoppingAt: [], most: 40).count == 40)
    }
}
