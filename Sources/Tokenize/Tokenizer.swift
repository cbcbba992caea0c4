/// Text to ids and back. Made once, only read, shared by all threads.
///
///     let tokenizer = try Tokenizer(vocabulary)
///     let ids = try tokenizer.ids(of: "Hello there")
///     tokenizer.text(of: ids)                                  // "Hello there"
///
/// For much text, an `Encoder` remembers the words that it has met.
package struct Tokenizer: Sendable {
    package let vocabulary: Vocabulary
    let pairs: PairTable
    let units: Units
    /// Tokens by their bytes, where a word that is a token is taken whole.
    let wholeWords: TokenIndex?
    /// What cuts a text into words, where that is a regular expression.
    let compiledPattern: CompiledRegex?

    /// The tokens that a text is made of before anything merges.
    enum Units: Sendable {
        /// One for each byte; -1 where the vocabulary has none.
        case bytes([TokenID])
        case characters([Unicode.Scalar: TokenID])
    }

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.vocabulary = vocabulary
        pairs = PairTable(vocabulary.merges)
        let special = Set(vocabulary.specialTokens.map(\.id))
        switch vocabulary.unit {
        case .bytes:
            var ids = [TokenID](repeating: -1, count: 256)
            for id in 0..<vocabulary.count where vocabulary.tokens.range(of: id).count == 1 && !special.contains(TokenID(id)) {
                ids[Int(vocabulary.tokens[id].first ?? 0)] = TokenID(id)
            }
            units = .bytes(ids)
        case .characters:
            var ids: [Unicode.Scalar: TokenID] = [:]
            for id in 0..<vocabulary.count where !special.contains(TokenID(id)) {
                let scalars = String(decoding: vocabulary.tokens[id], as: UTF8.self).unicodeScalars
                if scalars.count == 1, let scalar = scalars.first { ids[scalar] = TokenID(id) }
            }
            units = .characters(ids)
        }
        wholeWords = vocabulary.ignoresMerges ? TokenIndex(vocabulary.tokens, except: special) : nil
        compiledPattern = if case .regex(let pattern) = vocabulary.pattern { try CompiledRegex(pattern) } else { nil }
    }

    /// What text may become in `ids(of:)`.
    package enum Specials {
        /// `<|eos|>` in a text is seven characters like any others: what people type can never end a turn.
        case asText
        /// `<|eos|>` in a text is that token: for texts that we wrote ourselves.
        case recognized
    }

    package func ids(of text: String, specialTokens: Specials = .asText) throws(TokenizeError) -> [TokenID] {
        try ids(of: Array(text.utf8), specialTokens: specialTokens)
    }

    package func ids(of text: [UInt8], specialTokens: Specials = .asText) throws(TokenizeError) -> [TokenID] {
        var encoder = try Encoder(self, cacheBits: 0), ids: [TokenID] = []
        let found = specialTokens == .recognized ? SpecialFinder(vocabulary.specialTokens).ranges(in: text) : []
        var at = 0
        for (range, special) in found {
            try encoder.encode(text.span.extracting(at..<range.lowerBound), into: &ids)
            ids.append(special)
            at = range.upperBound
        }
        try encoder.encode(text.span.extracting(at..<text.count), into: &ids)
        return ids
    }

    /// The bytes that the ids stand for. What is no id stands for nothing.
    package func bytes(of ids: some Sequence<TokenID>) -> [UInt8] {
        var result: [UInt8] = []
        for id in ids where vocabulary.tokens.indices.contains(Int(id)) { result.append(contentsOf: vocabulary.tokens[Int(id)]) }
        return result
    }

    /// The same as text, where what is not UTF-8 becomes U+FFFD.
    package func text(of ids: some Sequence<TokenID>) -> String { String(decoding: bytes(of: ids), as: UTF8.self) }
}

/// Where the texts of special tokens stand in a text: the leftmost first, of several that begin there the longest.
struct SpecialFinder {
    private let specialTokens: [(text: [UInt8], id: TokenID)]

    init(_ specialTokens: [Vocabulary.SpecialToken]) {
        self.specialTokens = specialTokens.map { (Array($0.text.utf8), $0.id) }.filter { !$0.text.isEmpty }.sorted {
            $0.text.count > $1.text.count
        }
    }

    func ranges(in text: [UInt8]) -> [(range: Range<Int>, id: TokenID)] {
        let begins = Set(specialTokens.compactMap(\.text.first))
        var found: [(Range<Int>, TokenID)] = [], at = 0
        while at < text.count {
            if begins.contains(text[at]), let special = specialTokens.first(where: { text[at...].starts(with: $0.text) }) {
                found.append((at..<at + special.text.count, special.id))
                at += special.text.count
            } else {
                at += 1
            }
        }
        return found
    }
}
