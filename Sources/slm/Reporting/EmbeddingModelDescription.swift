import Formats
import JSON
import Tokenize

/// An embedding model or a reranker, as text and as JSON.
struct EmbeddingModelDescription {
    private let folder: EncoderFile

    init(at path: String) throws { folder = try EncoderFile(path) }

    var text: String {
        let c = folder.sizes
        let state = switch folder.pooling.mode {
        case .mean: "the mean of all tokens"
        case .cls: "the first token"
        case .last: "the last token"
        }
        let pooling = state + (folder.pooling.isNormalized ? ", scaled to the length 1" : "")
        let kind = isReranker ? "a reranker" : "an embedding model"
        let scores = folder.scoreFunction == .sigmoid ? "from 0 to 1" : "logits"
        var lines = [
            ("model", "\(folder.path), \(folder.architecture), \(folder.byteCount) bytes: \(kind)"),
            ("", (c.layers == 0 ? "a table of vectors" : "\(c.layers) layers, \(c.heads) heads")
                + ", width \(c.width), context \(folder.input.context), vocabulary \(c.vocabulary)"),
            isReranker ? ("scores", scores) : ("vectors", "\(c.width) numbers: \(pooling)"),
            ("tokenizer", "\(folder.input.tokenizer.kind), \(folder.input.tokenizer.count) tokens"),
        ]
        for (title, prefix) in [("queries", folder.input.queryPrefix), ("passages", folder.input.passagePrefix)] where !prefix.isEmpty {
            lines.append((title, "begin with \(prefix.debugDescription)"))
        }
        let path = folder.path.shellWord
        let use = isReranker ? "slm chat MODEL --documents INDEX --reranker \(path)"
            : "slm index build FILE… --embedding-model \(path) --out INDEX"
        lines.append(("use", use))
        return lines.map { $0.0.padded(to: 12) + $0.1 }.joined(separator: "\n")
    }

    private var isReranker: Bool { folder.purpose == .reranking }

    var json: String {
        let c = folder.sizes
        return JSONLine([
            "model": .text(folder.path), "kind": .text(isReranker ? "reranker" : "embedding"), "architecture": .text(folder.architecture),
            "bytes": .whole(folder.byteCount), "layers": .whole(c.layers), "heads": .whole(c.heads), "width": .whole(c.width),
            "context": .whole(folder.input.context), "vocabulary": .whole(c.vocabulary),
            "pooling": isReranker ? nil : .text(folder.pooling.mode.rawValue),
            "normalized": isReranker ? nil : .flag(folder.pooling.isNormalized), "query_prefix": .text(folder.input.queryPrefix),
            "passage_prefix": .text(folder.input.passagePrefix),
        ]).description
    }
}
