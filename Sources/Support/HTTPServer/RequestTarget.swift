/// The target of a request line: a path and a query.
///
///     RequestTarget("/a%20b/c?x=1&y")              // segments ["a b", "c"], queryItems [("x", "1"), ("y", "")]
///     RequestTarget("/a/%zz")                      // nil
package struct RequestTarget: Sendable {
    package let path: String
    package let segments: [String]
    package let queryItems: [(name: String, value: String)]

    /// Returns nil if the text does not start with a slash, a `%` is not followed by two hex digits, or the decoded text is not UTF-8 or
    /// contains U+0000.
    ///
    /// - Parameter prefix: The beginning of the path, such as "/ollama", which the text does not have.
    package init?(_ text: String, under prefix: String = "") {
        let slash = UInt8(ascii: "/")
        let question = UInt8(ascii: "?")
        // Parses bytes, as proxies do. Parsing characters would read a slash followed by a combining mark (U+0301) as one other character.
        var rest = text.utf8[...]
        // A request to a proxy has an absolute target.
        if let scheme = ["http://", "https://"].first(where: { rest.starts(with: $0.utf8) }) {
            rest = rest.dropFirst(scheme.utf8.count)
            rest = rest[(rest.firstIndex { $0 == slash || $0 == question } ?? rest.endIndex)...]
            if rest.first != slash { rest = Substring("/" + String(Substring(rest))).utf8 }
        }
        guard rest.first == slash else { return nil }
        let parts = rest.split(separator: question, maxSplits: 1, omittingEmptySubsequences: false)
        path = prefix + String(Substring(parts[0]))
        var segments: [String] = []
        for part in parts[0].dropFirst().split(separator: slash, omittingEmptySubsequences: false) {
            guard let segment = Self.decoded(part, plusIsSpace: false) else { return nil }
            segments.append(segment)
        }
        self.segments = prefix.split(separator: "/").map(String.init) + (segments == [""] ? [] : segments)
        var items: [(name: String, value: String)] = []
        for part in parts.dropFirst().first?.split(separator: UInt8(ascii: "&")) ?? [] {
            let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(pair[0], plusIsSpace: true),
                  let value = Self.decoded(pair.dropFirst().first ?? "".utf8[...], plusIsSpace: true) else { return nil }
            items.append((name, value))
        }
        queryItems = items
    }

    private static func decoded(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text[...]
        bytes.reserveCapacity(text.count)
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(hexDigit),
                      let low = rest.popFirst().flatMap(hexDigit),
                      high | low > 0 else { return nil }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
