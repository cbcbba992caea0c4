package import Checkpoint
import Autograd
import Files
import JSON
package import Kernels
import Model
import Tokenize

/// Reads and writes Hugging Face folders of a GPT-2: config.json, model.safetensors, tokenizer.json.
///
///     let checkpoint = try HuggingFace.read("gpt2", on: processor)
///     try HuggingFace.write(checkpoint, to: "exported", as: .f32)
package enum HuggingFace {
    static let configuration = "config.json"
    static let weights = "model.safetensors"
    static let index = "model.safetensors.index.json"
    static let tokenizerSettings = "tokenizer_config.json"

    /// - Parameter hasTokenizer: whether to read the tokenizer; otherwise the checkpoint has none.
    package static func read(
        _ folder: String, hasTokenizer: Bool = true, on processor: Processor
    ) throws(CheckpointError) -> Checkpoint {
        let file = ImportedFile("\(folder)/\(configuration)")
        let configuration = try GPTConfiguration(huggingFace: try file.json(), file)
        var checkpoint = Checkpoint(configuration, weights: try readWeights(folder, configuration, on: processor))
        guard hasTokenizer, let vocabulary = try vocabulary(in: folder) else { return checkpoint }
        try checkpoint.setVocabulary(vocabulary, ofModelAt: folder)
        checkpoint.chatTemplate = try chatTemplate(of: vocabulary, in: folder)
        return checkpoint
    }

    private static func vocabulary(in folder: String) throws(CheckpointError) -> Vocabulary? {
        let names = ["tokenizer.json", "vocab.json", "encoder.json", "tokenizer.model"]
        guard names.contains(where: { Folder.contains($0, in: folder) }) else { return nil }
        do { return try Vocabulary(reading: folder) } catch {
            throw ImportedFile(folder).mismatch(Checkpoint.importedTokenizerField, "one that slm can read", "\(error)")
        }
    }

    /// Returns the template in tokenizer_config.json if it is one of slm's; otherwise the first one that the vocabulary has tokens for.
    private static func chatTemplate(of vocabulary: Vocabulary, in folder: String) throws(CheckpointError) -> ChatTemplate? {
        let supported = ChatTemplate.supported(by: vocabulary)
        guard Folder.contains(tokenizerSettings, in: folder) else { return supported.first }
        let settings = try ImportedFile("\(folder)/\(tokenizerSettings)").json()
        let stored = settings["chat_template"]?.string.flatMap { ChatTemplate(jinja: $0) }
        return supported.first { $0 == stored } ?? supported.first
    }

    private static func readWeights(
        _ folder: String, _ configuration: GPTConfiguration, on processor: Processor
    ) throws(CheckpointError) -> OrderedDictionary<FloatArray> {
        let tensors = try tensors(in: folder)
        // A layer has 12 tensors. Without this limit, a wrong n_layer could allocate a huge parameter list.
        guard configuration.layers <= tensors.entries.count / 12 + 1 else {
            throw ImportedFile("\(folder)/\(self.configuration)").mismatch(
                "n_layer", "no more layers than the \(tensors.entries.count) tensors of the weights make", "\(configuration.layers)"
            )
        }
        let layout = HuggingFaceLayout(configuration)
        let prefix = tensors.entries["transformer.\(HuggingFaceLayout.tokens)"] == nil ? "" : "transformer."
        func stored(_ name: String) -> String { name == HuggingFaceLayout.head ? name : prefix + name }
        for array in layout.arrays { try tensors.check(stored(array.name), array.shape, in: folder) }
        var known = Set(layout.arrays.map { stored($0.name) })
        if configuration.isTied, tensors.entries[HuggingFaceLayout.head] != nil {
            guard tensors.areEqual(HuggingFaceLayout.head, stored(HuggingFaceLayout.tokens)) else {
                throw ImportedFile(folder).mismatch(
                    HuggingFaceLayout.head,
                    "the same numbers as \(stored(HuggingFaceLayout.tokens)), since config.json ties them (tie_word_embeddings)",
                    "other numbers"
                )
            }
            known.insert(HuggingFaceLayout.head)
        }
        for (name, entry) in tensors.entries where !known.contains(name) && !HuggingFaceLayout.isBuffer(name) {
            throw ImportedFile(entry.file.path).mismatch(
                SafeTensorsHeader.field(name), "no such tensor in this GPT-2", "\(entry.tensor.type) \(entry.tensor.shape.prefix(8))"
            )
        }
        // Memory is allocated only now that the file is known to contain as many numbers.
        let values = processor.zeros(layout.list.count)
        for array in layout.arrays {
            tensors.copy(stored(array.name), into: values[array.parameter.range], isTransposed: array.isTransposed)
        }
        return OrderedDictionary(values, of: layout.list.parameters)
    }

    private static func tensors(in folder: String) throws(CheckpointError) -> SafeTensorsCollection {
        var tensors = SafeTensorsCollection()
        if Folder.contains(weights, in: folder) || !Folder.contains(index, in: folder) {
            guard Folder.contains(weights, in: folder) else {
                throw .unreadable(path: folder, reason: "it contains neither \(weights) nor \(index)")
            }
            try tensors.add(fileAt: "\(folder)/\(weights)")
            return tensors
        }
        let file = ImportedFile("\(folder)/\(index)"), root = try file.json()
        var files: [String] = []
        let map = try file.read { () throws(JSONError) in try root.object("weight_map") }
        guard let members = map.members else { return tensors }              // of an object
        var owners: [(tensor: String, file: String)] = [], seen: Set<String> = []
        for (key, value) in members {
            let tensor = key.string ?? "", field = "weight_map: \(SafeTensorsHeader.field(tensor))"
            guard let name = value.string else { throw file.mismatch(field, "a file name", value.kind.rawValue) }
            // The file must lie in the folder.
            guard ArrayName.isValidComponent(name), name != ".." else {
                throw file.mismatch(field, "the name of a file in this folder", String(name.prefix(100)).quoted)
            }
            owners.append((tensor, name))
            if seen.insert(name).inserted { files.append(name) }
        }
        for name in files { try tensors.add(fileAt: "\(folder)/\(name)") }
        for (tensor, name) in owners where tensors.entries[tensor]?.file.path != "\(folder)/\(name)" {
            throw file.mismatch("weight_map: \(SafeTensorsHeader.field(tensor))", "a tensor of \(name)", "no such tensor there")
        }
        return tensors
    }
}
