import Autograd
import Infer
import Kernels
import Model
import Testing
import TestSupport

@Suite struct RecomputationTests {
    @Test(arguments: Setting.tapes) func `scores are the last row of the golden model's logits`(_ setting: Setting) throws {
        let gpt = try GoldenGPT(.untied, setting), V = 61
        let answers = Recomputation(of: gpt.model, gpt.parameters, on: gpt.tape.processor, precision: setting.precision)
        let ids = gpt.golden.ids("batch/ids"), T = gpt.golden.shape("batch/ids")[1], expected = gpt.expected("logits")
        for row in 0..<2 {
            let scores = answers.scores(after: Array(ids[row * T..<(row + 1) * T]))
            expectClose(scores, Array(expected[((row + 1) * T - 1) * V..<(row + 1) * T * V]), within: setting.forward, "row \(row)")
        }
    }

    @Test func `the likeliest token follows again and again, until one ends it`() throws {
        let gpt = try GoldenGPT(.untied, Setting.tapes[0])
        let answers = Recomputation(of: gpt.model, gpt.parameters, on: gpt.tape.processor)
        let prompt = Array(gpt.golden.ids("batch/ids").prefix(5)), ten = answers.continuation(of: prompt, stoppingAt: [], most: 10)
        var ids = prompt
        for id in ten {
            let scores = answers.scores(after: ids)
            #expect(scores[Int(id)] == scores.max())
            ids.append(id)
        }
        #expect(ten.count == 10)
        let stop = ten[4], first = ten.firstIndex(of: stop) ?? 4
        #expect(answers.continuation(of: prompt, stoppingAt: [stop], most: 10) == Array(ten.prefix(first)))
        // Longer than the context of 24: the end is seen.
        #expect(answers.continuation(of: prompt, stoppingAt: [], most: 40).count == 40)
    }
}
