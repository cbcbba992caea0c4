import JSON

/// The two files that GPT-2 came in: vocab.json (or encoder.json), each token and its id, and merges.txt (or vocab.bpe), a merge a line.
///
///     let gpt2 = try VocabularyAndMerges.read(vocabulary: encoder, path: "encoder.json", merges: bpe, mergesPath: "vocab.bpe")
///
/// The files hold no pattern; GPT-2's is meant unless the caller says otherwise. Nor do they say which tokens are special: those are that
/// nothing
/// merges into and that are not a byte, such as <|endoftext|>.
package enum VocabularyAndMerges {
    package static func read(vocabulary bytes: [UInt8], path: String, merges: [UInt8], mergesPath: String,
                             pattern: PreTokenizationPattern = .gpt2) throws(TokenizeError) -> Vocabulary {
        var parser = JSONParser()
        let root: JSONElement
        do { root = try parser.parse(bytes) } catch { throw TokenizeError(error, in: bytes, path: path) }
        let file = JSONFile(path, size: bytes.count)
        guard let members = root.members else { throw file.mismatch("the file", "an object with a number for each token", root) }

        // A name in another alphabet can only be that of a special token.
        var slots = TokenSlots(fileSize: bytes.count), names: [TokenID: [UInt8]] = [:], token: [UInt8] = []
        var isTextual = Set<TokenID>()
        for (key, value) in members {
            let name = key.bytes ?? []
            guard let id = value.integer else { throw file.mismatch(shown(name), "a whole number", value) }
            token.removeAll(keepingCapacity: true)
            let isAlphabet = key.withBytes { ByteToUnicode.append($0, to: &token) } ?? false
            do { try slots.put(isAlphabet ? token : name, at: id) } catch { throw error.error(path: path, place: shown(name), id: id) }
            if !isAlphabet { isTextual.insert(TokenID(id)) }
            if !isAlphabet || token != name { names[TokenID(id)] = name }
        }
        let tokens = slots.tokens, index = TokenIndex(tokens, except: isTextual)
        if let double = index.firstDouble(in: tokens, except: isTextual) {
            throw file.malformed("\(double)", "each token once", shown(ByteToUnicode.text(of: tokens[Int(double)]).utf8) + " again")
        }

        var reader = MergeReader(tokens, index: index)
        for (number, range) in TextLines(merges) where !range.isEmpty {
            if number == 1, merges[range].starts(with: "#version".utf8) { continue }
            do throws(MergeReader.Refusal) { try reader.add(merges.span.extracting(range)) } catch {
                throw .malformed(path: mergesPath, place: "\(number)", expected: error.expected, found: error.found)
            }
        }
        var vocabulary = Vocabulary()
        vocabulary.pattern = pattern
        vocabulary.merges = reader.merges
        let made = Set(reader.merges.map(\.result))
        for id in tokens.indices where !made.contains(TokenID(id)) && !tokens.range(of: id).isEmpty {
            guard isTextual.contains(TokenID(id)) || tokens.range(of: id).count > 1 else { continue }
            let name = names[TokenID(id)] ?? Array(tokens[id])
            slots.replace(id, by: name)
            vocabulary.specialTokens.append(Vocabulary.SpecialToken(id: TokenID(id), text: String(decoding: name, as: UTF8.self)))
        }
        vocabulary.tokens = vocabulary.specialTokens.isEmpty ? tokens : slots.tokens
        return vocabulary
    }

    /// The bytes of the two files.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> (vocabulary: [UInt8], merges: [UInt8]) {
        let keys = try self.keys(of: vocabulary)
        var writer = JSONWriter(.pretty), merges = Array("#version: 0.2\n".utf8)
        writer.object { for id in keys.indices where !keys.range(of: id).isEmpty { $0.key(keys[id]); $0.integer(id) } }
        writer.newline()
        for merge in vocabulary.merges { merges.append(contentsOf: keys[Int(merge.left)] + [32] + keys[Int(merge.right)] + [10]) }
        return (writer.bytes, merges)
    }

    private static func keys(of vocabulary: Vocabulary) throws(TokenizeError) -> ByteStrings {
        func refuse(_ reason: String) -> TokenizeError {
            .notExpressible(format: "vocab.json with merges.txt", reason: reason + "; tokenizer.json can")
        }
        guard vocabulary.unit == .bytes else { throw refuse("its tokens are characters") }
        guard vocabulary.pattern == .gpt2 else { throw refuse("they hold no pattern, so GPT-2's is meant, and this has another") }
        guard !vocabulary.addsPrefixSpace else { throw refuse("it begins every text with a space") }
        let keys = vocabulary.keys, tokens = vocabulary.tokens, left = Set(vocabulary.specialTokens.map(\.id))
        if let double = TokenIndex(keys).firstDouble(in: keys) {
            throw refuse("token \(double) is written like another, \(shown(keys[Int(double)]))")
        }
        if let last = keys.indices.last, keys.range(of: last).isEmpty { throw refuse("its last number, \(last), is no token") }
        let made = Set(vocabulary.merges.map(\.result))
        for id in tokens.indices where tokens.range(of: id).count > 1 && !left.contains(TokenID(id)) && !made.contains(TokenID(id)) {
            throw refuse("nothing merges into token \(id), so it would be taken for a special one")
        }
        for special in vocabulary.specialTokens where ByteToUnicode.bytes(of: special.text.utf8)?.count == 1 {
            throw refuse("the special token '\(special.text)' would be taken for a byte")
        }
        for merge in vocabulary.merges {
            let whole = tokens[Int(merge.left)] + tokens[Int(merge.right)]
            guard whole.elementsEqual(tokens[Int(merge.result)]) else { throw refuse("token \(merge.result) is not what it merges from") }
        }
        if vocabulary.ignoresMerges, let id = vocabulary.firstUnmerged {
            throw refuse("token \(id) is taken whole, and merging would make others of it")
        }
        return keys
    }
}

extension Vocabulary {
    /// The first token that merging does not make of its bytes: it only occurs if words are taken whole.
    var firstUnmerged: TokenID? {
        let left = Set(specialTokens.map(\.id)), pairs = PairTable(merges)
        var merger = WordMerger(pairs), ids = [TokenID](repeating: -1, count: 256)
        for id in tokens.indices where tokens.range(of: id).count == 1 && !left.contains(TokenID(id)) {
            ids[Int(tokens[id].first ?? 0)] = TokenID(id)
        }
        var parts: [TokenID] = []
        for id in tokens.indices where !tokens.range(of: id).isEmpty && !left.contains(TokenID(id)) {
            parts = tokens[id].map { ids[Int($0)] }
            if parts.contains(-1) { return TokenID(id) }
            merger.merge(&parts)
            if parts != [TokenID(id)] { return TokenID(id) }
        }
        return nil
    }
}
