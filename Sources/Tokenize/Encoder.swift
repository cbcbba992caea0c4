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
        merger = WordMerger(tokenizer.mergeRanks)
        cache = cacheBits > 0 && tokenizer.vocabulary.unit == .bytes ? WordCache(bits: cacheBits) : nil
        // Without merges any split gives the same IDs, and with GPT-2's they are known before the text ends.
        preTokenizer = try PreTokenizer(
            tokenizer.vocabulary.merges.isEmpty && !tokenizer.vocabulary.ignoresMerges ? .gpt2 : tokenizer.vocabulary.pattern,
            compiled: tokenizer.compiledRegex
        )
    }

    /// Appends the IDs of a complete text.
    package mutating func encode(_ text: Span<UInt8>, into ids: inout [TokenID]) throws(TokenizeError) {
        guard !text.isEmpty else { return }
        if tokenizer.vocabulary.addsPrefixSpace, text[0] != 0x20 {
            var prefixed: [UInt8] = [0x20]
            for i in text.indices { prefixed.append(text[i]) }
            return _ = try encode(prefixed.span, isLast: true, into: &ids)
        }
        _ = try encode(text, isLast: true, into: &ids)
    }

    /// Appends the IDs of the next part of a text: of all words if `isLast`, otherwise only of those that further text cannot change.
    ///
    /// - Returns: the number of bytes encoded. The next call starts with the bytes after them.
    package mutating func encode(_ text: Span<UInt8>, isLast: Bool, into ids: inout [TokenID]) throws(TokenizeError) -> Int {
        if case .characters(let table) = tokenizer.baseTokens {
            return try encodeCharacters(text, by: table, isLast: isLast, into: &ids)
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
        }
        if word.count <= WordCache.maxWordBytes, tokens.count <= WordCache.maxIDs { cache?.insert(word, ids: tokens.span) }
        ids.append(contentsOf: tokens)
    }

    private func encodeCharacters(
        _ text: Span<UInt8>, by table: [Unicode.Scalar: TokenID], isLast: Bool, into ids: inout [TokenID]
    ) throws(TokenizeError) -> Int {
        var at = 0
        while at < text.count {
            let length = switch text[at] { case ..<0xC0: 1; case ..<0xE0: 2; case ..<0xF0: 3; default: 4 }
            if at + length > text.count, !isLast { break }
            var bytes: [UInt8] = []
            for i in at..<min(at + length, text.count) { bytes.append(text[i]) }
            guard let character = String(validating: bytes, as: UTF8.self)?.unicodeScalars.first else {
                throw .noToken(for: "byte \(text[at])", at: at)
            }
            guard let id = table[character] else { throw .noToken(for: String(character), at: at) }
            ids.append(id)
            at += length
        }
        return at
    }
}
