import Autograd
import Checkpoint
import Kernels

/// The matrices A and B of the modules that make up one layer of slm.
struct PEFTTensors {
    struct Pair {
        let part: PEFTModules.Part
        let rank: Int
        /// The factor of B·A.
        let scale: Double
    }

    let layer: PEFTModules.Layer
    /// Without the modules that are not adapted.
    private(set) var pairs: [Pair] = []
    /// Whether all modules have the same A and the same scale, as in an adapter that slm wrote: then their matrices B are stacked, and the
    /// rank stays.
    private let isShared: Bool

    static func name(_ part: PEFTModules.Part, _ matrix: String) -> String {
        PEFT.prefix + part.module + (part.isEmbedding ? ".lora_embedding_\(matrix)" : ".lora_\(matrix).weight")
    }

    static func magnitudeName(_ part: PEFTModules.Part) -> String { "\(PEFT.prefix)\(part.module).lora_magnitude_vector" }

    /// The weight of the base model, which PEFT stores along with an adapter of the head or the embedding.
    static func baseName(_ part: PEFTModules.Part) -> String { "\(PEFT.prefix)\(part.module).base_layer.weight" }

    init(
        of layer: PEFTModules.Layer, in tensors: TensorFiles, _ configuration: PEFTConfiguration, _ folder: String
    ) throws(CheckpointError) {
        self.layer = layer
        for part in layer.parts {
            let a = Self.name(part, "A"), b = Self.name(part, "B")
            guard tensors.entries[a] != nil || tensors.entries[b] != nil else { continue }
            let shape = tensors.entries[a]?.shape ?? []
            let rank = shape.count == 2 && 1...65_536 ~= shape[0] ? shape[0] : configuration.rank
            let (inputs, outputs) = part.isEmbedding ? (part.rows.count, layer.inputs) : (layer.inputs, part.rows.count)
            try tensors.check(a, [rank, inputs], in: folder)
            try tensors.check(b, [outputs, rank], in: folder)
            if configuration.usesDoRA { try tensors.check(Self.magnitudeName(part), [outputs], in: folder) }
            pairs.append(Pair(part: part, rank: rank, scale: try configuration.scale(of: part.module, rank: rank)))
        }
        let pairs = pairs
        isShared = pairs.count == layer.parts.count && pairs.dropFirst().allSatisfy { pair in
            pair.scale == pairs[0].scale && tensors.areEqual(Self.name(pair.part, "A"), Self.name(pairs[0].part, "A"))
        }
    }

    var blocks: [LoRABlock] {
        if pairs.isEmpty { return [] }
        if isShared { return [LoRABlock(rows: layer.outputs, rank: pairs[0].rank)] }
        return layer.parts.map { part in
            LoRABlock(rows: part.rows.count, rank: pairs.first { $0.part.module == part.module }?.rank ?? 0)
        }
    }

    /// Copies the matrices into A and B of the layer. B takes the quotient of a module's scale and the adapter's.
    func copy(into adapted: LoRALayer, of values: Buffer, scale: Double, from tensors: TensorFiles, on processor: Processor) {
        if adapted.isEmbedding { return copyEmbedding(into: adapted, of: values, scale: scale, from: tensors, on: processor) }
        let width = adapted.a.shape[0], I = layer.inputs
        var column = 0
        for (index, pair) in pairs.enumerated() {
            let (part, R) = (pair.part, pair.rank)
            if index == 0 || !isShared {
                let name = Self.name(part, "A")
                tensors.copy(TensorPart(name: name, shape: [R, I], rows: column..<column + R), into: values[adapted.a.range], columns: I)
            }
            var tensor = TensorPart(name: Self.name(part, "B"), shape: [part.rows.count, R], rows: 0..<part.rows.count)
            tensor.order = part.order
            let b = processor.buffer(of: part.rows.count * R, .float32), factor = Float(pair.scale / scale)
            tensors.copy(tensor, into: b, columns: R)
            b.read { own in
                values[adapted.b.range].write { all in
                    for row in part.rows.indices {
                        let start = row * width + column, ownStart = (row - part.rows.lowerBound) * R
                        for r in 0..<R { all[start + r] = factor * own[ownStart + r] }
                    }
                }
            }
            if !isShared { column += R }
            if let magnitude = adapted.magnitude {
                var tensor = TensorPart(name: Self.magnitudeName(part), shape: [part.rows.count], rows: part.rows)
                tensor.order = part.order
                tensors.copy(tensor, into: values[magnitude.range], columns: 1)
            }
        }
    }

    /// PEFT's A [R, V] is slm's B, transposed, and its B [C, R] is slm's Aᵀ.
    private func copyEmbedding(
        into adapted: LoRALayer, of values: Buffer, scale: Double, from tensors: TensorFiles, on processor: Processor
    ) {
        guard let pair = pairs.first else { return }
        let (V, R) = (adapted.b.shape[0], pair.rank)
        var table = TensorPart(name: Self.name(pair.part, "A"), shape: [R, V], rows: 0..<V)
        table.isTransposed = true
        let b = processor.buffer(of: V * R, .float32)
        tensors.copy(table, into: b, columns: R)
        processor.copy(b, into: values[adapted.b.range], scale: Float(pair.scale / scale))
        let matrix = TensorPart(name: Self.name(pair.part, "B"), shape: adapted.a.shape.sizes, rows: 0..<adapted.a.shape[0])
        tensors.copy(matrix, into: values[adapted.a.range], columns: R)
    }
}
