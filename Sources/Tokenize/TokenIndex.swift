/// Tokens by their bytes: a hash table over the bytes that a vocabulary holds anyway.
struct TokenIndex: Sendable {
    private let tokens: ByteStrings
    private var places: [TokenID]

    /// Of two tokens with the same bytes, the first is found.
    init(_ tokens: ByteStrings, except left: Set<TokenID> = []) {
        self.tokens = tokens
        let count = tokens.indices.count { !tokens.range(of: $0).isEmpty }
        var size = 16
        while size < 2 * count { size *= 2 }
        places = Array(repeating: -1, count: size)
        for id in 0..<tokens.count where !tokens.range(of: id).isEmpty && !left.contains(TokenID(id)) {
            let place = self.place(of: tokens.bytes.span.extracting(tokens.range(of: id)))
            if places[place] < 0 { places[place] = TokenID(id) }
        }
    }

    subscript(bytes: Span<UInt8>) -> TokenID? {
        let id = places[place(of: bytes)]
        return id < 0 ? nil : id
    }

    /// Where these bytes lie, or the empty place where they would.
    private func place(of bytes: Span<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325                // FNV-1a
        for i in bytes.indices { hash = (hash ^ UInt64(bytes[i])) &* 0x100_0000_01B3 }
        var place = Int(truncatingIfNeeded: hash ^ hash >> 32) & (places.count - 1)
        while places[place] >= 0, !equal(tokens.range(of: Int(places[place])), bytes) { place = (place + 1) & (places.count - 1) }
        return place
    }

    private func equal(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        guard range.count == bytes.count else { return false }
        for i in bytes.indices where tokens.bytes[range.lowerBound + i] != bytes[i] { return false }
        return true
    }
}
