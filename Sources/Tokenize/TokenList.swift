/// A vocabulary as lists of strings, as GGUF stores it: token names, special tokens unchanged, and merges as "Ġt he".
///
///     let list = try TokenList(vocabulary)
///     let same = try list.vocabulary(path: "model.gguf")           // without the pattern and the like, which GGUF stores elsewhere
package struct TokenList: Sendable, Equatable {
    /// llama.cpp's token types, with its numbers.
    package enum Kind: Int, Sendable {
        case plain = 1, unknown, special, added
        /// An unused ID.
        case none
        /// SentencePiece's token of a byte value, such as `<0x0A>`.
        case byte
    }

    package var names = ByteStrings()
    package var kinds: [Kind] = []
    package var merges = ByteStrings()
    /// SentencePiece's scores, by ID: the pair that makes the token with the highest score merges first. Empty for lists with merges.
    package var scores: [Float] = []

    package init() {}

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        func error(_ reason: String) -> TokenizeError { .notExpressible(format: "a list of tokens", reason: reason) }
        guard vocabulary.unit == .bytes || vocabulary.marksSpaces else { throw error("its tokens are characters") }
        if vocabulary.unit == .bytes {
            guard vocabulary.prefixSpace == .never else { throw error("it adds a prefix space to every text") }
            // The names of these patterns in a GGUF file say that merges are ignored.
            let isNamed = [.llama3, .regex(PreTokenizationPattern.tekken)].contains(vocabulary.pattern)
            if vocabulary.ignoresMerges, !isNamed, let id = vocabulary.firstUnreachableToken {
                throw error("it ignores merges, and token \(id) is not reachable by merges")
            }
        } else {
            guard vocabulary.pattern == .none else { throw error("it splits text at each space") }
            if vocabulary.ignoresMerges { throw error("it is a SentencePiece vocabulary that ignores merges") }
        }
        names = try vocabulary.uniqueTokenNames(canEndUnused: true, error)
        kinds = names.indices.map { names.range(of: $0).isEmpty ? .none : .plain }
        for id in vocabulary.byteTokens where id >= 0 { kinds[Int(id)] = .byte }
        for token in vocabulary.addedTokens { kinds[Int(token.id)] = .added }
        for token in vocabulary.specialTokens { kinds[Int(token.id)] = .special }
        if let unknown = vocabulary.unknownToken { kinds[Int(unknown)] = .unknown }
        try vocabulary.checkMerges(error)
        for merge in vocabulary.merges { merges.append(names[Int(merge.left)] + [32] + names[Int(merge.right)]) }
    }

    /// The vocabulary. Validates the lists, which come from a file; errors use GGUF's key names.
    ///
    /// - Parameter marksSpaces: whether the names are SentencePiece's. Otherwise they are in GPT-2's byte-to-unicode alphabet.
    package func vocabulary(path: String, marksSpaces: Bool = false) throws(TokenizeError) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.unit = marksSpaces ? .characters : .bytes
        vocabulary.marksSpaces = marksSpaces
        if marksSpaces { vocabulary.pattern = .none }
        try readTokens(into: &vocabulary, path: path)
        let unmergeable = vocabulary.unmergeableTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: unmergeable)
        if let duplicate = index.firstDuplicate(in: vocabulary.tokens, except: unmergeable) {
            throw .malformed(
                path: path, location: "tokenizer.ggml.tokens[\(duplicate)]",
                expected: "each token once", found: excerpt(names[Int(duplicate)]) + " again"
            )
        }
        if !scores.isEmpty {
            vocabulary.merges = ScoredMerges(vocabulary.tokens, index: index, except: unmergeable).merges(scores: scores)
            return vocabulary
        }
        var reader = MergeReader(vocabulary.tokens, index: index, TokenNames(vocabulary))
        for i in merges.indices {
            do throws(MergeReader.Mismatch) { try reader.add(merges.bytes.span.extracting(merges.range(of: i))) } catch {
                throw .malformed(path: path, location: "tokenizer.ggml.merges[\(i)]", expected: error.expected, found: error.found)
            }
        }
        vocabulary.merges = reader.merges
        return vocabulary
    }

    /// Scores that make llama.cpp and SentencePiece merge as the vocabulary's merges do: of each token the rank of its first merge,
    /// negative. nil if no scores do.
    package func scores(of vocabulary: Vocabulary) -> [Float]? {
        // Integers up to 2²⁴ are exact. A token that no merge makes has a lower score than any other.
        guard vocabulary.merges.count < 1 << 24 else { return nil }
        var ranks = [Int](repeating: vocabulary.merges.count, count: names.count)
        for (rank, merge) in vocabulary.merges.enumerated().reversed() { ranks[Int(merge.result)] = rank }
        let scores = ranks.enumerated().map { kinds[$0] == .plain ? -Float($1) : 0 }
        let unmergeable = vocabulary.unmergeableTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: unmergeable)
        let merges = ScoredMerges(vocabulary.tokens, index: index, except: unmergeable).merges(scores: scores)
        return merges == vocabulary.merges ? scores : nil
    }

    private func readTokens(into vocabulary: inout Vocabulary, path: String) throws(TokenizeError) {
        let coding = TokenNames(vocabulary)
        var slots = TokenSlots(fileSize: names.count)
        var token: [UInt8] = []
        if vocabulary.marksSpaces, kinds.contains(.byte) { vocabulary.byteTokens = Array(repeating: -1, count: 256) }
        for id in names.indices where kinds[id] != .none && !isPlaceholder(id) {
            func location() -> String { "tokenizer.ggml.tokens[\(id)]" }
            let name = names.bytes.span.extracting(names.range(of: id))
            token.removeAll(keepingCapacity: true)
            // In a file with tokens of bytes, the name alone makes one, as in Hugging Face's library.
            let isByte = !vocabulary.byteTokens.isEmpty && TokenNames.byte(of: name) != nil
            switch kinds[id] == .plain && isByte ? .byte : kinds[id] {
            case .unknown, .special, .added:
                // llama.cpp looks for an added token of SentencePiece with spaces instead of U+2581.
                token.append(contentsOf: String(decoding: names[id], as: UTF8.self).utf8)
                if kinds[id] == .added, vocabulary.marksSpaces { TextNormalizer.replaceMarks(in: &token) }
                let isUnit = kinds[id] == .added && vocabulary.isBaseUnit(token[...])
                let text = String(decoding: token, as: UTF8.self)
                let added = Vocabulary.AddedToken(id: TokenID(id), text: text, isUnit ? .mergeable : [])
                if kinds[id] == .added { vocabulary.addedTokens.append(added) } else { vocabulary.specialTokens.append(added) }
                if kinds[id] == .unknown, vocabulary.unit == .characters { vocabulary.unknownToken = TokenID(id) }
            case .byte where vocabulary.marksSpaces:
                guard let byte = TokenNames.byte(of: name), vocabulary.byteTokens[Int(byte)] < 0 else {
                    throw .malformed(
                        path: path, location: location(), expected: "a byte such as <0x0A>, each once", found: excerpt(names[id]))
                }
                vocabulary.byteTokens[Int(byte)] = TokenID(id)
                token.append(byte)
            case .plain, .byte, .none:
                guard coding.appendBytes(of: name, to: &token) else {
                    throw .malformed(
                        path: path, location: location(), expected: "\(coding.description), or a token of another type",
                        found: excerpt(names[id]))
                }
            }
            do { try slots.insert(token, at: id) } catch { throw error.error(path: path, location: location(), id: id) }
        }
        vocabulary.tokens = slots.tokens
        if vocabulary.unknownToken != nil { vocabulary.fusesUnknown = vocabulary.marksSpaces }
    }

    /// Whether an added token only fills a row of the embedding: the programs that write GGUF files name it `[PAD7]`.
    private func isPlaceholder(_ id: Int) -> Bool { kinds[id] == .added && names[id].elementsEqual("[PAD\(id)]".utf8) }
}
