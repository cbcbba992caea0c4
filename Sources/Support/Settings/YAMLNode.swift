/// A YAML value and the line where it starts.
///
///     let root = try YAMLNode.parse(Array("threads: 2\ndata: [a.txt, b.txt]\n".utf8))
///     root?.entries?[0].key                                    // "threads"
///     root?.entries?[1].value.elements?[1].text                // "b.txt"
///
/// Supports scalars, sequences and mappings in block and flow style. Scalars are not converted to numbers or booleans. Anchors, aliases,
/// tags and further documents are rejected, so the result is never larger than the text.
package struct YAMLNode: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        /// `isPlain`: without quotation marks.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    package struct Entry: Sendable, Equatable {
        package let key: String
        /// The line of the key, from 1.
        package let line: Int
        package let value: YAMLNode
    }

    package let value: Value
    package let line: Int

    /// The text of a scalar; nil for null, sequences and mappings.
    package var text: String? {
        guard case .scalar(let text, _) = value, !isNull else { return nil }
        return text
    }

    package var elements: [YAMLNode]? { if case .sequence(let elements) = value { elements } else { nil } }
    package var entries: [Entry]? { if case .mapping(let entries) = value { entries } else { nil } }

    /// Whether the value is missing, `~` or `null`.
    package var isNull: Bool {
        if case .scalar(let text, isPlain: true) = value { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }
}

extension YAMLNode {
    private static let maxBytes = 1 << 20
    private static let maxDepth = 8

    /// - Returns: nil for a text without values, such as comments only.
    package static func parse(_ text: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard text.count <= maxBytes else { throw YAMLError(1, "expected at most \(maxBytes) bytes, found \(text.count)") }
        let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text          // a byte-order mark
        return try text.withUnsafeBufferPointer { bytes throws(YAMLError) in
            let parser = try YAMLParser(of: bytes)
            guard try parser.next().event != .streamEnd else { return nil }
            let root = try node(try parser.next(), parser, depth: 0)
            let (last, lastLine) = try parser.next()
            guard last == .streamEnd else { throw YAMLError(lastLine, "expected one document, found a second") }
            return root
        }
    }

    /// Reads the value that starts with an event.
    private static func node(
        _ event: (event: YAMLEvent, line: Int), _ parser: borrowing YAMLParser, depth: Int
    ) throws(YAMLError) -> YAMLNode {
        guard depth < maxDepth else { throw YAMLError(event.line, "expected at most \(maxDepth) levels of nesting, found more") }
        switch event.event {
        case .scalar(let text, let isPlain): return YAMLNode(value: .scalar(text, isPlain: isPlain), line: event.line)
        case .sequenceStart:
            var elements: [YAMLNode] = []
            while true {
                let next = try parser.next()
                if next.event == .collectionEnd { return YAMLNode(value: .sequence(elements), line: event.line) }
                elements.append(try node(next, parser, depth: depth + 1))
            }
        case .mappingStart:
            return YAMLNode(value: .mapping(try entries(parser, depth: depth)), line: event.line)
        case .documentStart, .collectionEnd, .streamEnd: throw YAMLError(event.line, "expected a value")
        }
    }

    private static func entries(_ parser: borrowing YAMLParser, depth: Int) throws(YAMLError) -> [Entry] {
        var entries: [Entry] = []
        var lines: [String: Int] = [:]
        while true {
            let (event, line) = try parser.next()
            if event == .collectionEnd { return entries }
            guard case .scalar(let key, _) = event else {
                throw YAMLError(line, "expected a key before the colon, found a list or mapping")
            }
            if let first = lines.updateValue(line, forKey: key) {
                throw YAMLError(line, "duplicate key '\(key)'; it is also in line \(first)")
            }
            entries.append(Entry(key: key, line: line, value: try node(try parser.next(), parser, depth: depth + 1)))
        }
    }
}
