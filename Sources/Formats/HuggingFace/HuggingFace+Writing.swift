package import Checkpoint
import Autograd
import Files
import JSON
import Kernels
import Model
import Tokenize

extension HuggingFace {
    /// Writes a model that is no adapter as a folder that transformers loads: `AutoModelForCausalLM.from_pretrained(folder)`.
    ///
    /// Each file is there whole or not at all; all but the weights, which fill a disk, are written when those are safe. What a model without biases lacks is zeros there.
    package static func write(_ checkpoint: Checkpoint, to folder: String, as format: WeightFormat = .f32) throws(CheckpointError) {
        if checkpoint.adapter != nil { throw notExpressible("it is an adapter, which has to be merged with its model first") }
        if let reason = checkpoint.configuration.reasonAgainstGPT2 { throw notExpressible(reason) }
        let arrays = try arrays(of: checkpoint)
        var vocabulary: Vocabulary?, tokens = HuggingFaceTokens()
        if checkpoint.tokenizer != nil {
            let own = try checkpoint.vocabulary()
            do { tokens = try HuggingFaceTokens(own, checkpoint.chatTemplate) } catch { throw notExpressible("\(error)") }
            vocabulary = own
        }
        var files: [(name: String, bytes: [UInt8])] = [(configuration, checkpoint.configuration.writeHuggingFace(tokens, format)),
                                                       ("generation_config.json", tokens.generation)]
        if let vocabulary, let stored = checkpoint.tokenizer {
            files += [("tokenizer.json", stored.json), ("special_tokens_map.json", tokens.map),
                      (tokenizerSettings, tokens.settings(context: checkpoint.configuration.context, template: checkpoint.chatTemplate?.template(for: vocabulary)))]
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

    /// The weights as GPT-2's file has them, in the model's order.
    private static func arrays(of checkpoint: Checkpoint) throws(CheckpointError) -> [SafeTensorsWriter.Array] {
        var full = checkpoint.configuration
        full.hasBias = true
        try checkpoint.checkWeights(of: checkpoint.configuration)
        return HuggingFaceLayout(full).arrays.map { array in
            SafeTensorsWriter.Array(name: array.name == HuggingFaceLayout.head ? array.name : "transformer.\(array.name)", shape: array.shape,
                                    values: checkpoint.weights[array.parameter.name]?.values, isTransposed: array.isTransposed)
        }
    }

    private static func notExpressible(_ reason: String) -> CheckpointError { .notExpressible(format: "A Hugging Face folder", reason: reason) }
}
