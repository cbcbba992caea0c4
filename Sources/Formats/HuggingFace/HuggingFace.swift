package import Checkpoint
import Autograd
import Files
import JSON
import Model
import Tokenize

/// Reads and writes Hugging Face folders of ``HuggingFaceFamily``: config.json, model.safetensors, tokenizer.json.
///
///     let checkpoint = try HuggingFace.map("gpt2")
///     try HuggingFace.write(checkpoint, to: "exported", as: .f32)
package enum HuggingFace {
    static let configuration = "config.json"
    static let weights = "model.safetensors"
    static let index = "model.safetensors.index.json"
    static let tokenizerSettings = "tokenizer_config.json"
    static let generationSettings = "generation_config.json"
    static let chatTemplateFile = "chat_template.jinja"

    /// Reads a folder. Its matrices stay in the mapped files, in the formats that they have there; norms and biases are converted to f32.
    ///
    /// - Parameters:
    ///   - hasTokenizer: whether to read the tokenizer; otherwise the checkpoint has none.
    ///   - needsHead: whether logits will be computed; otherwise a head that the folder lacks is replaced by the token embedding.
    package static func map(
        _ folder: String, hasTokenizer: Bool = true, needsHead: Bool = true
    ) throws(CheckpointError) -> Checkpoint {
        let file = ImportedFile("\(folder)/\(configuration)")
        let fields = try HuggingFaceFields(root: try file.json(), file: file).ofTextModel, family = try HuggingFaceFamily(fields)
        var configuration = try GPTConfiguration(family, fields)
        let tensors = try tensors(in: folder), head = family.names(in: tensors).names(of: "head.weight")
        if !needsHead, head.allSatisfy({ tensors.entries[$0] == nil }) { configuration.isTied = true }
        var checkpoint = Checkpoint(path: folder, byteCount: tensors.byteCount, configuration: configuration, format: .huggingFace)
        try addWeights(tensors, to: &checkpoint, folder, family, fields)
        let generation = try json(generationSettings, in: folder)
        checkpoint.servingDefaults.sampling = generation.flatMap { SamplingDefaults($0) }
        if hasTokenizer { try addTokenizer(to: &checkpoint, in: folder, fields.root, generation) }
        return checkpoint
    }

    /// Adds the tokenizer and the chat template of a folder, if it has a tokenizer.
    ///
    /// - Parameters:
    ///   - root: The config.json, which may name the tokens that end a text.
    ///   - generation: The generation_config.json, which may name others.
    static func addTokenizer(
        to checkpoint: inout Checkpoint, in folder: String, _ root: JSONElement?, _ generation: JSONElement?
    ) throws(CheckpointError) {
        guard let vocabulary = try vocabulary(in: folder) else { return }
        try checkpoint.check(vocabulary, ofModelAt: folder)
        checkpoint.tokenizer = StoredTokenizer(read: vocabulary)
        var ends = EndTokens(vocabulary)
        if let root { ends.add(root.endTokenIDs, of: configuration) }
        if let generation { ends.add(generation.endTokenIDs, of: generationSettings) }
        try addChatTemplate(to: &checkpoint, vocabulary, in: folder, stopTokens: ends.ids)
        ends.set(in: &checkpoint)
    }

    /// A file that the folder may lack.
    static func json(_ name: String, in folder: String) throws(CheckpointError) -> JSONElement? {
        guard Folder.contains(name, in: folder) else { return nil }
        return try ImportedFile("\(folder)/\(name)").json()
    }

    private static func vocabulary(in folder: String) throws(CheckpointError) -> Vocabulary? {
        let names = ["tokenizer.json", "vocab.json", "encoder.json", "tokenizer.model"]
        guard names.contains(where: { Folder.contains($0, in: folder) }) else { return nil }
        do { return try Vocabulary(reading: folder) } catch {
            throw ImportedFile(folder).mismatch(Checkpoint.importedTokenizerField, "one that slm can read", "\(error)")
        }
    }

    /// Adds the template of the folder, or the first one of slm's own that the vocabulary has tokens for.
    private static func addChatTemplate(
        to checkpoint: inout Checkpoint, _ vocabulary: Vocabulary, in folder: String, stopTokens: [TokenID]
    ) throws(CheckpointError) {
        let settings = try json(tokenizerSettings, in: folder)
        var source = settings?["chat_template"]?.chatTemplateSource
        if Folder.contains(chatTemplateFile, in: folder) {
            do { source = String(decoding: try InputFile.contents(of: "\(folder)/\(chatTemplateFile)"), as: UTF8.self) } catch {
                throw CheckpointError(error)
            }
        }
        guard let source else {
            checkpoint.assumeChatTemplate(for: vocabulary)
            return
        }
        var imported = ImportedChatTemplate(source)
        if let settings { imported.addTokens(from: settings) }
        imported.template.stopTokens = stopTokens
        imported.add(to: &checkpoint, vocabulary)
        // A model of slm whose template was replaced still has its role tokens.
        if checkpoint.chatTemplate == nil, ChatTemplate.supported(by: vocabulary).first == .specialTokens {
            checkpoint.chatTemplate = .specialTokens
            checkpoint.chatTemplateError = nil
        }
    }

    private static func addWeights(
        _ files: TensorFiles, to checkpoint: inout Checkpoint, _ folder: String, _ family: HuggingFaceFamily, _ fields: HuggingFaceFields
    ) throws(CheckpointError) {
        let configuration = checkpoint.configuration, file = fields.file
        var tensors = files
        // A layer has at least 6 tensors. Without this limit, a wrong number of layers could allocate a huge parameter list.
        guard configuration.layers <= tensors.entries.count / 6 + 1 else {
            throw file.mismatch(
                family == .gpt2 ? "n_layer" : "num_hidden_layers",
                "no more layers than the \(tensors.entries.count) tensors of the weights make", "\(configuration.layers)"
            )
        }
        var names = family.names(in: tensors)
        let head = names.names(of: "head.weight").first ?? ""
        // Only the blocks of gpt-oss's experts are [out, in].
        if fields.hasMXFP4Experts { names.transposed = .none }
        let layout = TensorLayout(configuration, names)
        // Without the biases that a model of this family can lack; they are zeros.
        let parameters = layout.parameters.filter { parameter, parts in
            !(family.canLackBiases && parameter.name.hasSuffix(".bias") && parts.allSatisfy { tensors.entries[$0.name] == nil })
        }
        var known: Set<String> = []
        if fields.hasMXFP4Experts {
            for (parameter, parts) in parameters where parameter.name.hasSuffix(".weight") {
                for part in parts where part.slice?.index == 0 { known.formUnion(try tensors.joinBlocks(of: part.name, in: folder)) }
            }
        }
        for part in parameters.flatMap(\.parts) {
            try tensors.check(part.name, part.tensorShape, in: folder)
            known.insert(part.name)
        }
        if configuration.isTied, tensors.entries[head] != nil, let table = names.names(of: "tokens.weight").first {
            guard tensors.areEqual(head, table) else {
                throw ImportedFile(folder).mismatch(
                    head, "the same numbers as \(table), since config.json ties them (tie_word_embeddings)", "other numbers"
                )
            }
            known.insert(head)
        }
        // The other tensors of a larger model are its image encoder.
        func isOther(_ name: String) -> Bool { fields.isPartOfLarger && !name.hasPrefix(names.prefix) }
        for (name, entry) in tensors.entries where !known.contains(name) && !TensorNames.isBuffer(name) && !isOther(name) {
            throw ImportedFile(entry.file.path).mismatch(
                SafeTensorsHeader.field(name), "no such tensor in this \(family.features.name)",
                "\(entry.type) \(entry.shape.prefix(8))"
            )
        }
        for (parameter, parts) in parameters {
            checkpoint.add(parameter, parts.compactMap { part in tensors.stored(part.name).map { (part, $0.slice(part)) } })
        }
        checkpoint.addMissingBiases(of: layout)
    }

    /// The tensors of a folder, in one file or in several.
    static func tensors(in folder: String) throws(CheckpointError) -> TensorFiles {
        var tensors = TensorFiles()
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

extension HuggingFaceFamily {
    /// The names of tensors with the prefixes that some tensors have.
    fileprivate func names(in tensors: TensorFiles) -> TensorNames { names.with(prefixOf: { tensors.entries[$0] != nil }) }
}
