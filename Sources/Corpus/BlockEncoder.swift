import Files
import Tokenize

/// A block of a corpus, parsed and encoded.
struct EncodedBlock: Sendable {
    /// A conversation, or a part of a plain text. Its tokens and turns start where those of the previous entry end.
    struct Entry: Sendable {
        let idEnd, turnEnd: Int
        let bytes: ChatTokens.Bytes
        let messages: Int
        let isTruncated: Bool
        /// False for the later parts of a plain text.
        let startsHere: Bool
    }

    let split: DatasetSplit?
    /// Little-endian, as in the file.
    var ids: [UInt8] = []
    var turns: [ChatTokens.Turn] = []
    var entries: [Entry] = []
    var empty = 0
    var malformedLines: [MalformedLine] = []
    /// An error that ends the work even if malformed lines are skipped.
    var failure: CorpusError?
    var hasChats = false
    var bytesRead = 0
}

/// Parses and encodes blocks. One per thread.
final class BlockEncoder {
    private var parser = ConversationParser()
    private var encoder: Encoder
    private let renderer: Result<ChatRenderer, TokenizeError>
    private let maxTokens: Int
    private let width: Int
    /// The tokens before and after a plain text: those that the tokenizer adds to texts. If it appends none, the end-of-text token.
    private let textStart, textEnd: [TokenID]
    private var chat = ChatTokens()

    init(_ tokenizer: Tokenizer, template: ChatTemplate, maxTokens: Int?, width: Int) throws(CorpusError) {
        do throws(TokenizeError) { encoder = try Encoder(tokenizer) } catch { throw .tokenizer(error) }
        // A vocabulary without role tokens is an error only if there are chats.
        renderer = Result { () throws(TokenizeError) in try ChatRenderer(template, for: tokenizer) }
        let vocabulary = tokenizer.vocabulary
        textStart = vocabulary.textPrefix
        textEnd = vocabulary.textSuffix.isEmpty ? vocabulary.endOfTextToken.map { [$0] } ?? [] : vocabulary.textSuffix
        self.maxTokens = maxTokens ?? .max
        self.width = width
    }

    func encode(_ block: CorpusBlock) -> EncodedBlock {
        var result = EncodedBlock(split: block.split)
        chat.ids.removeAll(keepingCapacity: true)
        chat.turns.removeAll(keepingCapacity: true)
        do throws(CorpusError) {
            try parser.parse(block) { entry throws(CorpusError) in
                switch entry {
                case .empty: result.empty += 1
                case .malformed(let line): result.malformedLines.append(line)
                case .conversation(let conversation, let line):
                    result.hasChats = true
                    let renderer: ChatRenderer
                    do throws(TokenizeError) { renderer = try self.renderer.get() } catch { throw .tokenizer(error) }
                    add(conversation.messages.count, from: block, line, startsHere: true, to: &result) { () throws(TokenizeError) in
                        try renderer.append(conversation, maxTokens: maxTokens, with: &encoder, to: &chat)
                    }
                case .text(let text, let line):
                    add(0, from: block, line, startsHere: block.startsText, to: &result) { () throws(TokenizeError) in
                        let start = chat.ids.count
                        if block.startsText { chat.ids += textStart }
                        try encoder.encode(text.span, from: block.startsText ? .ofText : .insideText, into: &chat.ids)
                        if block.endsText { chat.ids += textEnd }
                        if chat.ids.count > start { chat.turns.append(.init(start, .assistant)) }
                        chat.bytes.assistant += text.count
                        return false
                    }
                }
            }
        } catch { result.failure = error }
        if case .lines(let lines, _) = block.content { result.bytesRead = lines.bytes.count }
        result.ids = littleEndian(chat.ids)
        result.turns = chat.turns
        return result
    }

    /// Adds an entry. If it cannot be encoded, its tokens are removed and its line counts as malformed.
    private func add(
        _ messages: Int, from block: CorpusBlock, _ line: Int, startsHere: Bool, to result: inout EncodedBlock,
        _ encode: () throws(TokenizeError) -> Bool
    ) {
        let idStart = chat.ids.count
        let turnStart = chat.turns.count
        chat.bytes = .init()
        do throws(TokenizeError) {
            let isTruncated = try encode()
            result.entries.append(EncodedBlock.Entry(
                idEnd: chat.ids.count,
                turnEnd: chat.turns.count,
                bytes: chat.bytes,
                messages: messages,
                isTruncated: isTruncated,
                startsHere: startsHere
            ))
        } catch {
            chat.ids.removeSubrange(idStart...)
            chat.turns.removeSubrange(turnStart...)
            let reason = LineError(sentence: error.description).reason
            result.malformedLines.append(MalformedLine(path: block.path, line: line, reason: reason))
        }
    }

    private func littleEndian(_ ids: [TokenID]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * width)
        for id in ids {
            if width == 4 { bytes.append(littleEndian: id) } else { bytes.append(littleEndian: UInt16(truncatingIfNeeded: id)) }
        }
        return bytes
    }
}
