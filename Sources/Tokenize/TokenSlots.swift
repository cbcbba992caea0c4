/// The tokens of a file, in whatever order it has them.
///
///     var slots = TokenSlots(fileSize: bytes.count)
///     try slots.put(Array("b".utf8), at: 1)
///     slots.tokens                     // "" and "b": 0 is a gap
struct TokenSlots {
    /// Every number is below it. A token takes more than a byte of its file: numbers far beyond its size would only fill the memory with
    /// gaps, of which
    /// each takes 12 bytes.
    let limit: Int

    /// In the file's order.
    private var strings = ByteStrings()
    /// For each number, where its token is among them, or -1.
    private var places: [Int32] = []

    /// What keeps a token out of its place.
    enum Refusal: Error { case outOfRange(limit: Int), taken, empty }

    init(fileSize: Int) { limit = Self.limit(fileSize: fileSize) }

    static func limit(fileSize: Int) -> Int { max(1 << 17, min(1 << 22, fileSize)) }

    mutating func put(_ token: some Collection<UInt8>, at id: Int) throws(Refusal) {
        guard id >= 0, id < limit else { throw .outOfRange(limit: limit) }
        guard !token.isEmpty else { throw .empty }
        if id >= places.count { places.append(contentsOf: repeatElement(-1, count: id + 1 - places.count)) }
        guard places[id] < 0 else { throw .taken }
        replace(id, by: token)
    }

    /// Makes another string of what a number stands for.
    mutating func replace(_ id: Int, by token: some Collection<UInt8>) {
        places[id] = Int32(strings.count)
        strings.append(token)
    }

    var count: Int { places.count }

    var tokens: ByteStrings {
        var tokens = ByteStrings()
        tokens.reserveCapacity(places.count, bytes: strings.bytes.count)
        for place in places { tokens.append(place < 0 ? [] : strings[Int(place)]) }
        return tokens
    }
}

extension TokenSlots.Refusal {
    /// The error for a file: what it should have said for token `id`.
    func error(path: String, place: String, id: Int) -> TokenizeError {
        switch self {
        case .outOfRange(let limit):
            .malformed(path: path, place: place, expected: "a number from 0 to \(limit - 1) in a file of this size", found: "\(id)")
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
