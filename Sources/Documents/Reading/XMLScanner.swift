import Files

/// Reads XML as a sequence of tags and texts.
///
///     var scanner = XMLScanner(bytes)
///     while let token = scanner.next() { … }
///
/// It takes any bytes, in linear time, and checks nothing: what is not well formed is text. A DTD is left out, so that no entity can be
/// defined.
struct XMLScanner {
    enum Token {
        case start(Tag)
        case end(name: String)
        /// With its entities decoded.
        case text([UInt8])
    }

    struct Tag {
        /// With its prefix, as it is written.
        let name: String
        /// Whether it ends with "/>": no end follows.
        let isEmpty: Bool
        fileprivate let attributes: ArraySlice<UInt8>
    }

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> Token? {
        while position < bytes.count {
            let rest = bytes[position...]
            if rest.first != UInt8(ascii: "<") { return text() }
            if rest.starts(with: "<!--".utf8) {
                skip(past: "-->")
            } else if rest.starts(with: "<![CDATA[".utf8) {
                position += 9
                let start = position
                skip(past: "]]>")
                // A section that is not closed ends with the file.
                let text = bytes[start..<position]
                return .text(Array(text.suffix(3).elementsEqual("]]>".utf8) ? text.dropLast(3) : text))
            } else if rest.starts(with: "<!".utf8) || rest.starts(with: "<?".utf8) {
                skip(past: ">")
            } else { return tag() }
        }
        return nil
    }

    private mutating func skip(past end: String) {
        position = bytes.range(of: end.utf8, from: position)?.upperBound ?? bytes.count
    }

    private mutating func text() -> Token {
        var decoded: [UInt8] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
            if bytes[position] == UInt8(ascii: "&") {
                let (characters, length) = HTMLEntities.decoded(bytes[position...])
                decoded += characters
                position += length
            } else {
                decoded.append(bytes[position])
                position += 1
            }
        }
        return .text(decoded)
    }

    private mutating func tag() -> Token {
        let isEnd = position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/")
        let start = position + (isEnd ? 2 : 1)
        var end = start, quote: UInt8?
        while end < bytes.count, quote != nil || bytes[end] != UInt8(ascii: ">") {
            if let open = quote {
                if bytes[end] == open { quote = nil }
            } else if bytes[end] == UInt8(ascii: "\"") || bytes[end] == UInt8(ascii: "'") { quote = bytes[end] }
            end += 1
        }
        position = min(end + 1, bytes.count)
        let inside = bytes[min(start, end)..<end], nameEnd = inside.firstIndex { $0.isSpace || $0 == UInt8(ascii: "/") }
        let name = String(decoding: inside[..<(nameEnd ?? end)].prefix(64), as: UTF8.self)
        if isEnd { return .end(name: name) }
        return .start(Tag(name: name, isEmpty: inside.last == UInt8(ascii: "/"), attributes: inside[(nameEnd ?? end)...]))
    }
}

extension XMLScanner.Tag {
    /// The value of an attribute; nil if there is none.
    subscript(attribute: String) -> String? {
        let wanted = Array(attribute.utf8)
        var rest = attributes
        while let equals = rest.firstIndex(of: UInt8(ascii: "=")) {
            let name = rest[..<equals].trimmed, after = rest[(equals + 1)...].drop(while: \.isSpace)
            guard let quote = after.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'"),
                let end = after.dropFirst().firstIndex(of: quote) else { return nil }
            if name.elementsEqual(wanted) {
                var scanner = XMLScanner(Array(after[(after.startIndex + 1)..<end]))
                guard case .text(let value)? = scanner.next() else { return "" }
                return String(decoding: value, as: UTF8.self)
            }
            rest = after[(end + 1)...]
        }
        return nil
    }
}
