/// The tokenizer of BERT: a word becomes the longest token that it begins with, then the longest one that continues it, and so on.
///
///     let tokenizer = try WordPieceTokenizer(reading: "all-MiniLM-L6-v2")
///     tokenizer.ids(of: "unaffable")                           // [CLS] un ##aff ##able [SEP]
///     tokenizer.ids(of: text, limit: 256)                      // no more than the model reads
///
/// A word with a part that is no token becomes [UNK] as a whole. Text never becomes a special token: "[SEP]" is three words.
package struct WordPieceTokenizer: Sendable {
    package let tokens: ByteStrings
    let normalizer: BERTNormalizer
    /// Before and after each text.
    package let prefix, suffix: [TokenID]
    private let unknown: TokenID
    /// The most characters of a word.
    private let wordLimit: Int
    private let starts, continuations: TokenIndex

    /// - Parameters:
    ///   - mark: What tokens that continue a word begin with.
    init(
        _ tokens: ByteStrings, normalizer: BERTNormalizer, prefix: [TokenID], suffix: [TokenID], unknown: TokenID, mark: String = "##",
        wordLimit: Int = 100
    ) {
        self.tokens = tokens
        self.normalizer = normalizer
        self.prefix = prefix
        self.suffix = suffix
        self.unknown = unknown
        self.wordLimit = wordLimit
        starts = TokenIndex(tokens)
        var rest = ByteStrings()
        let mark = Array(mark.utf8)
        for token in tokens.indices { rest.append(tokens[token].starts(with: mark) ? tokens[token].dropFirst(mark.count) : []) }
        continuations = TokenIndex(rest)
    }

    package var count: Int { tokens.count }

    /// The tokens of a text, with those around it.
    ///
    /// - Parameter limit: The most tokens: the end of a longer text is left out.
    package func ids(of text: String, limit: Int = .max) -> [TokenID] {
        let most = max(0, limit - prefix.count - suffix.count)
        return Array((prefix + textIDs(of: text, limit: most) + suffix).prefix(limit))
    }

    /// The tokens of two texts: the first with those around it, then the second and what ends it.
    ///
    /// - Parameter limit: The most tokens: the end of the longer text is left out, or those of both (`longest_first` of Hugging Face).
    package func ids(of first: String, with second: String, limit: Int = .max) -> [TokenID] {
        let most = max(0, limit - prefix.count - 2 * suffix.count)
        let (a, b) = (textIDs(of: first, limit: most), textIDs(of: second, limit: most))
        var short = min(a.count, b.count), long = max(a.count, b.count)
        if short + long > most {
            long = max(short, most - short)
            if short + long > most { (short, long) = (most / 2, most - most / 2) }
        }
        let (firstCount, secondCount) = a.count > b.count ? (long, short) : (short, long)
        return prefix + a.prefix(firstCount) + suffix + b.prefix(secondCount) + suffix
    }

    /// The tokens of a text without those around it.
    package func textIDs(of text: String, limit: Int = .max) -> [TokenID] {
        var words = ByteStrings(), ids: [TokenID] = []
        normalizer.append(text, to: &words)
        for word in words.indices where ids.count < limit { append(words.bytes.span.extracting(words.range(of: word)), to: &ids) }
        return ids.count > limit ? Array(ids.prefix(limit)) : ids
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
