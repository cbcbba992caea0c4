/// Encodes text to token IDs and decodes them. Immutable, and shared by all threads.
///
///     let tokenizer = try Tokenizer(vocabulary)
///     let ids = try tokenizer.ids(of: "Hello there")
///     tokenizer.text(of: ids)                                  // "Hello there"
///
/// For large texts use `Encoder`, which caches words.
package struct Tokenizer: Sendable {
    package let vocabulary: Vocabulary
    let mergeRanks: MergeRanks
    let baseTokens: BaseTokens
    /// The tokens by their bytes, if the vocabulary ignores merges for words that are tokens.
    let wholeWords: TokenIndex?
    /// The pre-tokenization pattern, if it is a regular expression.
    let compiledRegex: CompiledRegex?

    /// The tokens that a text consists of before any merge.
    enum BaseTokens: Sendable {
        /// One for each byte value; -1 if the vocabulary has none.
        case bytes([TokenID])
        case characters([Unicode.Scalar: TokenID])
    }

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.vocabulary = vocabulary
        mergeRanks = MergeRanks(vocabulary.merges)
        let special = vocabulary.specialTokenIDs
        switch vocabulary.unit {
        case .bytes:
            var ids = [TokenID](repeating: -1, count: 256)
            for id in 0..<vocabulary.count where vocabulary.tokens.range(of: id).count == 1 && !special.contains(TokenID(id)) {
                ids[Int(vocabulary.tokens[id].first ?? 0)] = TokenID(id)
            }
            baseTokens = .bytes(ids)
        case .characters:
            var ids: [Unicode.Scalar: TokenID] = [:]
            for id in 0..<vocabulary.count where !special.contains(TokenID(id)) {
                let scalars = String(decoding: vocabulary.tokens[id], as: UTF8.self).unicodeScalars
                if scalars.count == 1, let scalar = scalars.first { ids[scalar] = TokenID(id) }
            }
            baseTokens = .characters(ids)
        }
        wholeWords = vocabulary.ignoresMerges ? TokenIndex(vocabulary.tokens, except: special) : nil
        compiledRegex = if case .regex(let pattern) = vocabulary.pattern { try CompiledRegex(pattern) } else { nil }
    }

    /// How to encode the text of a special token, such as `<|eos|>`.
    package enum SpecialTokenHandling {
        /// As ordinary text: nothing that a user types can end a turn.
        case asText
        /// As the special token: only for trusted text.
        case recognized
    }

    package func ids(of text: String, specialTokens: SpecialTokenHandling = .asText) throws(TokenizeError) -> [TokenID] {
        try ids(of: Array(text.utf8), specialTokens: specialTokens)
    }

    package func ids(of text: [UInt8], specialTokens: SpecialTokenHandling = .asText) throws(TokenizeError) -> [TokenID] {
        var encoder = try Encoder(self, cacheBits: 0), ids: [TokenID] = []
        let found = specialTokens == .recognized ? SpecialTokenMatcher(vocabulary.specialTokens).matches(in: text) : []
        var at = 0
        for (range, id) in found {
            try encoder.encode(text.span.extracting(at..<range.lowerBound), into: &ids)
            ids.append(id)
            at = range.upperBound
        }
        try encoder.encode(text.span.extracting(at..<text.count), into: &ids)
        return ids
    }

    /// Decodes IDs to bytes. Invalid IDs are skipped.
    package func bytes(of ids: some Sequence<TokenID>) -> [UInt8] {
        var result: [UInt8] = []
        for id in ids where vocabulary.tokens.indices.contains(Int(id)) { result.append(contentsOf: vocabulary.tokens[Int(id)]) }
        return result
    }

    /// Decodes IDs to text, in which invalid UTF-8 becomes U+FFFD.
    package func text(of ids: some Sequence<TokenID>) -> String { String(decoding: bytes(of: ids), as: UTF8.self) }
}

/// Finds the texts of special tokens in a text: the leftmost first, and the longest of those that start at the same byte.
struct SpecialTokenMatcher {
    /// Longest first.
    private let tokens: [(text: [UInt8], id: TokenID)]

    init(_ tokens: [Vocabulary.SpecialToken]) {
        self.tokens = tokens
            .map { (Array($0.text.utf8), $0.id) }
            .filter { !$0.text.isEmpty }
            .sorted { $0.text.count > $1.text.count }
    }

    func matches(in text: [UInt8]) -> [(range: Range<Int>, id: TokenID)] {
        let firstBytes = Set(tokens.compactMap(\.text.first))
        var matches: [(Range<Int>, TokenID)] = []
        var at = 0
        while at < text.count {
            if firstBytes.contains(text[at]), let token = tokens.first(where: { text[at...].starts(with: $0.text) }) {
                matches.append((at..<at + token.text.count, token.id))
                at += token.text.count
            } else {
                at += 1
            }
        }
        return matches
    }
}
