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
    private let lengths: [Int]
    private let template: ChatTemplate
    private let pool: WorkerPool

    package init(_ checkpoint: Checkpoint, on pool: WorkerPool) throws {
        guard checkpoint.tokenizer != nil else {
            throw EvaluationError.noVocabulary(checkpoint: checkpoint.path ?? "the checkpoint")
        }
        let vocabulary = try checkpoint.vocabulary()
        self.checkpoint = checkpoint
        self.pool = pool
        template = checkpoint.chatTemplate ?? .specialTokens
        tokenizer = try Tokenizer(vocabulary)
        lengths = vocabulary.textLengths
    }

    /// Expands paths to files: chat and text files, folders of them, token files, and token folders, of which `val.bin` is used.
    package static func files(at paths: [String]) throws -> [String] {
        try paths.flatMap { path in
            if Folder.contains("meta.json", in: path) { return [path + "/val.bin"] }
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

    private func chats(at path: String) throws -> EvaluationText {
        var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: template)
        encoder.format = format
        encoder.skipsBad = skipsBad
        let corpus = try encoder.tokens(of: [path], on: pool)
        let ids = corpus.tokens.ids
        let hasChats = corpus.entries.contains { !$0.isPlainText }
        let documents = readsAsOneStream || !hasChats ? [0..<ids.count] : corpus.entries.map(\.range)
        let pieces = corpus.entries.flatMap { entry in
            if entry.isPlainText { return textPieces(of: ids, entry.range) }
            let bytes = lossScope == .all ? entry.bytes.total : entry.bytes.assistant
            return [EvaluationText.Piece(start: entry.range.lowerBound, bytes: bytes)]
        }
        return EvaluationText(
            name: path, ids: ids, isCounted: counted(corpus.tokens.turns, of: ids.count), documents: documents, pieces: pieces,
            conversations: corpus.entries.count, hasChats: hasChats
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
        guard let part = DatasetSplit.allCases.first(where: { name == "\($0.rawValue).bin" }) else {
            throw EvaluationError.unknownTokens(path: path)
        }
        let file = try TokenFile(part, in: folder, meta)
        let conversations = file.conversations
        var ids: [TokenID] = []
        file.read(0..<file.count, into: &ids)
        let isCounted = counted(Array(file.turns), of: ids.count)
        let pieces = meta.template == nil ? conversations.flatMap { textPieces(of: ids, $0) } : conversations.map {
            EvaluationText.Piece(start: $0.lowerBound, bytes: textBytes(of: ids[$0], isCounted))
        }
        return EvaluationText(
            name: path, ids: ids, isCounted: isCounted,
            documents: readsAsOneStream || meta.template == nil ? [0..<ids.count] : conversations, pieces: pieces,
            conversations: meta.counts(of: part).conversations, hasChats: meta.template != nil
        )
    }

    /// For each token, whether it is a target.
    private func counted(_ turns: [ChatTokens.Turn], of count: Int) -> [Bool] {
        guard lossScope == .assistant, !turns.isEmpty else { return Array(repeating: true, count: count) }
        var result = Array(repeating: false, count: count)
        for (i, turn) in turns.enumerated() where turn.role == .assistant {
            for position in turn.start..<(i + 1 < turns.count ? turns[i + 1].start : count) { result[position] = true }
        }
        return result
    }

    /// The bytes of the messages of a conversation that count. Excludes role labels that are text, and ends of turns.
    private func textBytes(of ids: ArraySlice<TokenID>, _ isCounted: [Bool]) -> Int {
        guard template == .humanAssistant else { return ids.indices.reduce(0) { $0 + (isCounted[$1] ? lengths[Int(ids[$1])] : 0) } }
        let vocabulary = tokenizer.vocabulary
        let lines = ids.flatMap { vocabulary.tokens[Int($0)] }.split(separator: UInt8(ascii: "\n"))
        return lines.reduce(0) { sum, line in
            let isAssistant = line.starts(with: "Assistant: ".utf8)
            if !isAssistant, lossScope == .assistant { return sum }
            return sum + max(0, line.count - (isAssistant ? "Assistant: " : "Human: ").utf8.count)
        }
    }

    /// Cuts a text into pieces of 4,096 bytes; the last piece gets the remainder. The cuts are the same, up to one token, for every
    /// vocabulary.
    private func textPieces(of ids: [TokenID], _ range: Range<Int>) -> [EvaluationText.Piece] {
        let last = ids[range].reduce(0) { $0 + lengths[Int($1)] } / 4_096 - 1
        var pieces: [EvaluationText.Piece] = []
        var start = range.lowerBound, bytes = 0, seen = 0
        for position in range {
            if seen / 4_096 > pieces.count, pieces.count < last {
                pieces.append(.init(start: start, bytes: bytes))
                start = position
                bytes = 0
            }
            let length = lengths[Int(ids[position])]
            seen += length
            if position > 0 { bytes += length }        // the first token is never a target
        }
        return pieces + [.init(start: start, bytes: bytes)]
    }
}
