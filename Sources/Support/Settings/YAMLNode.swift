/// A value in a YAML text, and the line where it begins.
///
///     let root = try YAMLNode.parse(Array("threads: 2\ndata: [a.txt, b.txt]\n".utf8))
///     root?.members?[0].key                                    // "threads"
///     root?.members?[1].value.elements?[1].text                // "b.txt"
///
/// It is YAML as settings are written in: texts, lists and members, block or flow, quoted or plain. What a plain text means (a number, a word) is for its reader
/// to say. Anchors, aliases, tags and a second document are refused, so a text is never more than its own length.
package struct YAMLNode: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        /// `isPlain` without quotation marks.
        case text(String, isPlain: Bool)
        case list([YAMLNode])
        case members([Member])
    }

    package struct Member: Sendable, Equatable {
        package let key: String
        /// The line of the key, from 1.
        package let line: Int
        package let value: YAMLNode
    }

    package let value: Value
    package let line: Int

    /// nil for a list, members, and where nothing stands.
    package var text: String? {
        guard case .text(let text, _) = value, !isNull else { return nil }
        return text
    }

    package var elements: [YAMLNode]? { if case .list(let elements) = value { elements } else { nil } }
    package var members: [Member]? { if case .members(let members) = value { members } else { nil } }

    /// Whether nothing stands there, or a word for it.
    package var isNull: Bool {
        if case .text(let text, isPlain: true) = value { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }
}

extension YAMLNode {
    private static let mostBytes = 1 << 20
    private static let mostLevels = 8

    /// - Returns: nil for a text in which there is nothing, or comments alone.
    package static func parse(_ text: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard text.count <= mostBytes else { throw YAMLError(1, "\(text.count) bytes are too long for settings: at most \(mostBytes)") }
        let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text          // a byte-order mark
        return try text.withUnsafeBufferPointer { bytes throws(YAMLError) in
            let events = try YAMLEvents(of: bytes)
            guard try events.next().event != .end else { return nil }
            let root = try node(try events.next(), events, level: 0)
            let (last, lastLine) = try events.next()
            guard last == .end else { throw YAMLError(lastLine, "expected one document, found a second") }
            return root
        }
    }

    /// The value that an event begins.
    private static func node(_ event: (event: YAMLEvent, line: Int), _ events: borrowing YAMLEvents, level: Int) throws(YAMLError) -> YAMLNode {
        guard level < mostLevels else { throw YAMLError(event.line, "expected at most \(mostLevels) levels, found more") }
        switch event.event {
        case .text(let text, let isPlain): return YAMLNode(value: .text(text, isPlain: isPlain), line: event.line)
        case .listStart:
            var elements: [YAMLNode] = []
            while true {
                let next = try events.next()
                if next.event == .close { return YAMLNode(value: .list(elements), line: event.line) }
                elements.append(try node(next, events, level: level + 1))
            }
        case .membersStart:
            return YAMLNode(value: .members(try members(events, level: level)), line: event.line)
        case .documentStart, .close, .end: throw YAMLError(event.line, "expected a value")
        }
    }

    private static func members(_ events: borrowing YAMLEvents, level: Int) throws(YAMLError) -> [Member] {
        var members: [Member] = [], lines: [String: Int] = [:]
        while true {
            let (event, line) = try events.next()
            if event == .close { return members }
            guard case .text(let key, _) = event else { throw YAMLError(line, "expected a name before the colon, found a list or members") }
            if let first = lines.updateValue(line, forKey: key) { throw YAMLError(line, "'\(key)' is there a second time: it is in line \(first)") }
            members.append(Member(key: key, line: line, value: try node(try events.next(), events, level: level + 1)))
        }
    }
}
