import Files
import Hashing
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
        [
            "rank": .integer(shape.rank), "alpha": .number(Double(shape.alpha)),
            "targets": .text(shape.targets.joined(separator: ",")),
            "base_digest": .text(baseDigest), "base_path": .text(basePath),
        ]
    }

    /// Reads and checks an `adapter` group.
    init(
        _ values: OrderedDictionary<CheckpointValue>, principals: OrderedDictionary<FloatArray>, path: String
    ) throws(CheckpointError) {
        func mismatch(_ name: String, _ expected: String) -> CheckpointError {
            .mismatch(path: path, name: "adapter/\(name)", expected: expected, found: values[name].map(\.displayText) ?? "nothing")
        }
        func text(_ name: String) throws(CheckpointError) -> String {
            guard case .text(let text)? = values[name] else { throw mismatch(name, "a string") }
            return text
        }
        guard case .integer(let rank)? = values["rank"], 1...65_536 ~= rank else {
            throw mismatch("rank", "a whole number from 1 to 65536")
        }
        guard case .number(let alpha)? = values["alpha"], alpha > 0, alpha < 1e9 else { throw mismatch("alpha", "a number above 0") }
        let targets = try text("targets").split(separator: ",").map(String.init)
        self.init(
            LoRAConfiguration(rank: rank, alpha: Float(alpha), targets: targets),
            baseDigest: try text("base_digest"), basePath: try text("base_path")
        )
        self.principals = principals
        let known = Set(self.values.names)
        for name in values.names where !known.contains(name) {
            throw mismatch(name, "no such field in version \(CheckpointHeader.version)")
        }
    }
}

extension Checkpoint {
    /// An XXH3 digest of all weights as the file stores them, independent of the order and of everything else in the file.
    package var weightsDigest: String {
        let digest = Digest()
        for name in weights.names.sorted() {
            guard let array = weights[name] else { continue }
            digest.add(Array("\(name) \(array.shape)\n".utf8).span)
            array.values.read { span in span.asBytes { digest.add($0) } }
        }
        for name in quantized.names.sorted() {
            guard let weights = quantized[name] else { continue }
            if let rows = weights.storedRows {
                for part in rows {
                    digest.add(Array("\(name) \(part.format.name) \(part.rows)\n".utf8).span)
                    part.file.read(as: UInt8.self) { digest.add($0.extracting(part.range)) }
                }
                continue
            }
            digest.add(Array("\(name) \(weights.precision.rawValue) \(weights.shape)\n".utf8).span)
            weights.codes.readBytes { digest.add($0) }
            weights.scales.read { span in span.asBytes { digest.add($0) } }
            weights.inputScales?.read { span in span.asBytes { digest.add($0) } }
        }
        return digest.text
    }
}
