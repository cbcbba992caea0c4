import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Train

@Suite(.serialized) struct AdamWTests {
    /// The untied one's gradient is longer than 1 in the first steps and shorter in the last: clipping is seen at both.
    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard)
    func `twenty steps leave PyTorch's losses, lengths and weights`(_ variant: GoldenGPT.Variant, _ setting: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, setting), tape = gpt.tape
        let optimizer = AdamW(for: gpt.parameters, on: tape.processor)
        var losses: [Float] = [], lengths: [Float] = []
        for rate in gpt.golden.floats("batch/rates") {
            tape.reset()
            let loss = gpt.loss()
            losses.append(loss.scalar)
            tape.backward(from: loss)
            lengths.append(optimizer.update(rate: rate, clippingTo: 1))
        }
        #expect(optimizer.steps == 20)
        expectClose(losses, gpt.expected("losses"), within: setting.gradient, "losses")
        expectClose(lengths, gpt.expected("lengths"), within: setting.gradient, "lengths")
        for parameter in gpt.parameters.list {
            var found = gpt.parameters.value(of: parameter).floats, expected = gpt.expected("trained/\(parameter.name)")
            if parameter.name.hasSuffix("qkv.bias") {
                // A key's bias shifts all scores of a row alike: its gradient is 0, of which AdamW would enlarge the rounding errors.
                let C = parameter.shape.count / 3
                found.removeSubrange(C..<2 * C)
                expected.removeSubrange(C..<2 * C)
            }
            expectClose(found, expected, within: setting.gradient, parameter.name)
        }
    }
}
