package import Autograd
import Kernels

/// What makes a checkpoint an adapter: how it changes which model. Its A and B are the checkpoint's weights.
///
///     let adapter = try Checkpoint(reading: "checkpoints/finetuned/best.h5")
///     let (model, parameters) = try adapter.model(on: processor)          // that of the base, adapted
package struct Adapter {
    package var shape: LowRank
    /// `Checkpoint.weightsDigest` of the model that it was made for.
    package var baseDigest: String
    /// Where that lay, from the adapter's folder on.
    package var basePath: String
    /// What PiSSA took off the base's weights before it learned, by the names of A and B; empty where an adapter began at 0.
    package var principals: Named<FloatArray> = [:]

    package init(_ shape: LowRank, baseDigest: String, basePath: String) { (self.shape, self.baseDigest, self.basePath) = (shape, baseDigest, basePath) }
}

extension Adapter {
    /// By the names that a checkpoint gives them.
    package var values: Named<Value> {
        ["rank": .integer(shape.rank), "alpha": .number(Double(shape.alpha)), "targets": .text(shape.targets.joined(separator: ",")),
         "base_digest": .text(baseDigest), "base_path": .text(basePath)]
    }

    /// Checks each: they come from a file.
    init(_ values: Named<Value>, principals: Named<FloatArray>, path: String) throws(CheckpointError) {
        func wrong(_ name: String, _ expected: String) -> CheckpointError {
            .mismatch(path: path, name: "adapter/\(name)", expected: expected, found: values[name].map(\.shown) ?? "nothing")
        }
        func text(_ name: String) throws(CheckpointError) -> String {
            guard case .text(let text)? = values[name] else { throw wrong(name, "a text") }
            return text
        }
        guard case .integer(let rank)? = values["rank"], 1...65_536 ~= rank else { throw wrong("rank", "a whole number from 1 to 65536") }
        guard case .number(let alpha)? = values["alpha"], alpha > 0, alpha < 1e9 else { throw wrong("alpha", "a number above 0") }
        let targets = try text("targets").split(separator: ",").map(String.init)
        self.init(LowRank(rank: rank, alpha: Float(alpha), targets: targets), baseDigest: try text("base_digest"), basePath: try text("base_path"))
        self.principals = principals
        let known = Set(self.values.names)
        for name in values.names where !known.contains(name) { throw wrong(name, "nothing of that name in version \(Seal.version)") }
    }
}

extension Checkpoint {
    /// The same for the same weights, wherever they lie and whatever stands beside them.
    package var weightsDigest: String {
        let digest = Digest()
        for name in weights.names.sorted() {
            guard let array = weights[name] else { continue }
            digest.add(Array("\(name) \(array.shape)\n".utf8).span)
            array.values.read { span in span.asBytes { digest.add($0) } }
        }
        for name in rounded.names.sorted() {
            guard let weights = rounded[name] else { continue }
            digest.add(Array("\(name) \(weights.form.rawValue) \(weights.shape)\n".utf8).span)
            weights.codes.readBytes { digest.add($0) }
            weights.scales.read { span in span.asBytes { digest.add($0) } }
        }
        return digest.text
    }
}
