/// Finds tokens by their bytes: a hash table of token IDs over the vocabulary's own bytes.
struct TokenIndex: Sendable {
    private let tokens: ByteStrings
    /// The ID in each slot; -1 if the slot is empty.
    private var slots: [TokenID]

    /// Indexes the first of several tokens with equal bytes.
    init(_ tokens: ByteStrings, except excluded: Set<TokenID> = []) {
        self.tokens = tokens
        let count = tokens.indices.count { !tokens.range(of: $0).isEmpty }
        var size = 16
        while size < 2 * count { size *= 2 }
        slots = Array(repeating: -1, count: size)
        for id in 0..<tokens.count where !tokens.range(of: id).isEmpty && !excluded.contains(TokenID(id)) {
            let slot = self.slot(of: tokens.bytes.span.extracting(tokens.range(of: id)))
            if slots[slot] < 0 { slots[slot] = TokenID(id) }
        }
    }

    subscript(bytes: Span<UInt8>) -> TokenID? {
        let id = slots[slot(of: bytes)]
        return id < 0 ? nil : id
    }

    /// The slot of a token, or the empty slot where it belongs.
    private func slot(of bytes: Span<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325                // FNV-1a
        for i in bytes.indices { hash = (hash ^ UInt64(bytes[i])) &* 0x100_0000_01B3 }
        var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1)
        while slots[slot] >= 0, !equal(tokens.range(of: Int(slots[slot])), bytes) { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    private func equal(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        guard range.count == bytes.count else { return false }
        for i in bytes.indices where tokens.bytes[range.lowerBound + i] != bytes[i] { return false }
        return true
    }
}

extension TokenIndex {
    /// The first token with the same bytes as an earlier one.
    func firstDuplicate(in tokens: ByteStrings, except excluded: Set<TokenID> = []) -> TokenID? {
        for id in tokens.indices where !tokens.range(of: id).isEmpty && !excluded.contains(TokenID(id)) {
            if self[tokens.bytes.span.extracting(tokens.range(of: id))] != TokenID(id) { return TokenID(id) }
        }
        return nil
    }
}
