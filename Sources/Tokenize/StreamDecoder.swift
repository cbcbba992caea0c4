/// Decodes token IDs one at a time to text that can be displayed immediately: a character is returned when all its bytes have arrived.
///
///     var decoder = StreamDecoder(vocabulary)
///     decoder.add(12520)               // " ": the token is a space and the first bytes of an emoji
///     decoder.add(220)                 // the emoji, if these are its last bytes, otherwise nothing
///
/// The concatenation of all results is the text of all IDs, without an incomplete character at its end, as it continues an earlier text,
/// such as a prompt. With `startsText` it is `Tokenizer.text(of:)`: without the space that a SentencePiece vocabulary prepends to a text.
package struct StreamDecoder: Sendable {
    private let tokens: ByteStrings
    /// The first bytes of an incomplete character: at most 3.
    private var pending: [UInt8] = []

    /// Whether a space at the start of the next token is not part of the text.
    private var dropsSpace: Bool

    package init(_ vocabulary: Vocabulary, startsText: Bool = false) {
        tokens = vocabulary.tokens
        dropsSpace = startsText && vocabulary.dropsLeadingSpace
    }

    /// The text that is complete after this token. An invalid ID has no text.
    package mutating func add(_ id: TokenID) -> String {
        guard id >= 0, Int(id) < tokens.count else { return "" }
        return add(tokens[Int(id)])
    }

    package mutating func add(_ bytes: some Collection<UInt8>) -> String {
        if dropsSpace, let first = bytes.first {
            dropsSpace = false
            if first == 0x20 { return add(bytes.dropFirst()) }
        }
        pending.append(contentsOf: bytes)
        let complete = pending.count - pending.span.incompleteUTF8Suffix
        defer { pending.removeFirst(complete) }
        return String(decoding: pending[..<complete], as: UTF8.self)
    }
}
