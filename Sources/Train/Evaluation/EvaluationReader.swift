package import Checkpoint
package import Corpus
import Files
package import Kernels
import Tokenize

/// Reads files for evaluation, with the model's own vocabulary and chat template.
///
///     var reader = try EvaluationReader(checkpoint, on: WorkerPool(threads: 2))
///     reader.lossScope = .assistant
///     let text = try reader.text(at: "chats.jsonl")
package struct EvaluationReader {
    /// Which tokens are targets.
    package var lossScope = LossScope.all
    /// Reads each file as one token stream, with windows across conversation boundaries. Plain text is always read this way.
    package var readsAsOneStream = false
    package var format: ChatFileFormat?
    package var skipsBad = false
    private let checkpoint: Checkpoint
    private let tokenizer: Tokenizer
    private let template: ChatTemplate
    private let pool: WorkerPool

    package init(_ checkpoint: Checkpoint, on pool: WorkerPool) throws {
        guard checkpoint.tokenizer != nil else {
            throw EvaluationError.noTokenizer(checkpoint: checkpoint.path ?? "the checkpoint")
        }
        let vocabulary = try checkpoint.vocabulary()
        self.checkpoint = checkpoint
        self.pool = pool
        template = checkpoint.chatTemplate ?? .specialTokens
        tokenizer = try Tokenizer(vocabulary)
    }

    /// Expands paths to files: chat and text files, folders of them, token files, and token folders, of which the validation set is used.
    package static func files(at paths: [String]) throws -> [String] {
        try paths.flatMap { path in
            if Folder.contains("meta.json", in: path) {
                return ["\(path)/\(try TokenMeta(reading: path + "/meta.json").fileName(of: .val))"]
            }
            return path.hasSuffix(".bin") ? [path] : try Folder.files(at: [path], withExtensions: CorpusBlocks.fileExtensions)
        }
    }

    /// Reads and tokenizes one file.
    package func text(at path: String) throws -> EvaluationText {
        let text = path.hasSuffix(".bin") ? try tokens(at: path) : try chats(at: path)
        guard text.documents.contains(where: { text.isCounted[$0].dropFirst().contains(true) }) else {
            throw EvaluationError.noTargets(path: path, scope: lossScope)
        }
        return text
    }

    private func builder(_ template: ChatTemplate?) -> EvaluationTextBuilder {
        var builder = EvaluationTextBuilder(tokenizer.vocabulary, template)
        builder.lossScope = lossScope
        builder.readsAsOneStream = readsAsOneStream
        return builder
    }

    private func chats(at path: String) throws -> EvaluationText {
        var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: template)
        encoder.format = format
        encoder.skipsBad = skipsBad
        let corpus = try encoder.tokens(of: [path], on: pool)
        let ids = corpus.tokens.ids
        let builder = builder(corpus.entries.contains { !$0.isPlainText } ? template : nil)
        let pieces = corpus.entries.flatMap { entry in
            if entry.isPlainText { return builder.textPieces(of: ids, entry.range) }
            let bytes = lossScope == .all ? entry.bytes.total : entry.bytes.assistant
            return [EvaluationText.Piece(start: entry.range.lowerBound, bytes: bytes)]
        }
        return builder.text(
            path, ids, EvaluationTextBuilder.roles(corpus.tokens.turns, of: ids.count), documents: corpus.entries.map(\.range),
            pieces: pieces, conversations: corpus.entries.count
        )
    }

    private func tokens(at path: String) throws -> EvaluationText {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[..<$0]) } ?? "."
        let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let meta = try TokenMeta(reading: folder + "/meta.json")
        try checkpoint.check(fingerprint: meta.fingerprint)
        guard meta.template == nil || meta.template == template else {
            throw EvaluationError.wrongTemplate(path: path, found: meta.template?.rawValue ?? "text", expected: template.rawValue)
        }
        guard let file = try TokenFile(named: name, in: folder, meta) else { throw EvaluationError.unknownTokens(path: path) }
        var ids: [TokenID] = []
        try file.read(0..<file.count, into: &ids)
        let documents = file.conversations
        let split = DatasetSplit.allCases.first { name == "\($0.rawValue).bin" || name == meta.fileName(of: $0) }
        return builder(meta.template).text(
            path, ids, EvaluationTextBuilder.roles(Array(file.turns), of: ids.count), documents: documents,
            conversations: split.map { meta.counts(of: $0).conversations } ?? documents.count
        )
    }
}
