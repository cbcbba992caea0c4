/// SentencePiece's unigram model (Kudo 2018), the tokenizer of XLM-RoBERTa: of all ways to divide a word into tokens, the one whose
/// probabilities have the largest product.
///
///     tokenizer.ids(of: "Hello world")                         // <s> ▁Hello ▁world </s>
///
/// The same tokens as Hugging Face's library. Text never becomes a special token: "</s>" is its characters.
package struct UnigramTokenizer: EncoderTokenizer {
    /// U+2581, which stands for the space before a word.
    static let mark: [UInt8] = [0xE2, 0x96, 0x81]
    /// How much less probable a character that is no token is than the least probable token.
    private static let unknownPenalty = 10.0

    package let specials: TokensAroundText
    private let words: TokenIndex
    /// The logarithms of probabilities, by token.
    private let scores: [Double]
    private let unknown: TokenID
    private let unknownScore: Double
    /// The bytes of the longest token.
    private let longest: Int
    private let normalizer: UnigramNormalizer
    /// Whether words end at white space, which is no token. Otherwise they begin at a space.
    private let splitsAtWhiteSpace: Bool
    package let fingerprint: [UInt8]

    /// - Parameter specialTokens: Tokens that no text becomes.
    init(
        _ tokens: ByteStrings, scores: [Double], unknown: TokenID, specialTokens: Set<TokenID>, normalizer: UnigramNormalizer,
        splitsAtWhiteSpace: Bool, specials: TokensAroundText
    ) {
        self.specials = specials
        self.scores = scores
        self.unknown = unknown
        self.normalizer = normalizer
        self.splitsAtWhiteSpace = splitsAtWhiteSpace
        unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
        words = TokenIndex(tokens, except: specialTokens)
        longest = tokens.indices.map { tokens.range(of: $0).count }.max() ?? 0
        fingerprint = tokens.bytes + scores.flatMap { score in withUnsafeBytes(of: score) { Array($0) } }
    }

    /// A tokenizer of a GGUF file, whose words end at white space.
    ///
    /// - Parameter characterMap: SentencePiece's table of replacements. nil is returned if it is none, or without a score for each token.
    package init?(
        _ tokens: ByteStrings, scores: [Double], unknown: TokenID, specialTokens: Set<TokenID>, characterMap: [UInt8]?,
        specials: TokensAroundText
    ) {
        var normalizer = UnigramNormalizer()
        guard scores.count == tokens.count, scores.allSatisfy(\.isFinite) else { return nil }
        if let characterMap {
            guard let map = PrecompiledCharacterMap(characterMap) else { return nil }
            normalizer.steps = [.map(map)]
        }
        self.init(
            tokens, scores: scores, unknown: unknown, specialTokens: specialTokens, normalizer: normalizer, splitsAtWhiteSpace: true,
            specials: specials)
    }

    package var kind: String { "Unigram" }
    package var count: Int { scores.count }

    package func tokens(of text: String, limit: Int) -> [TokenID] {
        let normalized = normalizer.normalized(Array(text.utf8))
        var ids: [TokenID] = [], path: [Node] = []
        for word in words(of: normalized) {
            if ids.count >= limit { break }
            append(word.span, to: &ids, &path)
        }
        return ids
    }

    /// The words of a normalized text, each after a ``mark``.
    private func words(of text: [UInt8]) -> [ArraySlice<UInt8>] {
        var words: [ArraySlice<UInt8>] = []
        func addWords(of part: some Collection<UInt8>) {
            var marked = part.flatMap { $0 == 0x20 ? Self.mark : [$0] }
            if marked.isEmpty { return }
            if !marked.starts(with: Self.mark) { marked = Self.mark + marked }
            var start = 0
            for i in 1..<marked.count where marked[i] == Self.mark[0] && marked[i...].starts(with: Self.mark) {
                words.append(marked[start..<i])
                start = i
            }
            words.append(marked[start...])
        }
        guard splitsAtWhiteSpace else {
            addWords(of: text)
            return words
        }
        let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
        for part in scalars.split(whereSeparator: \.properties.isWhitespace) { addWords(of: String(part).utf8) }
        return words
    }

    /// The best way to divide the bytes before an offset.
    private struct Node {
        var start = -1
        var score = 0.0
        var id: TokenID = 0
    }

    /// Viterbi's algorithm.
    private func append(_ word: Span<UInt8>, to ids: inout [TokenID], _ path: inout [Node]) {
        path.removeAll(keepingCapacity: true)
        path.append(contentsOf: repeatElement(Node(), count: word.count + 1))
        func add(_ score: Double, _ id: TokenID, _ range: Range<Int>) {
            if path[range.upperBound].start >= 0, path[range.upperBound].score >= score { return }
            path[range.upperBound] = Node(start: range.lowerBound, score: score, id: id)
        }
        var start = 0
        while start < word.count {
            let score = path[start].score, character = word.characterEnd(after: start)
            var end = character, isKnown = false
            while true {
                if let id = words[word.extracting(start..<end)] {
                    add(score + scores[Int(id)], id, start..<end)
                    isKnown = isKnown || end == character
                }
                guard end < word.count else { break }
                end = word.characterEnd(after: end)
                if end - start > longest { break }
            }
            if !isKnown { add(score + unknownScore, unknown, start..<character) }
            start = character
        }
        // Characters that are no tokens and follow each other are one unknown token.
        let first = ids.count
        var end = word.count, wasUnknown = false
        while end > 0 {
            let node = path[end]
            if node.id != unknown || !wasUnknown { ids.append(node.id) }
            wasUnknown = node.id == unknown
            end = node.start
        }
        ids[first...].reverse()
    }
}

extension Span<UInt8> {
    /// The offset after the character that starts at another one.
    fileprivate func characterEnd(after start: Int) -> Int {
        var end = start + 1
        while end < count, self[end] & 0xC0 == 0x80 { end += 1 }
        return end
    }
}
