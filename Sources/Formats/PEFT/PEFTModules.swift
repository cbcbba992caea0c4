import Autograd
import Checkpoint
import Model

/// The layers that LoRA adapts, with the names of the modules of transformers that slm stores as one layer.
///
///     let modules = try PEFTModules(checkpoint)
///     modules.layers[0].name                                   // layer0.qkv
///     modules.layers[0].parts.map(\.module)                    // model.layers.0.self_attn.q_proj, …k_proj, …v_proj
struct PEFTModules {
    struct Part {
        /// The name of the module in transformers' model.
        let module: String
        /// The name of the module in each layer: `self_attn.q_proj`.
        let shortName: String
        let rows: Range<Int>
        /// For each row in the file, that of the part; nil if they are in the same order.
        let order: RowOrder?
        /// PEFT stores the matrices of an embedding under other names, transposed.
        var isEmbedding = false
    }

    struct Layer {
        /// slm's name.
        let name: String
        let outputs, inputs: Int
        let parts: [Part]
    }

    /// slm's names of the layers outside of the blocks.
    static let vocabularyLayers = ["head", "tokens"]

    let family: HuggingFaceFamily
    /// With the prefix and the name of the head that the adapter has.
    let names: TensorNames
    let layers: [Layer]
    /// The names, in each layer, of modules that LoRA does not adapt.
    let frozenNames: [String]

    /// - Parameters:
    ///   - hasPrefix: Whether the names are those of a model with its head: `model.layers`, not `layers`.
    ///   - isStored: Whether an adapter has a module, where versions of transformers name it differently.
    init(
        _ configuration: GPTConfiguration, hasPrefix: Bool = true, isStored: (_ module: String) -> Bool = { _ in false }
    ) throws(CheckpointError) {
        let (found, reason) = HuggingFaceFamily.family(of: configuration)
        guard let family = found else { throw .notExpressible(format: "A PEFT adapter", reason: reason) }
        self.family = family
        var names = family.names
        if !hasPrefix { names.prefix = "" }
        // transformers 5 calls the head of GPT-NeoX like any other.
        if let head = names.model["head"], !isStored(head) { names.model["head"] = "lm_head" }
        self.names = names
        frozenNames = ["expert.up", "expert.down"].flatMap { names.layer[$0] ?? [] }
        let blocks = TensorLayout(configuration, names).parameters.compactMap { parameter, parts -> Layer? in
            let layer = String(parameter.name.dropLast(".weight".count)), target = LoRAConfiguration.target(of: layer)
            let isWeight = parameter.name.hasSuffix(".weight") && parameter.name.hasPrefix("layer")
            let isAdaptable = GPT.loraTargets(of: configuration).contains(target) && !layer.contains(".expert")
            guard isWeight, isAdaptable else { return nil }
            let short = names.layer[TensorNames.part(of: parameter.name)] ?? []
            return Layer(
                name: layer, outputs: parameter.shape[0], inputs: parameter.shape[1],
                parts: zip(parts, short).map { part, short in
                    Part(module: String(part.name.dropLast(".weight".count)), shortName: short, rows: part.rows, order: part.order)
                })
        }
        let (V, C) = (configuration.vocabulary, configuration.width)
        layers = blocks + Self.vocabularyLayers.compactMap { name -> Layer? in
            guard let short = names.model[name] else { return nil }
            let isHead = name == "head", module = isHead ? short : names.prefix + short
            let part = Part(module: module, shortName: short, rows: 0..<V, order: nil, isEmbedding: !isHead)
            return Layer(name: name, outputs: V, inputs: C, parts: [part])
        }
    }
}
