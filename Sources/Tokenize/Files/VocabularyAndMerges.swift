import Files
import JSON

/// The two files that GPT-2 was released in: vocab.json (or encoder.json) with the ID of each token, and merges.txt (or vocab.bpe) with one
/// merge per line.
///
///     let gpt2 = try VocabularyAndMerges.read(vocabulary: encoder, path: "encoder.json", merges: bpe, mergesPath: "vocab.bpe")
///
/// The files contain no pattern; GPT-2's is assumed unless the caller provides another. Nor do they say which tokens are special: those are
/// the tokens that are neither a byte nor the result of a merge, such as <|endoftext|>.
package enum VocabularyAndMerges {
    package static func read(
        vocabulary bytes: [UInt8], path: String, merges: [UInt8], mergesPath: String, pattern: PreTokenizationPattern = .gpt2
    ) throws(TokenizeError) -> Vocabulary {
        let root = try JSONFile.root(bytes, path), file = JSONFile(path, size: bytes.count)
        guard let members = root.members else { throw file.mismatch("the file", "an object with the ID of each token", root) }

        // Only a special token can have a name with characters outside the alphabet.
        var slots = TokenSlots(fileSize: bytes.count)
        var names: [TokenID: [UInt8]] = [:]                     // of tokens whose name is not their bytes
        var outsideAlphabet = Set<TokenID>()
        var token: [UInt8] = []
        for (key, value) in members {
            let name = key.bytes ?? []
            guard let id = value.integer else { throw file.mismatch(excerpt(name), "a whole number", value) }
            token.removeAll(keepingCapacity: true)
            let isInAlphabet = key.withBytes { ByteToUnicode.append($0, to: &token) } ?? false
            do { try slots.insert(isInAlphabet ? token : name, at: id) } catch {
                throw error.error(path: path, location: excerpt(name), id: id)
            }
            if !isInAlphabet { outsideAlphabet.insert(TokenID(id)) }
            if !isInAlphabet || token != name { names[TokenID(id)] = name }
        }
        let tokens = slots.tokens
        let index = TokenIndex(tokens, except: outsideAlphabet)
        if let duplicate = index.firstDuplicate(in: tokens, except: outsideAlphabet) {
            throw file.malformed("\(duplicate)", "each token once", excerpt(ByteToUnicode.text(of: tokens[Int(duplicate)]).utf8) + " again")
        }

        var reader = MergeReader(tokens, index: index)
        try LineBlock(bytes: merges).forEachLineRange { range, number throws(TokenizeError) in
            if range.isEmpty || number == 1 && merges[range].starts(with: "#version".utf8) { return }
            do throws(MergeReader.Mismatch) { try reader.add(merges.span.extracting(range)) } catch {
                throw .malformed(path: mergesPath, location: "\(number)", expected: error.expected, found: error.found)
            }
        }
        var vocabulary = Vocabulary()
        vocabulary.pattern = pattern
        vocabulary.merges = reader.merges
        let made = Set(reader.merges.map(\.result))
        for id in tokens.indices where !made.contains(TokenID(id)) && !tokens.range(of: id).isEmpty {
            guard outsideAlphabet.contains(TokenID(id)) || tokens.range(of: id).count > 1 else { continue }
            let name = names[TokenID(id)] ?? Array(tokens[id])
            slots.replace(id, by: name)
            vocabulary.specialTokens.append(Vocabulary.SpecialToken(id: TokenID(id), text: String(decoding: name, as: UTF8.self)))
        }
        vocabulary.tokens = vocabulary.specialTokens.isEmpty ? tokens : slots.tokens
        return vocabulary
    }

    /// The bytes of the two files.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> (vocabulary: [UInt8], merges: [UInt8]) {
        let names = try tokenNames(of: vocabulary)
        var merges = Array("#version: 0.2\n".utf8)
        for merge in vocabulary.merges { merges.append(contentsOf: names[Int(merge.left)] + [32] + names[Int(merge.right)] + [10]) }
        return (JSONWriter.file { TokenizerJSON.write(names, to: &$0) }, merges)
    }

    /// The name of each token in the file. Throws if the files cannot represent the vocabulary.
    private static func tokenNames(of vocabulary: Vocabulary) throws(TokenizeError) -> ByteStrings {
        func error(_ reason: String) -> TokenizeError {
            .notExpressible(format: "vocab.json with merges.txt", reason: reason + "; tokenizer.json can")
        }
        guard vocabulary.unit == .bytes else { throw error("its tokens are characters") }
        guard vocabulary.pattern == .gpt2 else { throw error("it has another pattern than GPT-2's, which these files imply") }
        if let feature = vocabulary.featureOfTokenizerJSON { throw error(feature) }
        let names = try vocabulary.uniqueTokenNames(error)
        let tokens = vocabulary.tokens
        let special = vocabulary.specialTokenIDs
        let made = Set(vocabulary.merges.map(\.result))
        for id in tokens.indices where tokens.range(of: id).count > 1 && !special.contains(TokenID(id)) && !made.contains(TokenID(id)) {
            throw error("no merge makes token \(id), so it would be read as a special token")
        }
        for token in vocabulary.specialTokens where ByteToUnicode.bytes(of: token.text.utf8)?.count == 1 {
            throw error("the special token '\(token.text)' would be read as a byte")
        }
        try vocabulary.checkMerges(error)
        if vocabulary.ignoresMerges, let id = vocabulary.firstUnreachableToken {
            throw error("it ignores merges, and token \(id) is not reachable by merges")
        }
        return names
    }
}

extension Vocabulary {
    /// What the vocabulary has that only a tokenizer.json represents.
    var featureOfTokenizerJSON: String? {
        if prefixSpace != .never { return "it adds a prefix space to every text" }
        if normalization != .none { return "it normalizes text (\(normalization.rawValue.uppercased()))" }
        if !addedTokens.isEmpty { return "every text may contain its token '\(addedTokens[0].text)'" }
        if !textPrefix.isEmpty || !textSuffix.isEmpty { return "it adds special tokens to every text" }
        return specialTokens.contains { !$0.matching.isEmpty } ? "its special tokens have options" : nil
    }

    /// The first token that its own bytes do not merge into: it occurs only if merges are ignored for whole words.
    var firstUnreachableToken: TokenID? {
        let special = specialTokenIDs
        var merger = WordMerger(MergeRanks(merges))
        var byteIDs = [TokenID](repeating: -1, count: 256)
        for id in tokens.indices where tokens.range(of: id).count == 1 && !special.contains(TokenID(id)) {
            byteIDs[Int(tokens[id].first ?? 0)] = TokenID(id)
        }
        var parts: [TokenID] = []
        for id in tokens.indices where !tokens.range(of: id).isEmpty && !special.contains(TokenID(id)) {
            parts = tokens[id].map { byteIDs[Int($0)] }
            if parts.contains(-1) { return TokenID(id) }
            merger.merge(&parts)
            if parts != [TokenID(id)] { return TokenID(id) }
        }
        return nil
    }
}
