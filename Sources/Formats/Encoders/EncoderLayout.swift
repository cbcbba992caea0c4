import Autograd
import Checkpoint
import Files
import Model

/// Which tensors make up the parameters of an encoder.
struct EncoderLayout {
    let parameters: [(parameter: Parameter, parts: [TensorPart])]

    /// Checks that the tensors are there, and no others.
    ///
    /// - Parameters:
    ///   - names: The tensors of one of slm's parameters, such as "layer0.qkv.weight".
    ///   - isUnused: Whether a tensor is not needed, such as the head of another task.
    init(
        _ configuration: BERTConfiguration, _ tensors: TensorFiles, at path: String, _ file: ImportedFile,
        names: (String) -> [String], isUnused: (String) -> Bool
    ) throws(CheckpointError) {
        // A layer has at least 6 tensors (ModernBERT's). Without this limit, a wrong number of layers could allocate a huge parameter list.
        guard configuration.layers <= tensors.entries.count / 6 + 1 else {
            throw file.mismatch(
                "num_hidden_layers", "no more layers than the \(tensors.entries.count) tensors of the weights make",
                "\(configuration.layers)")
        }
        var list = ParameterList(), known: Set<String> = []
        _ = BERT(configuration, in: &list)
        parameters = list.parameters.map { parameter in
            let names = names(parameter.name), rows = parameter.shape[0] / names.count
            return (parameter, names.enumerated().map { i, name in
                let shape = parameter.shape.rank == 1 ? [rows] : [rows, parameter.shape[1]]
                return TensorPart(name: name, shape: shape, rows: i * rows..<(i + 1) * rows)
            })
        }
        for part in parameters.flatMap(\.parts) {
            try tensors.check(part.name, part.shape, in: path)
            known.insert(part.name)
        }
        for (name, entry) in tensors.entries where !known.contains(name) && !isUnused(name) {
            throw ImportedFile(entry.file.path).mismatch(
                SafeTensorsHeader.field(name), "no such tensor in an encoder of this family", "\(entry.type) \(entry.shape.prefix(8))")
        }
    }

    /// Whether a parameter stays in the file, in its format there.
    static func isMatrix(_ parameter: Parameter) -> Bool {
        parameter.kind.isMatrix && !["positions", "types", "distances"].contains { parameter.name.hasPrefix($0) }
    }
}
