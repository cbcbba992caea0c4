package import Checkpoint
import Autograd
import Files
import JSON
package import Kernels
import Model
import Tokenize

/// Folders in which Hugging Face's transformers keeps a GPT-2: config.json, model.safetensors, tokenizer.json.
///
///     let checkpoint = try HuggingFace.read("gpt2", on: processor)
///     try HuggingFace.write(checkpoint, to: "exported", as: .f32)
package enum HuggingFace {
    static let configuration = "config.json", weights = "model.safetensors", index = "model.safetensors.index.json"
    static let tokenizerSettings = "tokenizer_config.json"

    /// - Parameter hasTokenizer: Whether its tokenizer is read, too; else the checkpoint has none.
    package static func read(_ folder: String, hasTokenizer: Bool = true, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        let file = ForeignFile("\(folder)/\(configuration)")
        let configuration = try GPTConfiguration(huggingFace: try file.json(), file)
        var checkpoint = Checkpoint(configuration, weights: try readWeights(folder, configuration, on: processor))
        guard hasTokenizer, let vocabulary = try vocabulary(in: folder) else { return checkpoint }
        try checkpoint.take(vocabulary, of: folder)
        checkpoint.chatTemplate = try chatTemplate(of: vocabulary, in: folder)
        return checkpoint
    }

    private static func vocabulary(in folder: String) throws(CheckpointError) -> Vocabulary? {
        guard ["tokenizer.json", "vocab.json", "encoder.json"].contains(where: { Folder.contains($0, in: folder) }) else { return nil }
        do { return try Vocabulary(reading: folder) } catch { throw ForeignFile(folder).wrong(Checkpoint.foreignTokenizer, "one that slm can read", "\(error)") }
    }

    /// The one that the chat template says, where it is ours. Else markers where there are some, or text, where the vocabulary has a line end to end a turn with.
    private static func chatTemplate(of vocabulary: Vocabulary, in folder: String) throws(CheckpointError) -> ChatTemplate? {
        let forms = ChatTemplate.forms(of: vocabulary)
        guard Folder.contains(tokenizerSettings, in: folder) else { return forms.first }
        let said = try ForeignFile("\(folder)/\(tokenizerSettings)").json()["chat_template"]?.string.flatMap { ChatTemplate(template: $0) }
        return forms.first { $0 == said } ?? forms.first
    }

    private static func readWeights(_ folder: String, _ configuration: GPTConfiguration, on processor: Processor) throws(CheckpointError) -> Named<FloatArray> {
        let tensors = try tensors(in: folder)
        // A layer has 12 of them: what is missing is told by name, but not of a thousand layers that are nowhere.
        guard configuration.layers <= tensors.places.count / 12 + 1 else {
            throw ForeignFile("\(folder)/\(self.configuration)").wrong("n_layer", "no more layers than the weights have tensors for, which are \(tensors.places.count)", "\(configuration.layers)")
        }
        let layout = HuggingFaceLayout(configuration)
        let prefix = tensors.places["transformer.\(HuggingFaceLayout.tokens)"] == nil ? "" : "transformer."
        func stored(_ name: String) -> String { name == HuggingFaceLayout.head ? name : prefix + name }
        for array in layout.arrays { try tensors.check(stored(array.name), array.shape, in: folder) }
        var known = Set(layout.arrays.map { stored($0.name) })
        if configuration.isTied, tensors.places[HuggingFaceLayout.head] != nil {
            guard tensors.areSame(HuggingFaceLayout.head, stored(HuggingFaceLayout.tokens)) else {
                throw ForeignFile(folder).wrong(HuggingFaceLayout.head, "the same as \(stored(HuggingFaceLayout.tokens)), since config.json ties them (tie_word_embeddings)", "something else")
            }
            known.insert(HuggingFaceLayout.head)
        }
        for (name, place) in tensors.places where !known.contains(name) && !HuggingFaceLayout.isBuffer(name) {
            throw ForeignFile(place.file.path).wrong(SafeTensorsHeader.place(name), "nothing of that name in such a GPT-2", "\(place.tensor.type) \(place.tensor.shape.prefix(8))")
        }
        // Only now that the file is known to be as large does the model get its memory.
        let values = processor.zeros(layout.list.count)
        for array in layout.arrays { tensors.copy(stored(array.name), into: values[array.parameter.range], isTransposed: array.isTransposed) }
        return Named(values, of: layout.list.parameters)
    }

    private static func tensors(in folder: String) throws(CheckpointError) -> SafeTensors {
        var tensors = SafeTensors()
        if Folder.contains(weights, in: folder) || !Folder.contains(index, in: folder) {
            guard Folder.contains(weights, in: folder) else { throw .unreadable(path: folder, reason: "there is no \(weights) in it, nor \(index)") }
            try tensors.add(fileAt: "\(folder)/\(weights)")
            return tensors
        }
        let file = ForeignFile("\(folder)/\(index)"), root = try file.json()
        var files: [String] = []
        let map = try file.ask { () throws(JSONError) in try root.object("weight_map") }
        guard let members = map.members else { return tensors }              // of an object
        var owners: [(tensor: String, file: String)] = [], seen: Set<String> = []
        for (key, value) in members {
            let tensor = key.string ?? "", place = SafeTensorsHeader.place(tensor)
            guard let name = value.string else { throw file.wrong("weight_map: \(place)", "the name of a file", value.kind.rawValue) }
            // It stays in the folder.
            guard ArrayName.isPart(name), name != ".." else {
                throw file.wrong("weight_map: \(place)", "the name of a file in this folder", Value.text(String(name.prefix(100))).shown)
            }
            owners.append((tensor, name))
            if seen.insert(name).inserted { files.append(name) }
        }
        for name in files { try tensors.add(fileAt: "\(folder)/\(name)") }
        for (tensor, name) in owners where tensors.places[tensor]?.file.path != "\(folder)/\(name)" {
            throw file.wrong("weight_map: \(SafeTensorsHeader.place(tensor))", "a tensor of \(name)", "none of that name there")
        }
        return tensors
    }
}
