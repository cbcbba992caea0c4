import Files
import JSON
package import Tokenize

/// What is found in a block.
///
///     if case .conversation(let conversation, let line) = entry { … }
package enum CorpusEntry {
    case conversation(Conversation, line: Int)
    /// A plain text, or a piece of one.
    case text([UInt8], line: Int)
    /// A conversation in which nobody says anything.
    case empty(line: Int)
    case malformed(Fault)
}

/// Reads the lines of blocks. One for each thread.
///
///     var parser = ConversationParser()
///     parser.parse(block) { entry in … }
package struct ConversationParser: ~Copyable {
    private var parser = JSONParser()

    package init() {}

    package mutating func parse<Failure: Error>(_ block: CorpusBlock, _ body: (CorpusEntry) throws(Failure) -> Void) throws(Failure) {
        switch block.content {
        case .fault(let fault): try body(.malformed(fault))
        case .lines(let lines, .text): try parseText(lines, block.path, body)
        case .lines(let lines, let format):
            // JSON is checked as it is parsed. Of other text a block is right as a whole, nearly always.
            let isRight = format != .tinyChat || lines.bytes.isText
            try lines.forEachLineRange { range, number throws(Failure) in
                let entry: CorpusEntry
                do throws(LineError) {
                    guard !lines.bytes.trimmed(range).isEmpty else { return }
                    if !isRight { try Self.check(lines.bytes, range) }
                    let conversation = try parse(lines.bytes, range, format)
                    entry = conversation.map { .conversation($0, line: number) } ?? .empty(line: number)
                } catch { entry = .malformed(MalformedLine(path: block.path, line: number, reason: error.reason)) }
                try body(entry)
            }
        }
    }

    private mutating func parse(_ bytes: [UInt8], _ line: Range<Int>, _ format: ChatFileFormat) throws(LineError) -> Conversation? {
        if format == .tinyChat { return try TinyChat.conversation(in: bytes, line: line) }
        let root: JSONElement
        do throws(JSONError) { root = try parser.parse(bytes.span.extracting(line)) } catch { throw LineError(error.description) }
        return format == .collected ? try JSONChat.exchange(root) : try JSONChat.conversation(root)
    }

    /// Lines that are not text are left out of it.
    private func parseText<Failure: Error>(
        _ lines: LineBlock, _ path: String, _ body: (CorpusEntry) throws(Failure) -> Void
    ) throws(Failure) {
        if lines.bytes.isText, lines.bytes.place(of: UInt8(ascii: "\r"), in: 0..<lines.bytes.count) == nil {
            return try body(.text(lines.bytes, line: lines.firstLine))
        }
        var text: [UInt8] = []
        let endsLine = lines.bytes.last == UInt8(ascii: "\n")
        try lines.forEachLineRange { range, number throws(Failure) in
            do throws(LineError) {
                try Self.check(lines.bytes, range)
                text += lines.bytes[range]
                if endsLine || range.upperBound < lines.bytes.count { text.append(UInt8(ascii: "\n")) }
            } catch { try body(.malformed(MalformedLine(path: path, line: number, reason: error.reason))) }
        }
        try body(.text(text, line: lines.firstLine))
    }

    private static func check(_ bytes: [UInt8], _ line: Range<Int>) throws(LineError) {
        if let place = bytes.place(of: 0, in: line) { throw LineError("a NUL byte at byte \(place - line.lowerBound)") }
        do throws(UTF8.ValidationError) { _ = try UTF8Span(validating: bytes.span.extracting(line)) } catch {
            throw LineError("not UTF-8 from byte \(error.byteOffsets.lowerBound) on")
        }
    }
}

extension [UInt8] {
    /// Whether this is UTF-8 without a NUL.
    fileprivate var isText: Bool { place(of: 0, in: 0..<count) == nil && (try? UTF8Span(validating: span)) != nil }
}
