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
    /// The regular expressions of the pre-tokenization pattern.
    let compiledRegexes: [CompiledRegex]
    /// Added and special tokens that are found in the text as it is, and in normalized text.
    let addedTokens, normalizedTokens: AddedTokenMatcher
    let specialTokenIDs: Set<TokenID>
    /// How a text without a pattern is split into words that can be cached.
    let spaces: SpacePreTokenizer?
    let normalizer: TextNormalizer

    /// The tokens that a text consists of before any merge.
    enum BaseTokens: Sendable {
        /// One for each byte value; -1 if the vocabulary has none.
        case bytes([TokenID])
        case characters(ScalarTable)
    }

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.vocabulary = vocabulary
        mergeRanks = MergeRanks(vocabulary.merges)
        let unmergeable = vocabulary.unmergeableTokenIDs
        switch vocabulary.unit {
        case .bytes:
            var ids = [TokenID](repeating: -1, count: 256)
            for id in 0..<vocabulary.count where vocabulary.tokens.range(of: id).count == 1 && !unmergeable.contains(TokenID(id)) {
                ids[Int(vocabulary.tokens[id].first ?? 0)] = TokenID(id)
            }
            baseTokens = .bytes(ids)
        case .characters:
            var ids = ScalarTable()
            for id in 0..<vocabulary.count where vocabulary.tokens.range(of: id).count <= 4 && !unmergeable.contains(TokenID(id)) {
                let scalars = String(decoding: vocabulary.tokens[id], as: UTF8.self).unicodeScalars
                if scalars.count == 1, let scalar = scalars.first { ids[scalar.value] = TokenID(id) }
            }
            baseTokens = .characters(ids)
        }
        wholeWords = vocabulary.ignoresMerges ? TokenIndex(vocabulary.tokens, except: unmergeable) : nil
        let isWhole = vocabulary.pattern == .none && vocabulary.unit == .characters && !vocabulary.ignoresMerges
        spaces = isWhole && !vocabulary.merges.isEmpty ? SpacePreTokenizer(vocabulary) : nil
        var regexes: [CompiledRegex] = []
        for regex in vocabulary.pattern.uncompiledRegexes { regexes.append(try CompiledRegex(regex)) }
        compiledRegexes = regexes
        let normalizer = TextNormalizer(vocabulary)
        self.normalizer = normalizer
        let found = vocabulary.specialTokens + vocabulary.addedTokens
        addedTokens = AddedTokenMatcher(found.filter { !$0.matching.contains(.normalized) }.map { (Array($0.text.utf8), $0) })
        normalizedTokens = AddedTokenMatcher(
            found.filter { $0.matching.contains(.normalized) }.map { (normalizer.normalized(Array($0.text.utf8)), $0) },
            stripsSpaces: !normalizer.marksSpaces)
        specialTokenIDs = vocabulary.specialTokenIDs
    }

    /// Whether a text can only be encoded as a whole, so that `Encoder.encode(_:isLast:into:)` waits for its end.
    var needsWholeText: Bool {
        vocabulary.prefixSpace != .never || !vocabulary.addedTokens.isEmpty || vocabulary.marksSpaces || !normalizer.isIdentity
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

    package func ids(
        of text: [UInt8], specialTokens: SpecialTokenHandling = .asText, from beginning: Encoder.Beginning = .ofText
    ) throws(TokenizeError) -> [TokenID] {
        var encoder = try Encoder(self, cacheBits: 0), ids: [TokenID] = []
        try encoder.encode(text.span, specialTokens: specialTokens, from: beginning, into: &ids)
        return ids
    }

    /// The token of a line break inside a text, in a SentencePiece vocabulary often the byte token `<0x0A>`. nil if it has none.
    package var lineBreakToken: TokenID? {
        guard let ids = try? ids(of: [10], from: .insideText), ids.count == 1, vocabulary.tokens[Int(ids[0])].elementsEqual([10]) else {
            return nil
        }
        return ids[0]
    }

    /// The IDs of a text that a model completes: with the tokens that begin every text, such as `<s>`.
    package func promptIDs(of text: String) throws(TokenizeError) -> [TokenID] { try vocabulary.textPrefix + ids(of: text) }

    /// Decodes the IDs of a whole text to bytes: without the space that encoding prepended. Invalid IDs are skipped.
    package func bytes(of ids: some Sequence<TokenID>) -> [UInt8] {
        var result: [UInt8] = []
        for id in ids where vocabulary.tokens.indices.contains(Int(id)) { result.append(contentsOf: vocabulary.tokens[Int(id)]) }
        if vocabulary.dropsLeadingSpace, result.first == 0x20 { result.removeFirst() }
        return result
    }

    /// Decodes IDs to text, in which invalid UTF-8 becomes U+FFFD.
    package func text(of ids: some Sequence<TokenID>) -> String { String(decoding: bytes(of: ids), as: UTF8.self) }
}
