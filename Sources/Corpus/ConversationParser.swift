import Files
import JSON
package import Tokenize

/// An item found in a block.
///
///     if case .conversation(let conversation, let line) = entry { … }
package enum CorpusEntry {
    case conversation(Conversation, line: Int)
    /// A document, a plain text, or a part of one.
    case text([UInt8], line: Int)
    /// A conversation in which all messages are empty, or an empty document.
    case empty(line: Int)
    case malformed(MalformedLine)
}

/// Parses the lines of blocks. One per thread.
///
///     var parser = ConversationParser()
///     parser.parse(block) { entry in … }
package struct ConversationParser: ~Copyable {
    private var parser = JSONParser()

    package init() {}

    package mutating func parse<Failure: Error>(
        _ block: CorpusBlock, _ body: (CorpusEntry) throws(Failure) -> Void
    ) throws(Failure) {
        switch block.content {
        case .malformed(let line): try body(.malformed(line))
        case .lines(let lines, .text): try parseText(lines, block.path, body)
        case .lines(let lines, let format):
            // The JSON parser validates UTF-8. TinyChat is validated per block, and per line only if a block is invalid.
            let isValid = format != .tinyChat || lines.bytes.isValidText
            try lines.forEachLineRange { range, number throws(Failure) in
                let entry: CorpusEntry
                do throws(LineError) {
                    guard !lines.bytes.trimmed(range).isEmpty else { return }
                    if !isValid { try Self.validate(lines.bytes, range) }
                    if format == .documents {
                        let text = try JSONChat.document(root(lines.bytes, range))
                        entry = text.isEmpty ? .empty(line: number) : .text(text, line: number)
                    } else {
                        let conversation = try parse(lines.bytes, range, format)
                        entry = conversation.map { .conversation($0, line: number) } ?? .empty(line: number)
                    }
                } catch { entry = .malformed(MalformedLine(path: block.path, line: number, reason: error.reason)) }
                try body(entry)
            }
        }
    }

    private mutating func parse(_ bytes: [UInt8], _ line: Range<Int>, _ format: ChatFileFormat) throws(LineError) -> Conversation? {
        if format == .tinyChat { return try TinyChat.conversation(in: bytes, line: line) }
        let root = try root(bytes, line)
        switch format {
        case .collected: return try JSONChat.exchange(root)
        case .preferences: return try JSONPreference.preference(root).flatMap(\.preferredConversation)
        case .messages, .tinyChat, .documents, .text: return try JSONChat.conversation(root)
        }
    }

    /// Passes the valid lines of a plain text to `body`, without carriage returns.
    private func parseText<Failure: Error>(
        _ lines: LineBlock, _ path: String, _ body: (CorpusEntry) throws(Failure) -> Void
    ) throws(Failure) {
        if lines.bytes.isValidText, lines.bytes.firstIndex(of: UInt8(ascii: "\r"), in: 0..<lines.bytes.count) == nil {
            return try body(.text(lines.bytes, line: lines.firstLine))
        }
        var text: [UInt8] = []
        let endsLine = lines.bytes.last == UInt8(ascii: "\n")
        try lines.forEachLineRange { range, number throws(Failure) in
            do throws(LineError) {
                try Self.validate(lines.bytes, range)
                text += lines.bytes[range]
                if endsLine || range.upperBound < lines.bytes.count { text.append(UInt8(ascii: "\n")) }
            } catch { try body(.malformed(MalformedLine(path: path, line: number, reason: error.reason))) }
        }
        try body(.text(text, line: lines.firstLine))
    }

    private static func validate(_ bytes: [UInt8], _ line: Range<Int>) throws(LineError) {
        if let index = bytes.firstIndex(of: 0, in: line) { throw LineError("a NUL byte at byte \(index - line.lowerBound)") }
        do throws(UTF8.ValidationError) { _ = try UTF8Span(validating: bytes.span.extracting(line)) } catch {
            throw LineError("invalid UTF-8 at byte \(error.byteOffsets.lowerBound)")
        }
    }
}

/// An item found in a block of preferences.
package enum PreferenceEntry {
    case preference(Preference, line: Int)
    /// An answer is empty, or both are the same: there is nothing to prefer.
    case empty(line: Int)
    case malformed(MalformedLine)
}

extension ConversationParser {
    /// Parses a block of a file of preferences. A file of another format is one malformed line.
    package mutating func parsePreferences<Failure: Error>(
        _ block: CorpusBlock, _ body: (PreferenceEntry) throws(Failure) -> Void
    ) throws(Failure) {
        switch block.content {
        case .malformed(let line): try body(.malformed(line))
        case .lines(let lines, .preferences):
            try lines.forEachLineRange { range, number throws(Failure) in
                if lines.bytes.trimmed(range).isEmpty { return }
                let entry: PreferenceEntry
                do throws(LineError) {
                    let preference = try JSONPreference.preference(root(lines.bytes, range))
                    entry = preference.map { .preference($0, line: number) } ?? .empty(line: number)
                } catch { entry = .malformed(MalformedLine(path: block.path, line: number, reason: error.reason)) }
                try body(entry)
            }
        case .lines(let lines, let format):
            let reason = #"expected preferences ("prompt", "chosen" and "rejected", or "prompt", "completion" and "label"), "#
                + (format == .text ? "found plain text" : format == .documents ? "found documents" : "found chats")
            try body(.malformed(MalformedLine(path: block.path, line: lines.firstLine, reason: reason)))
        }
    }

    private mutating func root(_ bytes: [UInt8], _ line: Range<Int>) throws(LineError) -> JSONElement {
        let root: JSONElement
        do throws(JSONError) { root = try parser.parse(bytes.span.extracting(line)) } catch {
            // An array on several lines, or an object: neither of its lines is JSON.
            if bytes.trimmed(line).count == 1 { throw LineError.notOneObjectPerLine }
            throw LineError(error.description)
        }
        if root.elements?.first(where: { _ in true })?.kind == .object { throw LineError.notOneObjectPerLine }
        guard root.kind == .object else { throw LineError("expected an object, found \(root.kind.rawValue)") }
        return root
    }
}

extension [UInt8] {
    /// Whether this is valid UTF-8 without NUL.
    fileprivate var isValidText: Bool { firstIndex(of: 0, in: 0..<count) == nil && (try? UTF8Span(validating: span)) != nil }
}
