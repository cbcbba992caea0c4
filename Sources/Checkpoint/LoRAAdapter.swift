import Files
import Hashing
import Model
package import Autograd
import Kernels

/// Marks a checkpoint as a LoRA adapter: its weights are A and B of each adapted matrix, W + (α/r)·B·A.
///
///     let adapter = try Checkpoint(reading: "checkpoints/finetuned/best.h5")
///     let (model, parameters) = try adapter.model(on: processor)          // the base model with the adapter applied
package struct LoRAAdapter {
    package var shape: LoRAConfiguration
    /// `Checkpoint.weightsDigest` of the base model.
    package var baseDigest: String
    /// The path of the base model, relative to the adapter's folder.
    package var basePath: String
    /// The initial A and B of PiSSA, whose product was subtracted from the base weights before training. Empty for adapters that
    /// started with B = 0.
    package var principals: OrderedDictionary<FloatArray> = [:]

    package init(_ shape: LoRAConfiguration, baseDigest: String, basePath: String) {
        self.shape = shape
        self.baseDigest = baseDigest
        self.basePath = basePath
    }
}

extension LoRAAdapter {
    /// The checkpoint's `adapter` group.
    package var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [
            "rank": .integer(shape.rank), "alpha": .number(Double(shape.alpha)),
            "targets": .text(shape.targets.joined(separator: ",")),
            "base_digest": .text(baseDigest), "base_path": .text(basePath),
        ]
        if shape.dropout > 0 { values["dropout"] = .number(Double(shape.dropout)) }
        if shape.usesDoRA { values["dora"] = .integer(1) }
        if !shape.wholeLayers.isEmpty { values["whole_layers"] = .text(shape.wholeLayers.joined(separator: ",")) }
        if let added = shape.addedTokens { values["added_tokens"] = .integers([added.baseRows, added.firstTrained]) }
        if !shape.blocks.isEmpty { values["blocks"] = .text(LoRABlock.text(of: shape.blocks)) }
        return values
    }

    /// Reads and checks an `adapter` group.
    package init(
        _ values: OrderedDictionary<CheckpointValue>, principals: OrderedDictionary<FloatArray>, path: String
    ) throws(CheckpointError) {
        let fields = CheckpointFields(values, in: "adapter", of: path)
        let rank = try fields.integer("rank", 1...65_536), alpha = try fields.number("alpha", "a number above 0") { $0 > 0 && $0 < 1e9 }
        let targets = try fields.text("targets").split(separator: ",").map(String.init)
        self.init(
            LoRAConfiguration(rank: rank, alpha: Float(alpha), targets: targets),
            baseDigest: try fields.text("base_digest"), basePath: try fields.text("base_path")
        )
        self.principals = principals
        if fields.value("blocks") != nil {
            guard let blocks = LoRABlock.blocks(in: try fields.text("blocks")) else {
                throw fields.mismatch("blocks", "ranks and rows of layers, such as qkv=8:576+0:192+8:192")
            }
            shape.blocks = blocks
        }
        if fields.value("dropout") != nil {
            shape.dropout = Float(try fields.number("dropout", "a number between 0 and 1") { $0 > 0 && Float($0) < 1 })
        }
        if let dora = fields.value("dora") {
            guard case .integer(1) = dora else { throw fields.mismatch("dora", "1, or no such field") }
            shape.usesDoRA = true
        }
        if fields.value("whole_layers") != nil {
            shape.wholeLayers = try fields.text("whole_layers").split(separator: ",").map(String.init)
            guard !shape.wholeLayers.isEmpty else { throw fields.mismatch("whole_layers", "names of layers, separated by commas") }
        }
        if let added = fields.value("added_tokens") {
            guard case .integers(let rows) = added, rows.count == 2, 1...(1 << 31) ~= rows[0], 0...(1 << 31) ~= rows[1],
                  shape.wholeLayers.contains(GPT.embedding) else {
                let expected = "the rows of the base's embedding and the first trained row, of the whole layer tokens"
                throw fields.mismatch("added_tokens", expected)
            }
            shape.addedTokens = AddedTokens(baseRows: rows[0], firstTrained: rows[1], layers: GPT.vocabularyLayers)
        }
        try fields.checkNames()
    }
}

extension LoRABlock {
    /// Blocks by layer, as rank:rows: "layer1.qkv=,qkv=8:576+0:192+8:192".
    static func text(of blocks: [String: [LoRABlock]]) -> String {
        blocks.sorted { $0.key < $1.key }.map { name, blocks in
            name + "=" + blocks.map { "\($0.rank):\($0.rows)" }.joined(separator: "+")
        }.joined(separator: ",")
    }

    /// nil if the text is malformed.
    static func blocks(in text: String) -> [String: [LoRABlock]]? {
        var result: [String: [LoRABlock]] = [:]
        for entry in text.split(separator: ",") {
            let sides = entry.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty else { return nil }
            var blocks: [LoRABlock] = []
            for part in sides[1].split(separator: "+") {
                let numbers = part.split(separator: ":").compactMap { Int($0) }
                guard numbers.count == 2, 0...65_536 ~= numbers[0], 1...(1 << 31) ~= numbers[1] else { return nil }
                blocks.append(LoRABlock(rows: numbers[1], rank: numbers[0]))
            }
            // The adapter's size must not overflow.
            guard blocks.count <= 64, blocks.reduce(0, { $0 + $1.rank }) <= 65_536,
                result.updateValue(blocks, forKey: String(sides[0])) == nil
            else { return nil }
        }
        return result.isEmpty ? nil : result
    }
}

extension LoRAAdapter {
    /// Throws unless the blocks of each layer are its rows. PiSSA changes the weights of the base, which a head and an embedding may share.
    package func checkBlocks(_ list: ParameterList, path: String) throws(CheckpointError) {
        for layer in list.loraLayers {
            let rows = layer.blocks.reduce(0) { $0 + $1.rows }
            guard rows == layer.weight.shape[0] else {
                throw .mismatch(
                    path: path, name: "adapter/blocks", expected: "\(layer.weight.shape[0]) rows of \(layer.weight.name)",
                    found: "\(rows)")
            }
        }
        if let added = shape.addedTokens {
            // Reading the base's weights compares their rows.
            let rows = list.parameters.first { $0.name == "\(GPT.embedding).weight" }?.shape[0] ?? 0
            let isComplete = list.frozen.parameters.allSatisfy { !added.contains($0.name) || shape.trainsWhole($0.name) }
            guard isComplete, added.firstTrained < rows, added.baseRows <= rows else {
                throw .mismatch(
                    path: path, name: "adapter/added_tokens", expected: "rows of an embedding of \(rows)",
                    found: "\(added.baseRows) and \(added.firstTrained)")
            }
        }
        guard principals.count == 0 || !(shape.dividesVocabulary || shape.usesDoRA || !shape.wholeLayers.isEmpty) else {
            throw .mismatch(
                path: path, name: "principals", expected: "no such arrays with DoRA, whole layers, or the targets head and embedding",
                found: "\(principals.count) arrays")
        }
        guard !shape.usesDoRA || !shape.adaptsVocabulary else {
            throw .mismatch(path: path, name: "adapter/dora", expected: "no such field with the targets head and embedding", found: "1")
        }
    }
}

extension Checkpoint {
    /// An XXH3 digest of all weights as the file stores them, independent of the order and of everything else in the file.
    package var weightsDigest: String {
        let digest = Digest()
        for name in weights.names.sorted() {
            guard let array = weights[name] else { continue }
            digest.add("\(name) \(array.shape)\n")
            array.values.read { span in span.asBytes { digest.add($0) } }
        }
        for name in quantized.names.sorted() {
            guard let weights = quantized[name] else { continue }
            if let rows = weights.storedRows {
                for part in rows {
                    digest.add("\(name) \(part.format.name) \(part.rows)\n")
                    part.file.read(as: UInt8.self) { digest.add($0.extracting(part.range)) }
                    if let scales = part.scales { scales.file.read(as: UInt8.self) { digest.add($0.extracting(scales.range)) } }
                }
                continue
            }
            digest.add("\(name) \(weights.precision.rawValue) \(weights.shape)\n")
            weights.codes.readBytes { digest.add($0) }
            weights.scales.read { span in span.asBytes { digest.add($0) } }
            weights.inputScales?.read { span in span.asBytes { digest.add($0) } }
        }
        return digest.text
    }
}
