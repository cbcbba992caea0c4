/// Ids one after the other to text that can be shown at once: never half a character.
///
///     var decoder = StreamDecoder(vocabulary)
///     decoder.add(12520)               // "": " " and the beginning of an emoji come as " ", the rest with the next ids
///     decoder.add(220)                 // …
///     decoder.finish()                 // what was still waiting, as U+FFFD
///
/// All pieces together are what `Tokenizer.text(of:)` gives for all ids.
package struct StreamDecoder: Sendable {
    private let tokens: ByteStrings
    /// The beginning of a character: at most 3 bytes.
    private var waiting: [UInt8] = []

    package init(_ vocabulary: Vocabulary) { tokens = vocabulary.tokens }

    /// The text that is certain now. What is no id stands for nothing.
    package mutating func add(_ id: TokenID) -> String {
        guard id >= 0, Int(id) < tokens.count else { return "" }
        return add(tokens[Int(id)])
    }

    package mutating func add(_ bytes: some Collection<UInt8>) -> String {
        waiting.append(contentsOf: bytes)
        let certain = waiting.count - waiting.span.incompleteUTF8Suffix
        defer { waiting.removeFirst(certain) }
        return String(decoding: waiting[..<certain], as: UTF8.self)
    }

    /// What still waits for bytes that don't come. The decoder can begin anew.
    package mutating func finish() -> String {
        defer { waiting.removeAll() }
        return String(decoding: waiting, as: UTF8.self)
    }
}
