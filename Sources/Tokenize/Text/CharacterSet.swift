/// The set of characters (Unicode scalars) that occur in texts: what a character-level vocabulary is built from.
///
///     var characters = CharacterSet()
///     try characters.add("héllo".utf8.span)
///     Vocabulary.ofCharacters(characters)                       // h, e, l, o, é … in code point order
package struct CharacterSet: Sendable {
    /// One bit per code point.
    private var bits = [UInt64](repeating: 0, count: 0x110000 / 64)

    package init() {}

    package mutating func add(_ text: Span<UInt8>) throws(TokenizeError) {
        guard let text = try? UTF8Span(validating: text) else { throw .noToken(for: "invalid UTF-8", at: 0) }
        var scalars = text.makeUnicodeScalarIterator()
        while let scalar = scalars.next() { bits[Int(scalar.value >> 6)] |= 1 << UInt64(scalar.value & 63) }
    }

    package mutating func add(_ other: CharacterSet) {
        for i in bits.indices { bits[i] |= other.bits[i] }
    }

    /// All members in code point order.
    var scalars: [Unicode.Scalar] {
        bits.indices.flatMap { word in
            (0..<64).compactMap { bit in bits[word] >> UInt64(bit) & 1 == 1 ? Unicode.Scalar(UInt32(word * 64 + bit)) : nil }
        }
    }
}

extension Vocabulary {
    /// A vocabulary with one token per byte and no merges.
    package static func ofBytes(specialTokens: [String] = [], first: Bool = true) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.pattern = .none
        if first { vocabulary.add(specialTokens: specialTokens) }
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        if !first { vocabulary.add(specialTokens: specialTokens) }
        return vocabulary
    }

    /// A vocabulary with one token per character, in code point order.
    package static func ofCharacters(_ characters: CharacterSet, specialTokens: [String] = [], first: Bool = true) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.pattern = .none
        if first { vocabulary.add(specialTokens: specialTokens) }
        for scalar in characters.scalars { vocabulary.tokens.append(String(scalar).utf8) }
        if !first { vocabulary.add(specialTokens: specialTokens) }
        return vocabulary
    }
}
