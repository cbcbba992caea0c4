package import Autograd
package import Checkpoint
package import Kernels
package import Model
package import Tokenize

extension ParameterList {
    /// The parameters of a model, or those of a LoRA adapter beside it.
    package init(of configuration: GPTConfiguration, lora: LoRAConfiguration? = nil) {
        self.init(lora: lora)
        _ = GPT(configuration, in: &self)
    }

    /// Numbers of a normal distribution for all parameters.
    package func normalValues(seed: UInt64) throws -> Buffer {
        let processor = try Processor(threads: 1), values = processor.zeros(count)
        processor.normal(into: values, seed: seed)
        return values
    }

    /// Sets B of LoRA to 0 outside of its blocks, where files of PEFT have no numbers.
    package func clearOutsideBlocks(_ values: Buffer) {
        for layer in loraLayers {
            values[layer.b.range].write { span in
                var isOutside = [Bool](repeating: true, count: span.count)
                for (rows, columns) in layer.blockRanges {
                    for row in rows { for column in columns { isOutside[row * layer.b.shape[1] + column] = false } }
                }
                for i in span.indices where isOutside[i] { span[i] = 0 }
            }
        }
    }
}

extension Checkpoint {
    /// A model with the values of parameters.
    package init(
        _ configuration: GPTConfiguration, _ parameters: Parameters, _ vocabulary: Vocabulary, _ chatTemplate: ChatTemplate? = nil
    ) throws {
        self.init(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        tokenizer = try StoredTokenizer(vocabulary)
        self.chatTemplate = chatTemplate
    }

    /// A chat model whose weights, also biases and norms, are numbers of a normal distribution.
    package init(_ configuration: GPTConfiguration, seed: UInt64) throws {
        let list = ParameterList(of: configuration)
        self.init(configuration, weights: OrderedDictionary(try list.normalValues(seed: seed), of: list.parameters))
        tokenizer = try StoredTokenizer(SampleCheckpoint.vocabulary)
        chatTemplate = .specialTokens
    }

    /// A LoRA adapter for a model.
    package init(_ values: Buffer, adapter shape: LoRAConfiguration, of base: Checkpoint, path: String = "base.h5") {
        let list = ParameterList(of: base.configuration, lora: shape)
        self.init(base.configuration, weights: OrderedDictionary(values, of: list.parameters))
        adapter = LoRAAdapter(shape, baseDigest: base.weightsDigest, basePath: path)
        tokenizer = base.tokenizer
        chatTemplate = base.chatTemplate
    }
}
