import Autograd
import Kernels
import Model
import Testing
import TestSupport

@Suite(.serialized) struct GoldenGPTTests {
    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard)
    func `the logits are PyTorch's`(_ variant: GoldenGPT.Variant, _ setting: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, setting), tape = gpt.tape
        let logits = tape.withoutRecording {
            tape.cast(gpt.model.logits(of: gpt.ids, documentStarts: gpt.documentStarts, on: tape), to: .float32)
        }
        expectClose(logits.floats, gpt.expected("logits"), within: setting.forward, "logits")
    }

    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard)
    func `the loss and the gradient of every parameter are PyTorch's`(_ variant: GoldenGPT.Variant, _ setting: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, setting)
        let loss = gpt.loss()
        expectClose([loss.scalar], [gpt.expected("losses")[0]], within: setting.forward, "loss")
        gpt.tape.backward(from: loss)
        for parameter in gpt.parameters.list {
            let gradient = gpt.parameters.gradient(of: parameter).floats
            expectClose(gradient, gpt.expected("gradient/\(parameter.name)"), within: setting.gradient, parameter.name)
        }
    }

    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard)
    func `what each target costs is PyTorch's loss in its parts, and the hits are those of its logits`(
        _ variant: GoldenGPT.Variant, _ setting: KernelVariant
    ) throws {
        let gpt = try GoldenGPT(variant, setting), logits = gpt.expected("logits"), V = 61
        let found = gpt.model.tokenLosses(of: gpt.ids, predicting: gpt.targets, documentStarts: gpt.documentStarts, on: gpt.tape)
        expectClose([found.nats.reduce(0, +) / Float(found.count)], [gpt.expected("losses")[0]], within: setting.forward, "loss")
        let counted = gpt.targets.ids.enumerated().filter { $0.element >= 0 }
        #expect(counted.count == found.count)
        guard setting.precision == .float32 else { return }
        let hits = counted.map { n, target in logits[n * V..<(n + 1) * V].max() == logits[n * V + Int(target)] }
        #expect(found.isTopPrediction == hits)
    }

    @Test(arguments: GoldenGPT.Variant.allCases)
    func `the parameters are those of PyTorch, by name`(_ variant: GoldenGPT.Variant) throws {
        let gpt = try GoldenGPT(variant, KernelVariant.all[0])
        let prefix = "\(variant.rawValue)/gradient/"
        let expected = gpt.golden.names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        #expect(gpt.parameters.list.map(\.name).sorted() == expected)
    }
}
