/// Decodes token IDs one at a time to text that can be displayed immediately: a character is returned when all its bytes have arrived.
///
///     var decoder = StreamDecoder(vocabulary)
///     decoder.add(12520)               // " ": the token is a space and the first bytes of an emoji
///     decoder.add(220)                 // …
///     decoder.finish()                 // an incomplete character at the end, as U+FFFD
///
/// The concatenation of all results is `Tokenizer.text(of:)` of all IDs.
package struct StreamDecoder: Sendable {
    private let tokens: ByteStrings
    /// The first bytes of an incomplete character: at most 3.
    private var pending: [UInt8] = []

    package init(_ vocabulary: Vocabulary) { tokens = vocabulary.tokens }

    /// The text that is complete after this token. An invalid ID has no text.
    package mutating func add(_ id: TokenID) -> String {
        guard id >= 0, Int(id) < tokens.count else { return "" }
        return add(tokens[Int(id)])
    }

    package mutating func add(_ bytes: some Collection<UInt8>) -> String {
        pending.append(contentsOf: bytes)
        let complete = pending.count - pending.span.incompleteUTF8Suffix
        defer { pending.removeFirst(complete) }
        return String(decoding: pending[..<complete], as: UTF8.self)
    }

    /// Returns the incomplete character at the end, if any, as U+FFFD, and resets the decoder.
    package mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }
}
