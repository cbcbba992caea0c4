import Autograd
import Kernels
import Model
import Testing
import TestSupport

@Suite(.serialized) struct GoldenGPTTests {
    @Test(arguments: GoldenGPT.Variant.allCases, Setting.tapes)
    func `the logits are PyTorch's`(_ variant: GoldenGPT.Variant, _ setting: Setting) throws {
        let gpt = try GoldenGPT(variant, setting), tape = gpt.tape
        let logits = tape.withoutRecording { tape.cast(gpt.model.logits(of: gpt.ids, documents: gpt.documents, on: tape), to: .float32) }
        expectClose(logits.floats, gpt.expected("logits"), within: setting.forward, "logits")
    }

    @Test(arguments: GoldenGPT.Variant.allCases, Setting.tapes)
    func `the loss and the gradient of every parameter are PyTorch's`(_ variant: GoldenGPT.Variant, _ setting: Setting) throws {
        let gpt = try GoldenGPT(variant, setting)
        let loss = gpt.loss()
        expectClose([loss.scalar], [gpt.expected("losses")[0]], within: setting.forward, "loss")
        gpt.tape.backward(from: loss)
        for parameter in gpt.parameters.list {
            let gradient = gpt.parameters.gradient(of: parameter).floats
            expectClose(gradient, gpt.expected("gradient/\(parameter.name)"), within: setting.gradient, parameter.name)
        }
    }

    @Test(arguments: GoldenGPT.Variant.allCases)
    func `the parameters are those of PyTorch, by name`(_ variant: GoldenGPT.Variant) throws {
        let gpt = try GoldenGPT(variant, Setting.all[0])
        let prefix = "\(variant.rawValue)/gradient/"
        let expected = gpt.golden.names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        #expect(gpt.parameters.list.map(\.name).sorted() == expected)
    }
}
