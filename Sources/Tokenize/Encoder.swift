/// Encodes much text: it remembers the words it has met. One for each thread.
///
///     var encoder = try Encoder(tokenizer), ids: [TokenID] = []
///     try encoder.encode(text.span, into: &ids)
///
/// It takes 4 MB however long the text is. A word that it remembers costs some 10 ns.
package struct Encoder: ~Copyable {
    private let tokenizer: Tokenizer
    private var cutter: PreTokenizer
    private var merger: WordMerger
    private let words: WordCache?
    private var ends: [UInt32] = []
    private var tokens: [TokenID] = []

    /// - Parameter bits: to remember 2^bits words; 0 for none.
    package init(_ tokenizer: Tokenizer, remembering bits: Int = 17) throws(TokenizeError) {
        self.tokenizer = tokenizer
        merger = WordMerger(tokenizer.pairs)
        words = bits > 0 && tokenizer.vocabulary.unit == .bytes ? WordCache(bits: bits) : nil
        // Where nothing merges, any words give the same ids, and these can be told before the text ends.
        cutter = try PreTokenizer(
            tokenizer.vocabulary.merges.isEmpty && !tokenizer.vocabulary.ignoresMerges ? .gpt2 : tokenizer.vocabulary.pattern,
            compiled: tokenizer.compiledPattern)
    }

    /// Appends the ids of a whole text.
    package mutating func encode(_ text: Span<UInt8>, into ids: inout [TokenID]) throws(TokenizeError) {
        guard !text.isEmpty else { return }
        if tokenizer.vocabulary.addsPrefixSpace, text[0] != 0x20 {
            var longer: [UInt8] = [0x20]
            for i in text.indices { longer.append(text[i]) }
            return _ = try encode(longer.span, isLast: true, into: &ids)
        }
        _ = try encode(text, isLast: true, into: &ids)
    }

    /// Appends the ids of the words that a text begins with: of all when this `isLast`, else of those that no further text can change.
    /// Returns how many bytes they are; the next call begins with the bytes behind them.
    package mutating func encode(_ text: Span<UInt8>, isLast: Bool, into ids: inout [TokenID]) throws(TokenizeError) -> Int {
        if case .characters(let table) = tokenizer.units { return try encodeCharacters(text, by: table, isLast: isLast, into: &ids) }
        var at = 0
        while at < text.count {
            let rest = text.extracting(at..<text.count)
            try cutter.cut(rest, isLast: isLast, into: &ends)
            guard let end = ends.last else { break }
            var word = 0, start = 0
            while word < ends.count {
                if words != nil {
                    (word, start) = words!.find(rest, ends: ends, from: word, at: start, appendingTo: &ids)
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

    /// A word that is met for the first time, or not remembered.
    private mutating func encodeWord(_ word: Span<UInt8>, at offset: Int, into ids: inout [TokenID]) throws(TokenizeError) {
        tokens.removeAll(keepingCapacity: true)
        tokens.reserveCapacity(word.count)
        if let id = tokenizer.wholeWords?[word] {
            tokens.append(id)
        } else if case .bytes(let byteIDs) = tokenizer.units {
            for i in word.indices {
                let id = byteIDs[Int(word[i])]
                guard id >= 0 else { throw .noToken(for: "byte \(word[i])", at: offset + i) }
                tokens.append(id)
            }
            merger.merge(&tokens)
        }
        if word.count <= WordCache.maxWordBytes, tokens.count <= WordCache.maxIDs { words?.insert(word, ids: tokens.span) }
        ids.append(contentsOf: tokens)
    }

    private func encodeCharacters(_ text: Span<UInt8>, by table: [Unicode.Scalar: TokenID], isLast: Bool,
                                  into ids: inout [TokenID]) throws(TokenizeError) -> Int {
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
