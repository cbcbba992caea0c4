import Autograd
import Checkpoint
import Model

/// The linear layers that LoRA adapts, with the names of the modules of transformers that slm stores as one layer.
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
    }

    struct Layer {
        /// slm's name.
        let name: String
        let outputs, inputs: Int
        let parts: [Part]
    }

    let family: HuggingFaceFamily
    let layers: [Layer]

    /// - Parameter hasPrefix: Whether the names are those of a model with its head: `model.layers`, not `layers`.
    init(_ configuration: GPTConfiguration, hasPrefix: Bool = true) throws(CheckpointError) {
        let (found, reason) = HuggingFaceFamily.family(of: configuration)
        guard let family = found else { throw .notExpressible(format: "A PEFT adapter", reason: reason) }
        self.family = family
        var names = family.names
        if !hasPrefix { names.prefix = "" }
        layers = TensorLayout(configuration, names).parameters.compactMap { parameter, parts in
            let layer = String(parameter.name.dropLast(".weight".count)), target = LoRAConfiguration.target(of: layer)
            let isWeight = parameter.name.hasSuffix(".weight") && parameter.name.hasPrefix("layer")
            guard isWeight, GPT.loraTargets.contains(target) else { return nil }
            let short = names.layer[target] ?? []
            return Layer(
                name: layer, outputs: parameter.shape[0], inputs: parameter.shape[1],
                parts: zip(parts, short).map { part, short in
                    Part(module: String(part.name.dropLast(".weight".count)), shortName: short, rows: part.rows, order: part.order)
                })
        }
    }
}
