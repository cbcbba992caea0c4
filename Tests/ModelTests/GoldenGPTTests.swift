import Autograd
import Kernels
import Model
import Testing
import TestSupport

@Suite(.serialized) struct GoldenGPTTests {
    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.training)
    func `the logits match PyTorch`(_ variant: GoldenGPT.Variant, _ kernels: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, kernels), tape = gpt.tape
        let logits = tape.withoutRecording {
            tape.cast(gpt.model.logits(of: gpt.ids, documentStarts: gpt.documentStarts, on: tape), to: .float32)
        }
        expectClose(logits.floats, gpt.expected("logits"), within: kernels.forward, "logits")
    }

    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.training)
    func `the loss and the gradient of every parameter match PyTorch`(
        _ variant: GoldenGPT.Variant, _ kernels: KernelVariant
    ) throws {
        let gpt = try GoldenGPT(variant, kernels)
        let loss = gpt.loss()
        expectClose([loss.scalar], [gpt.expected("losses")[0]], within: kernels.forward, "loss")
        gpt.tape.backward(from: loss)
        for parameter in gpt.parameters.list {
            let gradient = gpt.parameters.gradient(of: parameter).floats
            expectClose(gradient, gpt.expected("gradient/\(parameter.name)"), within: kernels.gradient, parameter.name)
        }
    }

    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.training)
    func `the token losses add up to PyTorch's loss, and the top predictions match its logits`(
        _ variant: GoldenGPT.Variant, _ kernels: KernelVariant
    ) throws {
        let gpt = try GoldenGPT(variant, kernels), logits = gpt.expected("logits"), V = 61
        let found = gpt.model.tokenLosses(of: gpt.ids, predicting: [gpt.targets], documentStarts: gpt.documentStarts, on: gpt.tape)[0]
        expectClose([found.nats.reduce(0, +) / Float(found.count)], [gpt.expected("losses")[0]], within: kernels.forward, "loss")
        let counted = gpt.targets.ids.enumerated().filter { $0.element >= 0 }
        #expect(counted.count == found.count)
        guard kernels.activations == .float32 else { return }
        let isTop = counted.map { n, target in logits[n * V..<(n + 1) * V].max() == logits[n * V + Int(target)] }
        #expect(found.isTopPrediction == isTop)
    }

    @Test(arguments: GoldenGPT.Variant.allCases)
    func `the parameters have the same names as in PyTorch`(_ variant: GoldenGPT.Variant) throws {
        let gpt = try GoldenGPT(variant, KernelVariant.all[0])
        let prefix = "\(variant.rawValue)/gradient/"
        let expected = gpt.golden.names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        #expect(gpt.parameters.list.map(\.name).sorted() == expected)
    }
}
