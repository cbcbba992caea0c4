import Autograd
import Checkpoint
import JSON
import Kernels
import Model
import Tokenize

/// What a checkpoint holds, for people and for programs.
struct CheckpointContents {
    private let checkpoint: Checkpoint

    init(_ checkpoint: Checkpoint) { self.checkpoint = checkpoint }

    var text: String {
        let configuration = checkpoint.configuration
        let traits =
            [
                "\(configuration.norm.rawValue) norm", "\(configuration.activation)", "\(configuration.positions.rawValue) positions",
                configuration.hasBias ? "biases" : "no biases",
                configuration.isTied ? "the head is the embedding" : "a head of its own",
            ] + (configuration.hasQKNorm ? ["QK-norm"] : []) + ["dropout \(configuration.dropout)"]
        var lines: [(String, String)] = [
            ("checkpoint", "\(checkpoint.path ?? ""), version \(CheckpointHeader.version), \(checkpoint.byteCount) bytes, whole"),
            (
                "model",
                "\(configuration.layers) layers, \(configuration.heads) heads, \(configuration.width) wide, context \(configuration.context), "
                    + "vocabulary \(configuration.vocabulary)"
            ),
            ("", traits.joined(separator: ", ")),
            ("weights", "\(checkpoint.weights.elementCount) in \(checkpoint.weights.count) arrays"),
            (
                "rounded",
                checkpoint.quantizedPrecision.map {
                    "\(checkpoint.quantized.reduce(0) { $0 + $1.element.outputs * $1.element.inputs }) in \(checkpoint.quantized.count) matrices, \($0.rawValue)"
                } ?? "none"
            ),
            (
                "optimizer",
                checkpoint.optimizer.count == 0
                    ? "none" : "\(checkpoint.optimizer.elementCount) numbers in \(checkpoint.optimizer.count) arrays"
            ),
            ("tokenizer", tokenizer ?? "none"),
            ("chat form", checkpoint.chatTemplate?.rawValue ?? "none"),
        ]
        if let adapter = checkpoint.adapter {
            let rest = adapter.principals.count > 0 ? ", which begins without its \(adapter.shape.rank) greatest singular values" : ""
            lines.insert(
                (
                    "adapter",
                    "rank \(adapter.shape.rank), alpha \(adapter.shape.alpha), of \(adapter.shape.targets.joined(separator: ", "))"
                ), at: 1)
            lines.insert(("", "for the model \(adapter.basePath.quoted), seen from here\(rest)"), at: 2)
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

    private var tokenizer: String? {
        guard let tokenizer = checkpoint.tokenizer else { return nil }
        do { return "\(try checkpoint.vocabulary().count) tokens, fingerprint \(tokenizer.fingerprint)" } catch { return "\(error)" }
    }

    var json: String {
        var writer = JSONWriter(.oneLine)
        writer.object { file in
            file.key("checkpoint"); file.string(checkpoint.path ?? "")
            file.key("version"); file.integer(CheckpointHeader.version)
            file.key("bytes"); file.integer(checkpoint.byteCount)
            file.key("parameters"); file.integer(checkpoint.weights.elementCount)
            file.key("configuration"); write(checkpoint.configuration.values, to: &file)
            if let adapter = checkpoint.adapter { file.key("adapter"); write(adapter.values, to: &file) }
            if let tokenizer = checkpoint.tokenizer { file.key("fingerprint"); file.string(tokenizer.fingerprint) }
            if let form = checkpoint.chatTemplate { file.key("chat_form"); file.string(form.rawValue) }
            file.key("weights"); write(checkpoint.weights, to: &file)
            file.key("optimizer"); write(checkpoint.optimizer, to: &file)
            file.key("training"); write(checkpoint.training, to: &file)
            file.key("metrics"); write(checkpoint.metrics, to: &file)
        }
        return writer.text
    }

    private func write(_ arrays: OrderedDictionary<FloatArray>, to writer: inout JSONWriter) {
        writer.array { list in
            for (name, array) in arrays {
                list.object {
                    $0.key("name"); $0.string(name)
                    $0.key("shape"); $0.array { for size in array.shape.sizes { $0.integer(size) } }
                }
            }
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
