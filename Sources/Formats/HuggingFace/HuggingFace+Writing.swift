package import Checkpoint
import Autograd
import Files
import JSON
import Kernels
import Model
import Tokenize

extension HuggingFace {
    /// Writes a model as a folder for `AutoModelForCausalLM.from_pretrained(folder)` of transformers.
    ///
    /// Each file is written atomically; the weights, which may fill the disk, are synced before the others are written. GPT-2 always has
    /// biases: a model without them gets zeros. Throws for a LoRA adapter.
    package static func write(
        _ checkpoint: Checkpoint, to folder: String, as format: WeightFormat = .f32
    ) throws(CheckpointError) {
        if checkpoint.adapter != nil { throw notExpressible("it is a LoRA adapter, which has to be merged into its base model first") }
        if let reason = checkpoint.configuration.gpt2Incompatibility { throw notExpressible(reason) }
        let arrays = try arrays(of: checkpoint)
        var vocabulary: Vocabulary?, tokens = HuggingFaceSpecialTokens()
        if checkpoint.tokenizer != nil {
            let own = try checkpoint.vocabulary()
            do { tokens = try HuggingFaceSpecialTokens(own, checkpoint.chatTemplate) } catch { throw notExpressible("\(error)") }
            vocabulary = own
        }
        var files: [(name: String, bytes: [UInt8])] = [
            (configuration, checkpoint.configuration.huggingFaceJSON(tokens, format)),
            ("generation_config.json", tokens.generationConfig),
        ]
        if let vocabulary, let stored = checkpoint.tokenizer {
            let template = checkpoint.chatTemplate?.jinja(for: vocabulary)
            files += [
                ("tokenizer.json", stored.json), ("special_tokens_map.json", tokens.specialTokensMap),
                (tokenizerSettings, tokens.tokenizerConfig(context: checkpoint.configuration.context, template: template)),
            ]
        }
        do {
            try Folder.create(folder)
            var writer = try SafeTensorsWriter("\(folder)/\(weights)")
            try writer.write(arrays, as: format)
            for (name, bytes) in files {
                var file = try AtomicFile("\(folder)/\(name)")
                try file.write(bytes)
                try file.commit()
            }
            try writer.commit()
        } catch { throw CheckpointError(error, needed: arrays.reduce(0) { $0 + $1.shape.reduce(format.size, *) }) }
    }

    /// The weights with GPT-2's names and shapes, in the order of the model.
    private static func arrays(of checkpoint: Checkpoint) throws(CheckpointError) -> [SafeTensorsWriter.Array] {
        var full = checkpoint.configuration
        full.hasBias = true
        try checkpoint.checkWeights(of: checkpoint.configuration)
        return HuggingFaceLayout(full).arrays.map { array in
            SafeTensorsWriter.Array(
                name: array.name == HuggingFaceLayout.head ? array.name : "transformer.\(array.name)", shape: array.shape,
                values: checkpoint.weights[array.parameter.name]?.values, isTransposed: array.isTransposed
            )
        }
    }

    private static func notExpressible(_ reason: String) -> CheckpointError {
        .notExpressible(format: "A Hugging Face folder", reason: reason)
    }
}
