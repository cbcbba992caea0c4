/// Text to ids and back. Made once, only read, shared by all threads.
///
///     let tokenizer = try Tokenizer(vocabulary)
///     let ids = try tokenizer.ids(of: "Hello there")
///     tokenizer.text(of: ids)                                  // "Hello there"
///
/// For much text, an `Encoder` remembers the words that it has met.
package struct Tokenizer: Sendable {
    package let vocabulary: Vocabulary

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.vocabulary = vocabulary
    }

    /// The ids of a text, in which special tokens are text like any other.
    package func ids(of text: String) throws(TokenizeError) -> [TokenID] { try ids(of: Array(text.utf8)) }

    package func ids(of text: [UInt8]) throws(TokenizeError) -> [TokenID] {
        var encoder = Encoder(self), ids: [TokenID] = []
        try encoder.encode(text.span, into: &ids)
        return ids
    }

    /// The bytes that the ids stand for.
    package func bytes(of ids: some Sequence<TokenID>) -> [UInt8] {
        var result: [UInt8] = []
        for id in ids { result.append(contentsOf: vocabulary.tokens[Int(id)]) }
        return result
    }

    /// The same as text, where what is not UTF-8 becomes U+FFFD.
    package func text(of ids: some Sequence<TokenID>) -> String { String(decoding: bytes(of: ids), as: UTF8.self) }
}

/// Encodes much text: it remembers the words it has met. One for each thread.
package struct Encoder: ~Copyable {
    private let tokenizer: Tokenizer

    package init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// Appends the ids of a whole text.
    package mutating func encode(_ text: Span<UInt8>, into ids: inout [TokenID]) throws(TokenizeError) {
        for i in text.indices { ids.append(TokenID(text[i])) }     // (to come: this is the tokenizer of bytes)
    }
}
