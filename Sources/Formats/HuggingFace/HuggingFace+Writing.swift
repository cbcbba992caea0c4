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

    /// The weights with GPT-2's names and shapes, in the order of the model. Only the biases of a model without biases are zeros.
    private static func arrays(of checkpoint: Checkpoint) throws(CheckpointError) -> [SafeTensorsWriter.Array] {
        var full = checkpoint.configuration
        full.hasBias = true
        try checkpoint.checkWeights(of: checkpoint.configuration)
        var arrays: [SafeTensorsWriter.Array] = []
        for array in HuggingFaceLayout(full).arrays {
            let name = array.parameter.name, values: SafeTensorsWriter.Values
            if let stored = checkpoint.weights[name] {
                values = array.isTransposed ? .transposed(stored.values) : .matrix(stored.values)
            } else if let quantized = checkpoint.quantized[name] {
                throw notExpressible("\(name) is stored in \(quantized.precision.rawValue), and has to be converted to f32 first")
            } else if !checkpoint.configuration.hasBias, name.hasSuffix(".bias") {
                values = .zeros
            } else {
                throw .mismatch(
                    path: checkpoint.name, name: "weights/\(name)", expected: "f32 \(array.parameter.shape)", found: "nothing")
            }
            let prefix = array.name == HuggingFaceLayout.head ? "" : "transformer."
            arrays.append(SafeTensorsWriter.Array(name: prefix + array.name, shape: array.shape, values: values))
        }
        return arrays
    }

    private static func notExpressible(_ reason: String) -> CheckpointError {
        .notExpressible(format: "A Hugging Face folder", reason: reason)
    }
}
