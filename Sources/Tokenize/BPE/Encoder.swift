/// Encodes text to token IDs and caches the words it has encoded. One per thread.
///
///     var encoder = try Encoder(tokenizer), ids: [TokenID] = []
///     try encoder.encode(text.span, into: &ids)
///
/// The cache takes 4 MB, regardless of the length of the text. A cached word costs some 10 ns.
package struct Encoder: ~Copyable {
    private let tokenizer: Tokenizer
    private var preTokenizer: PreTokenizer
    private var merger: WordMerger
    private let cache: WordCache?
    private var ends: [UInt32] = []
    private var tokens: [TokenID] = []

    /// - Parameter cacheBits: the base-2 logarithm of the number of cached words; 0 disables the cache.
    package init(_ tokenizer: Tokenizer, cacheBits: Int = 17) throws(TokenizeError) {
        self.tokenizer = tokenizer
        let vocabulary = tokenizer.vocabulary
        merger = WordMerger(tokenizer.mergeRanks)
        cache = cacheBits > 0 && !vocabulary.encodesByCharacter ? WordCache(bits: cacheBits) : nil
        if let spaces = tokenizer.spaces {
            preTokenizer = PreTokenizer(spaces)
        } else {
            // Without merges any split gives the same IDs, and with GPT-2's they are known before the text ends.
            let isIndependent = vocabulary.merges.isEmpty && !vocabulary.ignoresMerges && vocabulary.unit == .bytes
            preTokenizer = try PreTokenizer(isIndependent ? .gpt2 : vocabulary.pattern, compiled: tokenizer.compiledRegexes)
        }
    }

    /// Where a text begins, which decides whether a space is prepended to it.
    package enum Beginning {
        case ofText, afterSpecialToken, insideText
    }

    /// Appends the IDs of a complete text, or of a part of one.
    ///
    /// - Parameter textTokens: Special and added tokens that are encoded as text; nil for the special ones.
    package mutating func encode(
        _ text: Span<UInt8>, specialTokens: Tokenizer.SpecialTokenHandling = .asText, asText textTokens: Set<TokenID>? = nil,
        from beginning: Beginning = .ofText, into ids: inout [TokenID]
    ) throws(TokenizeError) {
        let ignored = specialTokens == .recognized ? [] : textTokens ?? tokenizer.specialTokenIDs
        if tokenizer.needsWholeText || specialTokens == .recognized {
            let offset = beginning == .afterSpecialToken ? 1 : 0
            try encodeAround(tokenizer.addedTokens, in: text, ignored, at: offset, beginning == .insideText, into: &ids)
        } else {
            _ = try encodeWords(text, isLast: true, into: &ids)
        }
    }

    /// Appends the IDs of the next part of a text: of all words if `isLast`, otherwise only of those that further text cannot change.
    ///
    /// - Returns: the number of bytes encoded. The next call starts with the bytes after them. It is 0 until the last part if the
    ///   vocabulary has a normalizer, a prefix space or added tokens.
    package mutating func encode(_ text: Span<UInt8>, isLast: Bool, into ids: inout [TokenID]) throws(TokenizeError) -> Int {
        if tokenizer.needsWholeText {
            guard isLast else { return 0 }
            try encode(text, into: &ids)
            return text.count
        }
        return try encodeWords(text, isLast: isLast, into: &ids)
    }

    // MARK: Added tokens

    /// Encodes the text between added tokens, which are looked for in the text as it is, and then in the normalized text between those.
    ///
    /// - Parameter offset: where `text` starts in the whole text.
    private mutating func encodeAround(
        _ matcher: AddedTokenMatcher, in text: Span<UInt8>, _ ignored: Set<TokenID>, at offset: Int, _ isContinued: Bool,
        isNormalized: Bool = false, into ids: inout [TokenID]
    ) throws(TokenizeError) {
        var end = 0
        var from = 0
        while !matcher.isEmpty, let match = matcher.firstMatch(in: text, from: from, after: end, ignoring: ignored) {
            if match.range.lowerBound > end {
                try encodeBetween(
                    text.extracting(end..<match.range.lowerBound), ignored, at: offset + end, isContinued, isNormalized, into: &ids)
            }
            ids.append(match.id)
            end = match.range.upperBound
            from = end
        }
        if end < text.count {
            try encodeBetween(text.extracting(end..<text.count), ignored, at: offset + end, isContinued, isNormalized, into: &ids)
        }
    }

    private mutating func encodeBetween(
        _ text: Span<UInt8>, _ ignored: Set<TokenID>, at offset: Int, _ isContinued: Bool, _ isNormalized: Bool, into ids: inout [TokenID]
    ) throws(TokenizeError) {
        let isStart = offset == 0 && !isContinued
        if !isNormalized {
            if tokenizer.normalizer.isIdentity {
                return try encodeAround(
                    tokenizer.normalizedTokens, in: text, ignored, at: offset, isContinued, isNormalized: true, into: &ids)
            }
            let normalized = tokenizer.normalizer.normalized(Array(text), addsSpace: offset > 0 || isStart)
            return try encodeAround(
                tokenizer.normalizedTokens, in: normalized.span, ignored, at: offset, isContinued, isNormalized: true, into: &ids)
        }
        let addsSpace = switch tokenizer.vocabulary.prefixSpace {
        case .never, .evenBeforeSpace: false
        case .first: isStart
        case .always: offset > 0 || isStart
        }
        guard addsSpace || tokenizer.vocabulary.usesMetaspace else { return _ = try encodeWords(text, isLast: true, into: &ids) }
        var copy = Array(text)
        if tokenizer.vocabulary.usesMetaspace { TextNormalizer.replaceMarks(in: &copy) }
        if addsSpace, copy[0] != 0x20 { copy.insert(0x20, at: 0) }
        _ = try encodeWords(copy.span, isLast: true, into: &ids)
    }

    // MARK: Words

    private mutating func encodeWords(_ text: Span<UInt8>, isLast: Bool, into ids: inout [TokenID]) throws(TokenizeError) -> Int {
        if tokenizer.vocabulary.encodesByCharacter {
            let end = isLast ? text.count : text.count - text.incompleteUTF8Suffix
            try tokenizer.appendCharacters(of: text.extracting(..<end), at: 0, to: &ids)
            return end
        }
        var at = 0
        while at < text.count {
            let rest = text.extracting(at..<text.count)
            try preTokenizer.split(rest, isLast: isLast, into: &ends)
            guard let end = ends.last else { break }
            var word = 0, start = 0
            while word < ends.count {
                if cache != nil {
                    (word, start) = cache!.find(rest, ends: ends, from: word, at: start, appendingTo: &ids)
                    if word == ends.count { break }
                }
                try encodeWord(rest.extracting(start..<Int(ends[word])), at: at + start, into: &ids)
                start = Int(ends[word])
                word += 1
            }
            at += Int(end)
        }
        return at
    }

    /// Encodes a word that is not cached.
    private mutating func encodeWord(_ word: Span<UInt8>, at offset: Int, into ids: inout [TokenID]) throws(TokenizeError) {
        tokens.removeAll(keepingCapacity: true)
        tokens.reserveCapacity(word.count)
        if let id = tokenizer.wholeWords?[word] {
            tokens.append(id)
        } else if case .bytes(let byteIDs) = tokenizer.baseTokens {
            for i in word.indices {
                let id = byteIDs[Int(word[i])]
                guard id >= 0 else { throw .noToken(for: "byte \(word[i])", at: offset + i) }
                tokens.append(id)
            }
            merger.merge(&tokens)
        } else {
            try tokenizer.appendCharacters(of: word, at: offset, to: &tokens)
            merger.merge(&tokens)
        }
        if word.count <= WordCache.maxWordBytes, tokens.count <= WordCache.maxIDs { cache?.insert(word, ids: tokens.span) }
        ids.append(contentsOf: tokens)
    }
}

extension Tokenizer {
    /// Appends the token of each character; of one that is not a token its bytes' tokens, else the unknown token.
    fileprivate func appendCharacters(of text: Span<UInt8>, at offset: Int, to ids: inout [TokenID]) throws(TokenizeError) {
        guard case .characters(let table) = baseTokens else { return }
        let byteTokens = vocabulary.byteTokens
        var at = 0
        var follows = false                                       // an unknown character
        while at < text.count {
            let sequence = text[at] < 0x80 ? UTF8Sequence(kind: .valid, length: 1) : text.utf8Sequence(at: at)
            let id = sequence.kind == .valid ? table[text.scalarValue(at: at, length: sequence.length)] : -1
            let range = at..<at + sequence.length
            at = range.upperBound
            var isUnknown = false
            if id >= 0 {
                ids.append(id)
            } else if !byteTokens.isEmpty, range.allSatisfy({ byteTokens[Int(text[$0])] >= 0 }) {
                for i in range { ids.append(byteTokens[Int(text[i])]) }
            } else if let unknown = vocabulary.unknownToken {
                if !(follows && vocabulary.fusesUnknown) { ids.append(unknown) }
                isUnknown = true
            } else {
                guard sequence.kind == .valid else { throw .noToken(for: "byte \(text[range.lowerBound])", at: offset + range.lowerBound) }
                throw .noToken(for: String(decoding: Array(text.extracting(range)), as: UTF8.self), at: offset + range.lowerBound)
            }
            follows = isUnknown
        }
    }
}

extension Vocabulary {
    /// Whether each character is encoded by itself: its tokens are characters, and no merge makes longer ones.
    fileprivate var encodesByCharacter: Bool { unit == .characters && merges.isEmpty && !ignoresMerges && !fusesUnknown }
}
