package import Checkpoint
import Autograd
import JSON
import Kernels
import Model
import Tokenize

extension HuggingFace {
    /// Writes a model as a folder for `AutoModelForCausalLM.from_pretrained(folder)` of transformers.
    ///
    /// Files of another model in the folder that would be read with this one are deleted. GPT-2 and GPT-NeoX always have biases: a model
    /// without them gets zeros. Throws for a LoRA adapter.
    package static func write(
        _ checkpoint: Checkpoint, to folder: String, as format: WeightFormat = .f32
    ) throws(CheckpointError) {
        if checkpoint.adapter != nil { throw notExpressible("it is a LoRA adapter, which has to be merged into its base model first") }
        let (found, reason) = HuggingFaceFamily.family(of: checkpoint.configuration)
        guard let family = found else { throw notExpressible(reason) }
        let arrays = try arrays(of: checkpoint, family)
        let (tokens, tokenizerFiles) = try tokenizerFiles(of: checkpoint)
        let files: [(name: String, bytes: [UInt8])] = [
            (configuration, checkpoint.configuration.huggingFaceJSON(family, tokens, format)),
            (generationSettings, tokens.generationConfig(checkpoint.servingDefaults.sampling)),
        ] + tokenizerFiles
        let outdated = readFiles.filter { name in !files.contains { $0.name == name } }
        try SafeTensorsWriter.write(arrays, as: format, named: weights, with: files, removing: outdated, to: folder)
    }

    /// The special tokens of a model, and the files with its tokenizer and chat template; none if it has no tokenizer.
    static func tokenizerFiles(
        of checkpoint: Checkpoint
    ) throws(CheckpointError) -> (tokens: HuggingFaceSpecialTokens, files: [(name: String, bytes: [UInt8])]) {
        guard let stored = checkpoint.tokenizer else { return (HuggingFaceSpecialTokens(), []) }
        let vocabulary = try checkpoint.vocabulary(), tokens: HuggingFaceSpecialTokens, json: [UInt8]
        do {
            tokens = try HuggingFaceSpecialTokens(vocabulary, checkpoint.chatTemplate, endTokens: checkpoint.servingDefaults.endTokens)
            json = try stored.json()
        } catch { throw notExpressible("\(error)") }
        let template = checkpoint.chatTemplate?.jinja(for: vocabulary)
        return (tokens, [
            ("tokenizer.json", json), ("special_tokens_map.json", tokens.specialTokensMap),
            (tokenizerSettings, tokens.tokenizerConfig(context: checkpoint.configuration.context, template: template)),
        ])
    }

    /// The files that are read with a model's weights, by slm and by transformers.
    private static let readFiles = [
        "tokenizer.json", tokenizerSettings, "special_tokens_map.json", chatTemplateFile, "added_tokens.json", "vocab.json", "merges.txt",
        "tokenizer.model", "\(weights).index.json",
    ]

    /// The weights with the family's names and shapes, in the order of the model. Only biases that the model lacks are zeros.
    private static func arrays(
        of checkpoint: Checkpoint, _ family: HuggingFaceFamily
    ) throws(CheckpointError) -> [SafeTensorsWriter.Array] {
        try checkpoint.checkWeights(of: checkpoint.configuration)
        var arrays: [SafeTensorsWriter.Array] = []
        for (parameter, part) in TensorLayout(family.features.stored(checkpoint.configuration), family.names).fileOrder {
            let name = parameter.name, isMissing = checkpoint.weights[name] == nil
            if let quantized = checkpoint.quantized[name] {
                throw notExpressible("\(name) is stored in \(quantized.precision.rawValue), and has to be converted to f32 first")
            }
            guard !isMissing || name.hasSuffix(".bias") else {
                throw .mismatch(path: checkpoint.name, name: "weights/\(name)", expected: "f32 \(parameter.shape)", found: "nothing")
            }
            let values = checkpoint.weights[name].map { ($0.values, columns: parameter.columns) }
            arrays.append(SafeTensorsWriter.Array(part: part, parameter: values))
        }
        return arrays
    }

    private static func notExpressible(_ reason: String) -> CheckpointError {
        .notExpressible(format: "A Hugging Face folder", reason: reason)
    }
}
