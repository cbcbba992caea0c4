import Autograd
import Checkpoint
import Kernels
import Model

/// The layers that an adapter of PEFT replaces as a whole: `modules_to_save`.
///
///     let whole = try PEFTWholeLayers(in: tensors, folder, modules, base.configuration)
///     whole.layers                                             // norm, head
struct PEFTWholeLayers {
    /// A parameter of which a folder has all or some tensors.
    private struct Stored {
        let parameter: Parameter
        /// With the names of the folder.
        let parts: [TensorPart]
    }

    /// slm's names, in the order of the model.
    let layers: [String]
    private let stored: [Stored]

    init(
        in tensors: TensorFiles, _ folder: String, _ modules: PEFTModules, _ configuration: GPTConfiguration, addsTokens: Bool
    ) throws(CheckpointError) {
        var stored: [Stored] = [], layers: [String] = []
        for (parameter, parts) in modules.parameters(of: configuration) {
            let parts = parts.map { $0.inAdapter }.filter { tensors.entries[$0.name] != nil }
            if parts.isEmpty { continue }
            for part in parts { try tensors.check(part.name, part.shape, in: folder) }
            stored.append(Stored(parameter: parameter, parts: parts))
            let layer = Self.layer(of: parameter)
            if !layers.contains(layer) { layers.append(layer) }
        }
        self.stored = stored
        // PEFT copies a head that is tied to the embedding.
        let head = stored.first { Self.layer(of: $0.parameter) == "head" }, table = stored.first { $0.parameter.name == "tokens.weight" }
        if addsTokens, configuration.isTied, let head, let table, tensors.areEqual(head.parts[0].name, table.parts[0].name) {
            layers.removeAll { $0 == "head" }
        } else if addsTokens, head == nil || table == nil {
            throw ImportedFile(folder).mismatch(
                "modules_to_save", "the embedding and the head, which have rows for the added tokens", layers.joined(separator: ", "))
        }
        self.layers = layers
    }

    var names: [String] { stored.flatMap { $0.parts.map(\.name) } }

    /// Copies the tensors into the trainable parameters of an adapter, and the base's numbers where the folder has none.
    func copy(
        into values: Buffer, _ list: ParameterList, from tensors: TensorFiles, base: Checkpoint, on processor: Processor
    ) throws(CheckpointError) {
        if stored.isEmpty { return }
        let parts = Dictionary(stored.map { ($0.parameter.name, $0.parts) }) { first, _ in first }
        var whole = ParameterList()
        _ = GPT(base.configuration, in: &whole)
        let baseValues = try base.values(of: whole.trainable, on: processor)
        let ranges = Dictionary(whole.parameters.map { ($0.name, $0.range) }) { first, _ in first }
        for parameter in list.parameters where list.lora?.trainsWhole(parameter.name) ?? false {
            // The head may be the embedding.
            if let range = ranges[parameter.name] ?? ranges["tokens.weight"], range.count == parameter.range.count {
                values[parameter.range].copy(from: baseValues[range])
            }
            for part in parts[parameter.name] ?? [] { tensors.copy(part, into: values[parameter.range], columns: parameter.columns) }
        }
    }

    /// The tensors of the whole layers of an adapter, for its folder, and the names of their modules.
    static func arrays(
        of list: ParameterList, _ values: Buffer, _ modules: PEFTModules, _ configuration: GPTConfiguration
    ) -> (arrays: [SafeTensorsWriter.Array], modules: [String]) {
        let own = Dictionary(list.parameters.map { ($0.name, values[$0.range]) }) { first, _ in first }
        var arrays: [SafeTensorsWriter.Array] = [], names: [String] = []
        for (parameter, parts) in modules.parameters(of: configuration) {
            let isTiedHead = parameter.name == "head.weight" && configuration.isTied && list.lora?.addedTokens != nil
            guard let values = own[parameter.name] ?? (isTiedHead ? own["tokens.weight"] : nil),
                  isTiedHead || list.lora?.trainsWhole(parameter.name) ?? false else { continue }
            for part in parts {
                arrays.append(.init(part: part.inAdapter, parameter: (values, columns: parameter.columns)))
                let module = part.name.split(separator: ".").dropLast().joined(separator: ".")
                if !names.contains(module) { names.append(module) }
            }
        }
        return (arrays, names)
    }

    private static func layer(of parameter: Parameter) -> String {
        parameter.name.split(separator: ".").dropLast().joined(separator: ".")
    }
}

extension TensorPart {
    /// The part as an adapter's file stores it: whole layers are not slices of a tensor.
    fileprivate var inAdapter: TensorPart {
        var copy = self
        copy.name = PEFT.prefix + name
        copy.slice = nil
        return copy
    }
}

extension PEFTModules {
    /// All parameters of a model with the tensors of transformers' model that make them up, and with a head of its own.
    fileprivate func parameters(of configuration: GPTConfiguration) -> [(parameter: Parameter, parts: [TensorPart])] {
        var configuration = configuration
        configuration.isTied = false
        return TensorLayout(configuration, names).parameters
    }
}
