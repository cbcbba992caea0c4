import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Train

@Suite(.serialized) struct AdamWTests {
    /// The gradient norm of the untied variant is above 1 in the first steps and below 1 in the last, which tests clipping.
    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard)
    func `twenty steps match PyTorch's losses, gradient norms and weights`(_ variant: GoldenGPT.Variant, _ kernels: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, kernels), tape = gpt.tape
        let optimizer = AdamW(for: gpt.parameters, on: tape.processor)
        var losses: [Float] = [], norms: [Float] = []
        for rate in gpt.golden.floats("batch/rates") {
            tape.reset()
            let loss = gpt.loss()
            losses.append(loss.scalar)
            tape.backward(from: loss)
            norms.append(optimizer.update(rate: rate, clippingTo: 1))
        }
        #expect(optimizer.steps == 20)
        expectClose(losses, gpt.expected("losses"), within: kernels.gradient, "losses")
        expectClose(norms, gpt.expected("lengths"), within: kernels.gradient, "gradient norms")
        for parameter in gpt.parameters.list {
            var found = gpt.parameters.value(of: parameter).floats, expected = gpt.expected("trained/\(parameter.name)")
            if parameter.name.hasSuffix("qkv.bias") {
                // The bias of keys shifts all attention scores of a row equally. Its gradient is 0, and AdamW would amplify rounding
                // errors.
                let C = parameter.shape.count / 3
                found.removeSubrange(C..<2 * C)
                expected.removeSubrange(C..<2 * C)
            }
            expectClose(found, expected, within: kernels.gradient, parameter.name)
        }
    }
}
