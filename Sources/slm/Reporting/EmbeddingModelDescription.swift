import Formats
import JSON
import Model
import Tokenize

/// An embedding model, as text and as JSON.
struct EmbeddingModelDescription {
    private let folder: BERTFolder

    init(at path: String) throws { folder = try BERTFolder(path) }

    var text: String {
        let c = folder.configuration
        let pooling = (folder.pooling.mode == .mean ? "the mean of all tokens" : "the first token")
            + (folder.pooling.isNormalized ? ", scaled to the length 1" : "")
        var lines = [
            ("model", "\(folder.path), BERT, \(folder.byteCount) bytes: an embedding model"),
            ("", "\(c.layers) layers, \(c.heads) heads, width \(c.width), context \(folder.input.context), vocabulary \(c.vocabulary)"),
            ("vectors", "\(c.width) numbers: \(pooling)"),
            ("tokenizer", "WordPiece, \(folder.input.tokenizer.count) tokens"),
        ]
        for (title, prefix) in [("queries", folder.input.queryPrefix), ("passages", folder.input.passagePrefix)] where !prefix.isEmpty {
            lines.append((title, "begin with \(prefix.debugDescription)"))
        }
        lines.append(("use", "slm index build FILE… --embedding-model \(folder.path.shellWord) --out INDEX"))
        return lines.map { $0.0.padded(to: 12) + $0.1 }.joined(separator: "\n")
    }

    var json: String {
        let c = folder.configuration
        return JSONLine([
            "model": .text(folder.path), "kind": "embedding", "architecture": "bert", "bytes": .whole(folder.byteCount),
            "layers": .whole(c.layers), "heads": .whole(c.heads), "width": .whole(c.width), "context": .whole(folder.input.context),
            "vocabulary": .whole(c.vocabulary), "pooling": .text(folder.pooling.mode.rawValue),
            "normalized": .flag(folder.pooling.isNormalized), "query_prefix": .text(folder.input.queryPrefix),
            "passage_prefix": .text(folder.input.passagePrefix),
        ]).description
    }
}
