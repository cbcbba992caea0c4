package import Checkpoint
import Autograd
import Files
package import Kernels
import Model
import Tokenize

/// Reads and writes LoRA adapters of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors.
///
///     let adapter = try PEFT.read("adapter", base: try Checkpoint(reading: "base.h5"), basePath: "base.h5", on: processor)
///     try PEFT.write(adapter, to: "exported", as: .f32)
package enum PEFT {
    static let configuration = "adapter_config.json"
    static let weights = "adapter_model.safetensors"
    /// What PEFT's names of tensors begin with.
    static let prefix = "base_model.model."

    /// Whether a folder contains an adapter.
    package static func isAdapter(_ folder: String) -> Bool { Folder.contains(configuration, in: folder) }

    /// Reads an adapter as a checkpoint.
    ///
    /// Layers that slm stores as one, such as queries, keys and values, get the matrices of all their modules: see ``LoRABlock``.
    ///
    /// - Parameters:
    ///   - base: The model that the adapter was trained on.
    ///   - basePath: The path of the base, relative to the folder that the adapter is written to.
    package static func read(
        _ folder: String, base: Checkpoint, basePath: String, on processor: Processor
    ) throws(CheckpointError) -> Checkpoint {
        let configuration = try PEFTConfiguration(ImportedFile("\(folder)/\(configuration)"))
        let tensors = try tensors(in: folder)
        let isStored = { (module: String) in
            ["lora_A.weight", "weight"].contains { tensors.entries["\(prefix)\(module).\($0)"] != nil }
        }
        let hasPrefix = try PEFTModules(base.configuration, isStored: isStored).layers.contains { layer in
            layer.parts.contains { tensors.entries[PEFTTensors.name($0, "A")] != nil }
        }
        var modules = try PEFTModules(base.configuration, hasPrefix: hasPrefix, isStored: isStored)
        let layers = try modules.layers.map { layer throws(CheckpointError) in
            try PEFTTensors(of: layer, in: tensors, configuration, folder)
        }
        var known = Set(layers.flatMap { $0.pairs.flatMap { [PEFTTensors.name($0.part, "A"), PEFTTensors.name($0.part, "B")] } })
        if configuration.usesDoRA { known.formUnion(layers.flatMap { $0.pairs.map { PEFTTensors.magnitudeName($0.part) } }) }
        let model = try withTokenizer(of: folder, base, tensors, modules), addsTokens = model.tokenizer != base.tokenizer
        if addsTokens { modules = try PEFTModules(model.configuration, hasPrefix: hasPrefix, isStored: isStored) }
        let whole = try PEFTWholeLayers(in: tensors, folder, modules, model.configuration, addsTokens: addsTokens)
        known.formUnion(whole.names)
        // Where the vocabulary was resized, PEFT writes the matrices of the embedding and the head again, and those of the base.
        for name in whole.names where name.hasSuffix(".weight") {
            let module = name.dropLast(".weight".count), copy = "\(module).modules_to_save.weight"
            known.insert("\(module).original_module.weight")
            if tensors.entries[copy] != nil, tensors.areEqual(copy, name) { known.insert(copy) }
        }
        try configuration.checkSaved(whole.layers, adapted: layers.filter { !$0.pairs.isEmpty }.map(\.layer.name))
        for layer in layers where PEFTModules.vocabularyLayers.contains(layer.layer.name) {
            if let pair = layer.pairs.first {
                try configuration.check(pair.part.module, ofVocabularyTied: base.configuration.isTied)
            } else if whole.layers.contains(layer.layer.name), let part = layer.layer.parts.first {
                try configuration.checkTying(of: part.module, isTied: base.configuration.isTied)
            }
            for part in layer.layer.parts {
                let name = PEFTTensors.baseName(part)
                if try isBaseWeight(name, of: layer.layer, in: tensors, folder, base, on: processor) { known.insert(name) }
            }
        }
        for (name, entry) in tensors.entries where !known.contains(name) {
            throw ImportedFile(entry.file.path).mismatch(
                SafeTensorsHeader.field(name),
                "lora_A or lora_B of a linear layer, the head or the embedding of this \(modules.family.features.name)",
                "\(entry.type) \(entry.shape.prefix(8))"
            )
        }
        guard let scale = layers.lazy.compactMap(\.pairs.first).first?.scale else {
            throw ImportedFile("\(folder)/\(weights)").mismatch("the tensors", "at least one lora_A and lora_B", "none")
        }
        var shape = shape(layers, rank: configuration.rank, scale: scale)
        shape.usesDoRA = configuration.usesDoRA
        // With DoRA, PEFT drops inputs of W as well.
        if !shape.usesDoRA { shape.dropout = Float(configuration.dropout) }
        shape.wholeLayers = whole.layers
        if addsTokens {
            shape.addedTokens = AddedTokens(baseRows: base.configuration.vocabulary, firstTrained: 0, layers: GPT.vocabularyLayers)
        }
        var list = ParameterList(lora: shape)
        _ = GPT(model.configuration, in: &list)
        // Memory is allocated only now that the file is known to contain the matrices.
        let values = processor.zeros(list.count)
        let byName = Dictionary(layers.map { ($0.layer.name, $0) }) { first, _ in first }
        for adapted in list.loraLayers {
            byName[adapted.name]?.copy(into: adapted, of: values, scale: scale, from: tensors, on: processor)
        }
        try whole.copy(into: values, list, from: tensors, base: base, on: processor)
        var checkpoint = Checkpoint(model.configuration, weights: OrderedDictionary(values, of: list.parameters))
        checkpoint.adapter = LoRAAdapter(shape, baseDigest: base.weightsDigest, basePath: basePath)
        checkpoint.tokenizer = model.tokenizer
        checkpoint.chatTemplate = model.chatTemplate
        checkpoint.servingDefaults = model.servingDefaults
        return checkpoint
    }

    /// The base with the tokenizer of an adapter that has an embedding for more tokens; otherwise the base as it is.
    private static func withTokenizer(
        of folder: String, _ base: Checkpoint, _ tensors: TensorFiles, _ modules: PEFTModules
    ) throws(CheckpointError) -> Checkpoint {
        guard let part = modules.layers.first(where: { $0.name == GPT.embedding })?.parts.first,
              let table = tensors.entries["\(prefix)\(part.module).weight"]?.shape, table.count == 2,
              table[1] == base.configuration.width else { return base }
        var model = base
        model.configuration.vocabulary = max(table[0], base.configuration.vocabulary)
        try HuggingFace.addTokenizer(to: &model, in: folder, nil, nil)
        // The folder has none of the files that name the tokens at which the base stops.
        model.servingDefaults = base.servingDefaults
        if case .jinja(var template)? = model.chatTemplate, case .jinja(let usual)? = base.chatTemplate {
            template.stopTokens = usual.stopTokens
            model.chatTemplate = .jinja(template)
        }
        if model.isChatTemplateAssumed {
            // The folder has none.
            model.chatTemplate = base.chatTemplate
            model.isChatTemplateAssumed = base.isChatTemplateAssumed
        }
        if base.tokenizer != nil {
            let own = try model.vocabulary(), usual = try base.vocabulary()
            if own.count > usual.count { return model }
        }
        if table[0] > base.configuration.vocabulary {
            throw ImportedFile(folder).mismatch(
                SafeTensorsHeader.field("\(prefix)\(part.module).weight"),
                "\(base.configuration.vocabulary) rows as in the base, or a tokenizer.json with the added tokens in the folder",
                "\(table[0]) rows")
        }
        return base
    }

    /// Whether a folder holds a weight of the base model, too. Throws if it is another one than the base's, unless that is quantized.
    private static func isBaseWeight(
        _ name: String, of layer: PEFTModules.Layer, in tensors: TensorFiles, _ folder: String, _ base: Checkpoint,
        on processor: Processor
    ) throws(CheckpointError) -> Bool {
        guard tensors.entries[name] != nil else { return false }
        let (O, I) = (layer.outputs, layer.inputs)
        try tensors.check(name, [O, I], in: folder)
        let weight = layer.name == "head" && base.configuration.isTied ? "tokens.weight" : "\(layer.name).weight"
        guard let array = base.weights[weight] else { return true }
        let stored = processor.buffer(of: O * I, .float32)
        tensors.copy(TensorPart(name: name, shape: [O, I], rows: 0..<O), into: stored, columns: I)
        // Either of them may have been rounded to bf16.
        let isSame = array.values.read { a in stored.read { b in a.indices.allSatisfy { abs(a[$0] - b[$0]) <= abs(a[$0]) / 128 } } }
        guard isSame else {
            throw ImportedFile("\(folder)/\(weights)").mismatch(
                SafeTensorsHeader.field(name), "the weights of \(base.name)",
                "other ones: the adapter was trained on another base model, or with changed weights")
        }
        return true
    }

    private static func tensors(in folder: String) throws(CheckpointError) -> TensorFiles {
        if !Folder.contains(weights, in: folder), Folder.contains("adapter_model.bin", in: folder) {
            throw ImportedFile(folder).mismatch(
                "the adapter", "\(weights)", "adapter_model.bin. Convert it in Python: save_pretrained(FOLDER, safe_serialization=True)")
        }
        var tensors = TensorFiles()
        try tensors.add(fileAt: "\(folder)/\(weights)")
        return tensors
    }

    /// The shape of the adapter: blocks only where a layer does not have one pair of matrices of the usual rank.
    private static func shape(_ layers: [PEFTTensors], rank: Int, scale: Double) -> LoRAConfiguration {
        let targets = (GPT.loraTargets + PEFTModules.vocabularyLayers).filter { target in
            layers.contains { LoRAConfiguration.target(of: $0.layer.name) == target && !$0.pairs.isEmpty }
        }
        var shape = LoRAConfiguration(rank: rank, alpha: Float(scale * Double(rank)), targets: targets)
        for target in targets {
            let own = layers.filter { LoRAConfiguration.target(of: $0.layer.name) == target }
            let usual = own.lazy.filter { !$0.pairs.isEmpty }.first?.blocks ?? []
            if !(usual.count == 1 && usual[0].rank == rank) { shape.blocks[target] = usual }
            for layer in own where layer.blocks != usual { shape.blocks[layer.layer.name] = layer.blocks }
        }
        return shape
    }
}
