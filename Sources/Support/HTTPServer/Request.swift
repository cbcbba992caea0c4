/// A request that is there whole.
///
///     request.method                               // "GET"
///     request.segments                             // ["api", "conversations", "5h1v"], of /api/conversations/5h1v?limit=10
///     request.query("limit")                       // "10"
///     request.header("authorization")              // names in small letters
package struct Request: Sendable {
    package let method: String
    /// Without its query, as it came.
    package let path: String
    /// Of the path, decoded.
    package let segments: [String]
    package let queryItems: [(name: String, value: String)]
    /// Names in small letters, in the order in which they came.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]
    package let peer: PeerAddress

    /// The only value of that name; nil if there is none, or several.
    package func header(_ name: String) -> String? {
        var found: String?
        for header in headers where header.name == name {
            if found != nil { return nil }
            found = header.value
        }
        return found
    }

    package func hasHeader(_ name: String) -> Bool { headers.contains { $0.name == name } }

    /// The last one counts.
    package func query(_ name: String) -> String? { queryItems.last { $0.name == name }?.value }

    package init(
        _ method: String, target: Target, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        peer: PeerAddress = PeerAddress()
    ) {
        self.method = method
        path = target.path
        segments = target.segments
        queryItems = target.queryItems
        self.headers = headers
        self.body = body
        self.peer = peer
    }
}

/// What stands behind the method: a path and a query.
///
///     Target("/a%20b/c?x=1&y")                     // segments ["a b", "c"], queryItems [("x", "1"), ("y", "")]
///     Target("/a/%zz")                             // nil
package struct Target: Sendable {
    package let path: String
    package let segments: [String]
    package let queryItems: [(name: String, value: String)]

    /// nil for what is no target: it does not begin with a slash, or a `%` has no two digits behind it, or what is decoded is no UTF-8 or
    /// has U+0000 in it.
    package init?(_ text: String) {
        let slash = UInt8(ascii: "/"), question = UInt8(ascii: "?")
        // Byte by byte, as proxies read it: a mark that combines with what is before it, such as U+0301 behind a slash, changes nothing of
        // that.
        var rest = text.utf8[...]
        // Proxies are asked with the whole address.
        if let scheme = ["http://", "https://"].first(where: { rest.starts(with: $0.utf8) }) {
            rest = rest.dropFirst(scheme.utf8.count)
            rest = rest[(rest.firstIndex { $0 == slash || $0 == question } ?? rest.endIndex)...]
            if rest.first != slash { rest = Substring("/" + String(Substring(rest))).utf8 }
        }
        guard rest.first == slash else { return nil }
        let parts = rest.split(separator: question, maxSplits: 1, omittingEmptySubsequences: false)
        path = String(Substring(parts[0]))
        var segments: [String] = []
        for part in parts[0].dropFirst().split(separator: slash, omittingEmptySubsequences: false) {
            guard let segment = Self.decoded(part, plusIsSpace: false) else { return nil }
            segments.append(segment)
        }
        self.segments = segments == [""] ? [] : segments
        var items: [(name: String, value: String)] = []
        for part in parts.dropFirst().first?.split(separator: UInt8(ascii: "&")) ?? [] {
            let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(pair[0], plusIsSpace: true),
                let value = Self.decoded(pair.dropFirst().first ?? "".utf8[...], plusIsSpace: true)
            else {
                return nil
            }
            items.append((name, value))
        }
        queryItems = items
    }

    private static func decoded(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = [], rest = text[...]
        bytes.reserveCapacity(text.count)
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit), high | low > 0 else {
                    return nil
                }
                bytes.append(high << 4 | low)
            } else { bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte) }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
