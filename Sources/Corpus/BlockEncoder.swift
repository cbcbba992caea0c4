import Files
import Tokenize

/// What one thread makes of a block.
struct EncodedBlock: Sendable {
    /// A conversation, or a piece of plain text, in `ids` and `turns`; each begins where the one before it ends.
    struct Entry: Sendable {
        let idEnd, turnEnd: Int
        let bytes: ChatTokens.Bytes
        let messages: Int
        let isCut, beginsHere: Bool
    }

    let part: DatasetSplit?
    /// Little-endian, as they stand in the file.
    var ids: [UInt8] = []
    var turns: [ChatTokens.Turn] = []
    var entries: [Entry] = []
    var empty = 0
    var faults: [Fault] = []
    /// What ends the work, whatever is skipped.
    var failure: CorpusError?
    var hasChats = false
    var bytesRead = 0
}

/// Parses and encodes blocks, one for each thread.
final class BlockEncoder {
    private var parser = ConversationParser()
    private var encoder: Encoder
    private let renderer: Result<ChatRenderer, TokenizeError>
    private let limit: Int
    private let width: Int
    /// What ends a plain text, if the vocabulary has it.
    private let textEnd: TokenID?
    private var chat = ChatTokens()

    init(_ tokenizer: Tokenizer, form: ChatTemplate, limit: Int?, width: Int) throws(CorpusError) {
        do throws(TokenizeError) { encoder = try Encoder(tokenizer) } catch { throw .tokenizer(error) }
        // A vocabulary without markers is fine as long as no chat comes.
        renderer = Result { () throws(TokenizeError) in try ChatRenderer(form, for: tokenizer) }
        textEnd = tokenizer.vocabulary.specialTokenID("<|eos|>") ?? tokenizer.vocabulary.specialTokenID("<|endoftext|>")
        self.limit = limit ?? .max
        self.width = width
    }

    func encode(_ block: CorpusBlock) -> EncodedBlock {
        var result = EncodedBlock(part: block.part)
        chat.ids.removeAll(keepingCapacity: true)
        chat.turns.removeAll(keepingCapacity: true)
        do throws(CorpusError) {
            try parser.parse(block) { entry throws(CorpusError) in
                switch entry {
                case .empty: result.empty += 1
                case .malformed(let fault): result.faults.append(fault)
                case .conversation(let conversation, let line):
                    result.hasChats = true
                    let renderer: ChatRenderer
                    do throws(TokenizeError) { renderer = try self.renderer.get() } catch { throw .tokenizer(error) }
                    add(conversation.messages.count, from: block, line, beginsHere: true, to: &result) { () throws(TokenizeError) in
                        try renderer.append(conversation, limit: limit, with: &encoder, to: &chat)
                    }
                case .text(let text, let line):
                    add(0, from: block, line, beginsHere: block.begins, to: &result) { () throws(TokenizeError) in
                        let start = chat.ids.count
                        try encoder.encode(text.span, into: &chat.ids)
                        if block.ends, let textEnd { chat.ids.append(textEnd) }
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

    /// What cannot be encoded is taken back, and a fault.
    private func add(_ messages: Int, from block: CorpusBlock, _ line: Int, beginsHere: Bool, to result: inout EncodedBlock,
                     _ encode: () throws(TokenizeError) -> Bool) {
        let ids = chat.ids.count
        let turns = chat.turns.count
        chat.bytes = .init()
        do throws(TokenizeError) {
            let isCut = try encode()
            result.entries.append(
                .init(
                    idEnd: chat.ids.count, turnEnd: chat.turns.count, bytes: chat.bytes, messages: messages, isCut: isCut,
                    beginsHere: beginsHere))
        } catch {
            chat.ids.removeSubrange(ids...)
            chat.turns.removeSubrange(turns...)
            let sentence = error.description
            result.faults.append(
                MalformedLine(path: block.path, line: line, reason: sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence))
        }
    }

    private func littleEndian(_ ids: [TokenID]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * width)
        for id in ids {
            bytes.append(UInt8(truncatingIfNeeded: id))
            bytes.append(UInt8(truncatingIfNeeded: id >> 8))
            if width == 4 {
                bytes.append(UInt8(truncatingIfNeeded: id >> 16))
                bytes.append(UInt8(truncatingIfNeeded: id >> 24))
            }
        }
        return bytes
    }
}
