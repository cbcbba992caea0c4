package import Checkpoint
package import Corpus
import Files
package import Kernels
import Tokenize

/// Reads files for a model to be asked about, with the model's own vocabulary and chat form.
///
///     var reader = try EvaluationReader(checkpoint, on: WorkerPool(threads: 2))
///     reader.learned = .assistant
///     let texts = try reader.texts(at: ["chats.jsonl", "data"])
package struct EvaluationReader {
    /// Whose tokens count.
    package var learned = LossScope.all
    /// Files are read as one stream, and windows reach over the borders of conversations. Plain text always is.
    package var joins = false
    package var format: ChatFileFormat?
    package var skipsBad = false
    private let checkpoint: Checkpoint
    private let tokenizer: Tokenizer
    private let lengths: [Int]
    private let form: ChatTemplate
    private let pool: WorkerPool

    package init(_ checkpoint: Checkpoint, on pool: WorkerPool) throws {
        guard checkpoint.tokenizer != nil else { throw EvaluationError.noVocabulary(checkpoint: checkpoint.path ?? "the checkpoint") }
        let vocabulary = try checkpoint.vocabulary()
        (self.checkpoint, self.pool, form) = (checkpoint, pool, checkpoint.chatTemplate ?? .specialTokens)
        (tokenizer, lengths) = (try Tokenizer(vocabulary), vocabulary.textLengths)
    }

    /// The files of all paths: chats and texts, folders of them, files of tokens, and folders of tokens, of which `val.bin` is read.
    package static func files(at paths: [String]) throws -> [String] {
        try paths.flatMap { path in
            if Folder.contains("meta.json", in: path) { return [path + "/val.bin"] }
            return path.hasSuffix(".bin") ? [path] : try Folder.files(at: [path], withExtensions: CorpusBlocks.fileExtensions)
        }
    }

    /// One of those files.
    package func text(at path: String) throws -> EvaluationText {
        let text = path.hasSuffix(".bin") ? try tokens(at: path) : try chats(at: path)
        guard text.documents.contains(where: { text.isCounted[$0].dropFirst().contains(true) }) else {
            throw EvaluationError.noTargets(path: path, scope: learned)
        }
        return text
    }

    private func chats(at path: String) throws -> EvaluationText {
        var encoding = CorpusEncoder(tokenizer, file: "tokenizer.json", template: form)
        (encoding.format, encoding.skipsBad) = (format, skipsBad)
        let corpus = try encoding.tokens(of: [path], on: pool), ids = corpus.tokens.ids
        let hasChats = corpus.entries.contains { !$0.isText }
        let documents = joins || !hasChats ? [0..<ids.count] : corpus.entries.map(\.range)
        let pieces = corpus.entries.flatMap { entry in
            entry.isText ? textPieces(of: ids, entry.range)
                : [EvaluationText.Piece(start: entry.range.lowerBound, bytes: learned == .all ? entry.bytes.total : entry.bytes.assistant)]
        }
        return EvaluationText(name: path, ids: ids, isCounted: counted(corpus.tokens.turns, of: ids.count), documents: documents, pieces: pieces,
                              conversations: corpus.entries.count, hasChats: hasChats)
    }

    private func tokens(at path: String) throws -> EvaluationText {
        let slash = path.lastIndex(of: "/"), folder = slash.map { String(path[..<$0]) } ?? "."
        let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let meta = try TokenMeta(reading: folder + "/meta.json")
        try checkpoint.check(fingerprint: meta.fingerprint)
        guard meta.template == nil || meta.template == form else {
            throw EvaluationError.otherForm(path: path, found: meta.template?.rawValue ?? "text", expected: form.rawValue)
        }
        guard let part = DatasetSplit.allCases.first(where: { name == "\($0.rawValue).bin" }) else { throw EvaluationError.unknownTokens(path: path) }
        let file = try TokenFile(part, in: folder, meta), conversations = file.conversations
        var ids: [TokenID] = []
        file.read(0..<file.count, into: &ids)
        let isCounted = counted(Array(file.turns), of: ids.count)
        let pieces = meta.template == nil ? conversations.flatMap { textPieces(of: ids, $0) } : conversations.map {
            EvaluationText.Piece(start: $0.lowerBound, bytes: said(ids[$0], isCounted))
        }
        return EvaluationText(name: path, ids: ids, isCounted: isCounted, documents: joins || meta.template == nil ? [0..<ids.count] : conversations,
                              pieces: pieces, conversations: meta.counts(of: part).conversations, hasChats: meta.template != nil)
    }

    /// Of which tokens the loss is wanted.
    private func counted(_ turns: [ChatTokens.Turn], of count: Int) -> [Bool] {
        guard learned == .assistant, !turns.isEmpty else { return Array(repeating: true, count: count) }
        var result = Array(repeating: false, count: count)
        for (i, turn) in turns.enumerated() where turn.role == .assistant {
            for place in turn.start..<(i + 1 < turns.count ? turns[i + 1].start : count) { result[place] = true }
        }
        return result
    }

    /// The bytes of what counts in a conversation. Where labels are text, they are no part of what is said: nor are the ends of turns.
    private func said(_ ids: ArraySlice<TokenID>, _ isCounted: [Bool]) -> Int {
        guard form == .humanAssistant else { return ids.indices.reduce(0) { $0 + (isCounted[$1] ? lengths[Int(ids[$1])] : 0) } }
        let vocabulary = tokenizer.vocabulary, lines = ids.flatMap { vocabulary.tokens[Int($0)] }.split(separator: UInt8(ascii: "\n"))
        return lines.reduce(0) { sum, line in
            let isAssistants = line.starts(with: "Assistant: ".utf8)
            if !isAssistants, learned == .assistant { return sum }
            return sum + max(0, line.count - (isAssistants ? "Assistant: " : "Human: ").utf8.count)
        }
    }

    /// A text cut where 4,096 bytes are full: at the same places, but for half a token, whatever the vocabulary. The last piece has what is left.
    private func textPieces(of ids: [TokenID], _ range: Range<Int>) -> [EvaluationText.Piece] {
        let last = ids[range].reduce(0) { $0 + lengths[Int($1)] } / 4_096 - 1
        var pieces: [EvaluationText.Piece] = [], start = range.lowerBound, bytes = 0, seen = 0
        for place in range {
            if seen / 4_096 > pieces.count, pieces.count < last {
                pieces.append(.init(start: start, bytes: bytes))
                (start, bytes) = (place, 0)
            }
            let length = lengths[Int(ids[place])]
            seen += length
            if place > 0 { bytes += length }           // nothing predicts the first token
        }
        return pieces + [.init(start: start, bytes: bytes)]
    }
}
