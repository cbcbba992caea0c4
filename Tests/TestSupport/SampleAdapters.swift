import Autograd
package import Checkpoint
import Kernels
import Model
import Tokenize

/// A small model in `base.h5` of a folder, and three LoRA adapters for it with random weights: `wide.h5` of all layers of the
/// blocks, `narrow.h5` of some layers, the head and the embedding with another rank, and `principal.h5`, which was initialized with PiSSA.
package struct SampleAdapters {
    package static let names = ["wide", "narrow", "principal"]

    package let base: Checkpoint
    package let adapters: [Checkpoint]

    /// - Parameter family: The architecture of the base.
    package init(in folder: TemporaryFolder, _ family: SampleFamily = .gpt2) throws { try self.init(in: folder.path, family) }

    package init(in path: String, _ family: SampleFamily = .gpt2) throws {
        func folder(_ name: String) -> String { "\(path)/\(name)" }
        var configuration = family.configuration
        configuration.context = 96
        let processor = try Processor(threads: 1)
        func checkpoint(_ configuration: GPTConfiguration, _ lora: LoRAConfiguration?, seed: UInt64) -> Checkpoint {
            let values = Self.values(configuration, lora, seed, processor)
            var checkpoint = Checkpoint(configuration, weights: values)
            checkpoint.chatTemplate = .specialTokens
            return checkpoint
        }
        var base = checkpoint(configuration, nil, seed: 5)
        base.tokenizer = try StoredTokenizer(SampleCheckpoint.vocabulary)
        try base.write(to: folder("base.h5"))
        self.base = try Checkpoint(reading: folder("base.h5"))
        let digest = self.base.weightsDigest
        adapters = try Self.names.enumerated().map { index, name in
            let narrow = LoRAConfiguration(rank: 20, names: ["qkv", "down", "head", "embedding"], of: configuration)
            let lora = name == "narrow" ? narrow : LoRAConfiguration(rank: 3, alpha: 4)
            var adapter = checkpoint(configuration, lora, seed: UInt64(10 + index))
            adapter.adapter = LoRAAdapter(lora, baseDigest: digest, basePath: "base.h5")
            if name == "principal" {
                // Large matrices, and trained ones near them.
                let principals = Self.values(configuration, lora, 30, processor)
                for array in principals { array.element.values.write { span in for i in span.indices { span[i] *= 4 } } }
                for (name, array) in adapter.weights {
                    let initial = principals[name]?.values.array ?? []
                    array.values.write { span in for i in span.indices { span[i] = initial[i] + 0.3 * span[i] } }
                }
                adapter.adapter?.principals = principals
            }
            adapter.tokenizer = base.tokenizer
            try adapter.write(to: folder("\(name).h5"))
            return try Checkpoint(reading: folder("\(name).h5"))
        }
    }

    private static func values(
        _ configuration: GPTConfiguration, _ lora: LoRAConfiguration?, _ seed: UInt64, _ processor: Processor
    ) -> OrderedDictionary<FloatArray> {
        let list = ParameterList(of: configuration, lora: lora)
        if lora == nil {
            let parameters = Parameters(list, on: processor, seed: seed)
            parameters.values.write { span in for i in span.indices { span[i] *= 4 } }      // so that the logits differ clearly
            return OrderedDictionary(parameters.values, of: list.parameters)
        }
        let values = processor.zeros(list.count)
        processor.normal(into: values, seed: seed)
        values.write { span in for i in span.indices { span[i] *= 0.12 } }
        return OrderedDictionary(values, of: list.parameters)
    }
}
