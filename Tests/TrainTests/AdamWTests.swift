import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Train

@Suite(.serialized) struct AdamWTests {
    /// The gradient norm of the untied variant is above 1 in the first steps and below 1 in the last, which tests clipping.
    @Test(arguments: GoldenGPT.Variant.allCases, KernelVariant.standard + KernelVariant.devices.filter { $0.precision == .float32 })
    func `twenty steps match PyTorch's losses, gradient norms and weights`(_ variant: GoldenGPT.Variant, _ kernels: KernelVariant) throws {
        let gpt = try GoldenGPT(variant, kernels), tape = gpt.tape
        let optimizer = Optimizer(for: gpt.parameters, on: tape.processor)
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

    @Test func `with LoRA+, B and magnitudes have a higher rate than A, and those of an embedding do not`() throws {
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: 12, vocabulary: 29)
        var shape = LoRAConfiguration(rank: 2, names: ["q", "down", "embedding"], of: configuration)
        shape.usesDoRA = true
        let list = ParameterList(of: configuration, lora: shape)
        let processor = try Processor(threads: 1), frozen = processor.zeros(list.frozen.count)
        let parameters = Parameters(list, over: frozen, on: processor, seed: 1)
        let before = parameters.list.map { parameters.value(of: $0).floats }
        _ = parameters.allGradients()
        parameters.gradients.write { span in for i in span.indices { span[i] = 1 } }
        let optimizer = Optimizer(for: parameters, on: processor)
        optimizer.decay = 0
        optimizer.learningRateScale = { Optimizer.loraPlusScale(of: $0, ratio: 4) }
        optimizer.update(rate: 0.5)                              // the first step moves each weight by its rate
        for (parameter, before) in zip(parameters.list, before) {
            let isFast = parameter.name.hasPrefix("layer") && !parameter.name.hasSuffix("lora_A"), rate: Float = isFast ? 2 : 0.5
            // Numbers of B outside of the blocks have no gradient.
            let after = parameters.value(of: parameter).floats, moved = zip(before, after).filter { $0 != $1 }
            expectClose(moved.map { $0.0 - $0.1 }, moved.map { _ in rate }, within: .gradient, parameter.name)
            #expect(!moved.isEmpty)
        }
    }

    /// The weights of QK-norm are stored as one matrix [2, D].
    @Test func `matrices have weight decay, and norms and biases have none`() throws {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 16, context: 12, vocabulary: 29)
        configuration.qkNorm = .scaled
        configuration.hasPostNorms = true
        let list = ParameterList(of: configuration)
        let processor = try Processor(threads: 1), parameters = Parameters(list, on: processor, seed: 1)
        let before = parameters.list.map { parameters.value(of: $0).floats }
        let optimizer = Optimizer(for: parameters, on: processor)
        optimizer.update(rate: 1)                                // all gradients are 0
        var decayed: Set<String> = []
        for (parameter, before) in zip(parameters.list, before) {
            let isBias = parameter.name.hasSuffix(".bias"), isNorm = parameter.name.contains("norm")
            let after = parameters.value(of: parameter).floats
            expectClose(after, isBias || isNorm ? before : before.map { 0.9 * $0 }, within: .forward, parameter.name)
            if after != before, let part = parameter.name.split(separator: ".").dropLast().last { decayed.insert(String(part)) }
        }
        #expect(decayed == ["tokens", "positions", "qkv", "output", "up", "down", "head"])
    }
}
