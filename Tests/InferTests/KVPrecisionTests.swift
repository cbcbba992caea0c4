import Autograd
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Keys and values of fewer bits than the weights, in a model whose keys have biases as large as those of Qwen2.5: a few channels of each
/// head are far larger than the others.
@Suite struct KVPrecisionTests {
    private static func model(_ processor: Processor, hasQKVBias: Bool) -> (GPT, Parameters) {
        var configuration = GPTConfiguration(layers: 2, heads: 4, width: 256, context: 512, vocabulary: 300)
        configuration.keyValueHeads = 2
        configuration.hiddenWidth = 512
        configuration.isGated = true
        configuration.hasBias = false
        configuration.hasQKVBias = hasQKVBias
        configuration.norm = .rms
        configuration.activation = .silu
        configuration.positions = .rotary
        configuration.rotary.base = 1_000_000
        configuration.isTied = true
        var list = ParameterList()
        let model = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor, seed: 3)
        for parameter in list.parameters where parameter.shape.rank == 2 {
            parameters.values[parameter.range].write { span in for i in span.indices { span[i] *= 4 } }
        }
        for parameter in list.parameters where parameter.name.hasSuffix("qkv.bias") {
            // Rotary positions turn the upper channels of each half slowly.
            for head in 0..<2 {
                for (channel, bias) in [(20, Float(60)), (27, -40), (52, 50), (61, -90)] {
                    let i = parameter.range.lowerBound + (4 + head) * 64 + channel
                    parameters.values[i..<i + 1].write { $0[0] = bias }
                }
            }
        }
        return (model, parameters)
    }

    private func logProbabilities(_ runner: ModelRunner, _ ids: [TokenID]) -> [Float] {
        let losses = runner.tokenLosses(of: Array(ids.dropLast()), predicting: [Array(ids.dropFirst())])
        return losses[0].nats
    }

    private func meanError(_ found: [Float], _ expected: [Float]) -> Float {
        zip(found, expected).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(expected.count)
    }

    @Test(arguments: Processor.instructionSets)
    func `keys with large biases lose more in an int8 cache than in bf16`(instructionSet: String) throws {
        let processor = try Processor(threads: 2, instructionSet: instructionSet)
        let (model, parameters) = Self.model(processor, hasQKVBias: true)
        func runner(_ cache: KVPrecisionOption) -> ModelRunner {
            ModelRunner(of: model, parameters, on: processor, precision: .float32, cache: cache)
        }
        let ids = (0..<400).map { TokenID($0 * $0 % 299) }, exact = logProbabilities(runner(.auto), ids)
        let bf16 = meanError(logProbabilities(runner(.bf16), ids), exact), int8 = meanError(logProbabilities(runner(.int8), ids), exact)
        #expect(bf16 < 0.06 && int8 > bf16 && int8 < 0.15, "bf16 \(bf16), int8 \(int8)")
    }

    @Test(arguments: [true, false])
    func `the default is bf16 instead of int8 where keys have biases of their own`(hasQKVBias: Bool) throws {
        let processor = try Processor(threads: 1), (model, parameters) = Self.model(processor, hasQKVBias: hasQKVBias)
        func found(_ weights: WeightPrecision, _ cache: KVPrecisionOption) -> WeightPrecision {
            ModelRunner(of: model, parameters, on: processor, precision: weights, cache: cache).makeKVCache().precision
        }
        let small: WeightPrecision = hasQKVBias ? .bfloat16 : .int8
        for weights in [WeightPrecision.int8, .int6, .int4] { #expect(found(weights, .auto) == small, "\(weights)") }
        #expect(found(.float32, .auto) == .float32 && found(.bfloat16, .auto) == .bfloat16)
        for weights in [WeightPrecision.float32, .int4] {
            #expect(found(weights, .int8) == .int8 && found(weights, .bf16) == .bfloat16)
        }
    }
}
