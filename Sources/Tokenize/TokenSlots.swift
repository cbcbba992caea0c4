/// The tokens of a file, in whatever order it has them.
///
///     var slots = TokenSlots()
///     try slots.put(Array("b".utf8), at: 1)
///     slots.tokens                     // "" and "b": 0 is a gap
struct TokenSlots {
    /// No file's ids go so far; one that does would fill the memory with gaps.
    static let limit = 1 << 22

    private var bytes: [UInt8] = []
    private var places: [Range<Int>] = []

    /// What keeps a token out of its place.
    enum Refusal: Error { case outOfRange, taken, empty }

    mutating func put(_ token: some Collection<UInt8>, at id: Int) throws(Refusal) {
        guard id >= 0, id < Self.limit else { throw .outOfRange }
        guard !token.isEmpty else { throw .empty }
        if id >= places.count { places.append(contentsOf: repeatElement(0..<0, count: id + 1 - places.count)) }
        guard places[id].isEmpty else { throw .taken }
        places[id] = bytes.count..<bytes.count + token.count
        bytes.append(contentsOf: token)
    }

    /// Makes another string of what a number stands for.
    mutating func replace(_ id: Int, by token: some Collection<UInt8>) {
        places[id] = bytes.count..<bytes.count + token.count
        bytes.append(contentsOf: token)
    }

    var count: Int { places.count }

    var tokens: ByteStrings {
        var tokens = ByteStrings()
        tokens.reserveCapacity(places.count, bytes: bytes.count)
        for place in places { tokens.append(bytes[place]) }
        return tokens
    }
}

extension TokenSlots.Refusal {
    /// The error for a file: what it should have said for token `id`.
    func error(path: String, place: String, id: Int) -> TokenizeError {
        switch self {
        case .outOfRange: .malformed(path: path, place: place, expected: "a number from 0 to \(TokenSlots.limit - 1)", found: "\(id)")
        case .taken: .malformed(path: path, place: place, expected: "a number for each token", found: "\(id) a second time")
        case .empty: .malformed(path: path, place: place, expected: "a token", found: "nothing")
        }
    }
}

extension TokenIndex {
    /// The first token whose bytes another has, too.
    func firstDouble(in tokens: ByteStrings, except left: Set<TokenID> = []) -> TokenID? {
        for id in tokens.indices where !tokens.range(of: id).isEmpty && !left.contains(TokenID(id)) {
            if self[tokens.bytes.span.extracting(tokens.range(of: id))] != TokenID(id) { return TokenID(id) }
        }
        return nil
    }
}

/// A piece of a file, for a message: short, and on one line.
func shown(_ bytes: some Collection<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(40), as: UTF8.self).debugDescription.dropFirst().dropLast()
    return "'\(text)'" + (bytes.count > 40 ? "…" : "")
}
