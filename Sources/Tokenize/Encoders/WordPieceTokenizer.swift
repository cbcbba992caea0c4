/// The tokenizer of BERT: a word becomes the longest token that it begins with, then the longest one that continues it, and so on.
///
///     tokenizer.ids(of: "unaffable")                           // [CLS] un ##aff ##able [SEP]
///
/// A word with a part that is no token becomes [UNK] as a whole. Text never becomes a special token: "[SEP]" is three words.
package struct WordPieceTokenizer: EncoderTokenizer {
    let words: ByteStrings
    let normalizer: BERTNormalizer
    package let specials: TokensAroundText
    private let unknown: TokenID
    /// The most characters of a word.
    let wordLimit: Int
    private let starts, continuations: TokenIndex

    /// - Parameters:
    ///   - mark: What tokens that continue a word begin with.
    init(
        _ tokens: ByteStrings, normalizer: BERTNormalizer, specials: TokensAroundText, unknown: TokenID, mark: String = Self.mark,
        wordLimit: Int = 100
    ) {
        words = tokens
        self.normalizer = normalizer
        self.specials = specials
        self.unknown = unknown
        self.wordLimit = wordLimit
        starts = TokenIndex(tokens)
        var rest = ByteStrings()
        let mark = Array(mark.utf8)
        for token in tokens.indices { rest.append(tokens[token].starts(with: mark) ? tokens[token].dropFirst(mark.count) : []) }
        continuations = TokenIndex(rest)
    }

    /// A tokenizer of a GGUF file. It is cased if a token has an upper-case letter.
    ///
    /// - Parameter names: Tokens that begin a word after U+2581, and others without it.
    package init(marked names: ByteStrings, areSpecial: [Bool], specials: TokensAroundText, unknown: TokenID) {
        var tokens = ByteStrings(), isCased = false
        for id in names.indices {
            let name = names[id], begins = name.starts(with: UnigramTokenizer.mark)
            tokens.append(areSpecial[id] ? Array(name) : begins ? Array(name.dropFirst(3)) : Array(Self.mark.utf8) + name)
            isCased = isCased || !areSpecial[id] && name.contains { 0x41...0x5A ~= $0 }
        }
        var normalizer = BERTNormalizer()
        normalizer.lowercases = !isCased
        normalizer.stripsAccents = !isCased
        self.init(tokens, normalizer: normalizer, specials: specials, unknown: unknown)
    }

    package var kind: String { "WordPiece" }
    package var count: Int { words.count }
    package var fingerprint: [UInt8] { words.bytes }

    package func tokens(of text: String, limit: Int) -> [TokenID] {
        var words = ByteStrings(), ids: [TokenID] = []
        normalizer.append(text, to: &words)
        for word in words.indices where ids.count < limit { append(words.bytes.span.extracting(words.range(of: word)), to: &ids) }
        return ids
    }

    private func append(_ word: Span<UInt8>, to ids: inout [TokenID]) {
        let first = ids.count
        var characters = 0
        for i in word.indices where word[i] & 0xC0 != 0x80 { characters += 1 }
        guard characters <= wordLimit else { return ids.append(unknown) }
        var start = 0
        while start < word.count {
            var end = word.count, found: TokenID?
            while end > start {
                if end == word.count || word[end] & 0xC0 != 0x80 {
                    found = (start == 0 ? starts : continuations)[word.extracting(start..<end)]
                    if found != nil { break }
                }
                end -= 1
            }
            guard let found else {
                ids.removeLast(ids.count - first)
                return ids.append(unknown)
            }
            ids.append(found)
            start = end
        }
    }
}
