import Autograd
import Checkpoint
import Formats
import JSON
import Kernels
import Model
import Tokenize

/// The contents of a checkpoint, as text and as JSON.
struct CheckpointDescription {
    private let checkpoint: Checkpoint

    /// Reads the model, but not the base model of a LoRA adapter.
    init(at path: String) throws {
        let (checkpoint, check) = try ModelFile.open(path)
        try check?.wait()
        self.checkpoint = checkpoint
    }

    var text: String {
        let c = checkpoint.configuration
        let traits = [
            "\(c.norm.rawValue) norm",
            "\(c.activation)",
            "\(c.positions.rawValue) positions",
            biases,
            c.isTied ? "tied output head" : "untied output head",
        ] + (c.qkNorm != .none ? ["QK-norm"] : [])
            + (c.experts.map { ["\($0.active) of \($0.count) experts"] } ?? []) + ["dropout \(c.dropout)"]
        let quantized = checkpoint.quantized.count == 0
            ? nil : "\(checkpoint.quantizedCount) in \(checkpoint.quantized.count) matrices, \(matrixFormats)"
        let optimizer = checkpoint.optimizer.count == 0
            ? "none" : "\(checkpoint.optimizer.elementCount) numbers in \(checkpoint.optimizer.count) arrays"
        var lines: [(String, String)] = [
            ("checkpoint", "\(checkpoint.name), \(format), \(checkpoint.byteCount) bytes"),
            ("model", "\(c.layers) layers, \(c.heads) heads, width \(c.width), context \(c.context), vocabulary \(c.vocabulary)"),
            ("", traits.joined(separator: ", ")),
            ("weights", "\(checkpoint.weights.elementCount) in \(checkpoint.weights.count) arrays"),
            (checkpoint.format == .slm ? "quantized" : "matrices", quantized ?? "none"),
            ("optimizer", optimizer),
            ("tokenizer", tokenizer ?? "none"),
            ("template", checkpoint.chatTemplate?.rawValue ?? checkpoint.chatTemplateError.map { "cannot be rendered: \($0)" } ?? "none"),
        ]
        if let adapter = checkpoint.adapter {
            let shape = adapter.shape
            let pissa = adapter.principals.count > 0 ? ", without its \(shape.rank) largest singular values (PiSSA)" : ""
            let whole = shape.wholeLayers.isEmpty ? "" : "; whole layers \(shape.wholeLayers.joined(separator: ", "))"
            lines.insert(("adapter", "\(shape.usesDoRA ? "DoRA" : "LoRA"), rank \(shape.rank), alpha \(shape.alpha), targets "
                + "\(shape.targetNames.joined(separator: ", "))\(whole)"), at: 1)
            lines.insert(("", "base model \(adapter.basePath.quoted), relative to this file\(pissa)"), at: 2)
        }
        for (title, values) in [("training", checkpoint.training), ("metrics", checkpoint.metrics)] {
            let width = (values.names.map(\.count).max() ?? 0) + 2
            for (i, (name, value)) in values.enumerated() {
                lines.append((i == 0 ? title : "", name.padded(to: width) + value.displayText))
            }
            if values.count == 0 { lines.append((title, "none")) }
        }
        return lines.map { $0.0.padded(to: 12) + $0.1 }.joined(separator: "\n")
    }

    private var biases: String {
        let c = checkpoint.configuration
        if c.hasBias { return "biases" }
        return switch (c.hasQKVBias, c.hasNormBias) {
        case (true, true): "biases of queries, keys, values and norms"
        case (true, false): "biases of queries, keys and values"
        case (false, true): "biases of norms"
        case (false, false): "no biases"
        }
    }

    private var format: String {
        checkpoint.format == .slm ? "version \(CheckpointHeader.version)" : checkpoint.format.rawValue
    }

    /// int8; or of another program's file, such as "Q4_K, Q6_K; answers in these" or "F16; answers in f32".
    private var matrixFormats: String {
        let precision = checkpoint.quantizedPrecision
        var formats: [String] = []
        for (_, matrix) in checkpoint.quantized {
            for rows in matrix.storedRows ?? [] where !formats.contains(rows.format.name) { formats.append(rows.format.name) }
        }
        if formats.isEmpty { return precision?.rawValue ?? "" }
        let answers = precision.map { $0.isInteger ? (formats.count == 1 ? "this" : "these") : $0.rawValue }
        return formats.joined(separator: ", ") + (answers.map { "; answers in \($0)" } ?? "")
    }

    private var tokenizer: String? {
        guard let tokenizer = checkpoint.tokenizer else { return nil }
        do { return "\(try checkpoint.vocabulary().count) tokens, fingerprint \(tokenizer.fingerprint)" } catch { return "\(error)" }
    }

    var json: String {
        JSONWriter.text { file in
            file["checkpoint"] = checkpoint.path ?? ""
            file["version"] = CheckpointHeader.version
            file["bytes"] = checkpoint.byteCount
            file["parameters"] = checkpoint.weights.elementCount + checkpoint.quantizedCount
            file["format"] = checkpoint.format.rawValue
            file.key("configuration")
            write(checkpoint.configuration.values, to: &file)
            if let adapter = checkpoint.adapter {
                file.key("adapter")
                write(adapter.values, to: &file)
            }
            if let tokenizer = checkpoint.tokenizer { file["fingerprint"] = tokenizer.fingerprint }
            if let template = checkpoint.chatTemplate {
                file["chat_template"] = template.rawValue
                if case .jinja(let jinja) = template { file["jinja"] = jinja.source }
            }
            file.key("weights")
            write(checkpoint.weights, to: &file)
            file.key("optimizer")
            write(checkpoint.optimizer, to: &file)
            file.key("training")
            write(checkpoint.training, to: &file)
            file.key("metrics")
            write(checkpoint.metrics, to: &file)
        }
    }

    private func write(_ arrays: OrderedDictionary<FloatArray>, to writer: inout JSONWriter) {
        writer.objects(arrays) { array, object in
            object["name"] = array.name
            object.array("shape") { for size in array.element.shape.sizes { $0.integer(size) } }
        }
    }

    private func write(_ values: OrderedDictionary<CheckpointValue>, to writer: inout JSONWriter) {
        writer.object { object in
            for (name, value) in values {
                object.key(name)
                switch value {
                case .integer(let number): object.integer(number)
                case .number(let number): object.number(number)
                case .text(let text): object.string(text)
                case .integers(let row): object.array { for number in row { $0.integer(number) } }
                case .numbers(let row): object.array { for number in row { $0.number(number) } }
                case .floats(let row): object.array { for number in row { $0.number(Double(number)) } }
                case .bytes(let row): object.array { for byte in row { $0.integer(byte) } }
                }
            }
        }
    }
}

extension Checkpoint {
    /// The number of quantized weights.
    var quantizedCount: Int { quantized.reduce(0) { $0 + $1.element.outputs * $1.element.inputs } }
}
