/// The characters that some texts are made of: all that a tokenizer of characters has to know.
///
///     var characters = Characters()
///     try characters.add("héllo".utf8.span, at: 0)
///     Vocabulary.ofCharacters(characters)                       // é, h, l, o … in the order of Unicode
package struct Characters: Sendable {
    /// A bit for each code point.
    private var seen = [UInt64](repeating: 0, count: 0x110000 / 64)

    package init() {}

    package mutating func add(_ text: Span<UInt8>) throws(TokenizeError) {
        guard let text = try? UTF8Span(validating: text) else { throw .noToken(for: "bytes that are not UTF-8", at: 0) }
        var scalars = text.makeUnicodeScalarIterator()
        while let scalar = scalars.next() { seen[Int(scalar.value >> 6)] |= 1 << UInt64(scalar.value & 63) }
    }

    package mutating func add(_ other: Characters) {
        for i in seen.indices { seen[i] |= other.seen[i] }
    }

    var all: [Unicode.Scalar] {
        seen.indices.flatMap { word in
            (0..<64).compactMap { bit in seen[word] >> UInt64(bit) & 1 == 1 ? Unicode.Scalar(UInt32(word * 64 + bit)) : nil }
        }
    }
}

extension Vocabulary {
    /// A token for each byte, and nothing merges.
    package static func ofBytes(specialTokens: [String] = [], first: Bool = true) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.pattern = .none
        if first { vocabulary.add(specialTokens: specialTokens) }
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        if !first { vocabulary.add(specialTokens: specialTokens) }
        return vocabulary
    }

    /// A token for each character that was seen, in the order of Unicode.
    package static func ofCharacters(_ characters: Characters, specialTokens: [String] = [], first: Bool = true) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.pattern = .none
        if first { vocabulary.add(specialTokens: specialTokens) }
        for scalar in characters.all { vocabulary.tokens.append(String(scalar).utf8) }
        if !first { vocabulary.add(specialTokens: specialTokens) }
        return vocabulary
    }
}
