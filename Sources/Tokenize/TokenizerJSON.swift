import JSON

/// Hugging Face's tokenizer.json, for byte-level BPE and character-level tokenizers. It is also slm's own format: it represents every
/// `Vocabulary`.
///
///     let vocabulary = try TokenizerJSON.read(bytes, path: "tokenizer.json")
///     let same = try TokenizerJSON.bytes(of: vocabulary)
///
/// How the file is read:
/// - `model`: BPE only. `ignore_merges` is `ignoresMerges`. `unk_token` and `byte_fallback` have no effect if every byte is a token.
/// - `pre_tokenizer`: ByteLevel, alone or after one Split or Digits, gives the pattern; without one, tokens are characters.
/// - `added_tokens` become special tokens. slm never encodes text to them by default, but Hugging Face's library does unless
///   `encode_special_tokens` is set. Those with `"special": false`, which it always finds in text, are special, too, unless the vocabulary
///   contains them: then they are ordinary tokens. `lstrip`, `rstrip`, `single_word` and `normalized` only affect how they are found.
/// - `normalizer`: must be null. `post_processor`, `truncation` and `padding` are ignored. `decoder` only tells whether tokens are
///   characters.
package enum TokenizerJSON {
    package static func read(_ bytes: [UInt8], path: String) throws(TokenizeError) -> Vocabulary {
        var parser = JSONParser()
        let root: JSONElement
        do { root = try parser.parse(bytes) } catch { throw TokenizeError(error, in: bytes, path: path) }
        return try read(root, JSONFile(path, size: bytes.count))
    }

    static func read(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> Vocabulary {
        let model = try file.object(root, "model", at: "")
        try checkModel(model, file)
        var vocabulary = Vocabulary()
        try PreTokenizerJSON(root, file).apply(to: &vocabulary)
        try readTokens(model, try addedTokens(root, file), into: &vocabulary, file)
        try readMerges(model, into: &vocabulary, file)
        try checkUnknownTokens(model, vocabulary, file)
        return vocabulary
    }

    private static func checkModel(_ model: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        let type = try file.string(model, "type", default: "BPE", at: "model")
        guard type == "BPE" else { throw file.unsupported("its model is \(type)", "Only byte-level BPE is supported.") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            let mark = try file.string(model, key, default: "", at: "model")
            if !mark.isEmpty {
                throw file.unsupported(
                    "it marks parts of words with '\(mark)' (\(key))", "Only byte-level BPE, without marks, is supported."
                )
            }
        }
        if let dropout = model["dropout"]?.number, dropout != 0 {
            throw file.unsupported("it skips merges at random (dropout \(dropout))", "Set model.dropout to null.")
        }
    }

    /// Rejects features for unknown text, which only matter if some byte is not a token.
    private static func checkUnknownTokens(_ model: JSONElement, _ vocabulary: Vocabulary, _ file: JSONFile) throws(TokenizeError) {
        let isComplete = vocabulary.unit == .bytes
            && Set(vocabulary.ordinaryTokens.lazy.filter { $0.count == 1 }.map(\.first)).count == 256
        if isComplete { return }
        let unknown = try file.string(model, "unk_token", default: "", at: "model")
        if !unknown.isEmpty {
            throw file.unsupported(
                "it encodes unknown text as '\(unknown)' (unk_token)",
                "A tokenizer with an unk_token is only supported if all bytes are tokens."
            )
        }
        if try file.boolean(model, "byte_fallback", default: false, at: "model") {
            throw file.unsupported("it encodes bytes as tokens such as <0x0A> (byte_fallback)", "Only byte-level BPE is supported.")
        }
    }

    private struct AddedToken {
        let token: Vocabulary.SpecialToken
        let isSpecial: Bool
        /// Whether the vocabulary contains it as an ordinary token.
        var isOrdinary = false
    }

    private static func addedTokens(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> [AddedToken] {
        guard let list = root["added_tokens"], !list.isNull else { return [] }
        guard let elements = list.elements else { throw file.mismatch("added_tokens", "an array", list) }
        let limit = TokenSlots.limit(fileSize: file.size)
        var added: [AddedToken] = []
        for (i, element) in elements.enumerated() {
            let location = "added_tokens[\(i)]"
            let id = try file.integer(element, "id", at: location)
            let text = try file.string(element, "content", at: location)
            guard (0..<limit).contains(id) else {
                throw TokenSlots.Failure.outOfRange(limit: limit).error(path: file.path, location: location, id: id)
            }
            let isSpecial = try file.boolean(element, "special", default: false, at: location)
            added.append(AddedToken(token: Vocabulary.SpecialToken(id: TokenID(id), text: text), isSpecial: isSpecial))
        }
        return added
    }

    private static func readTokens(
        _ model: JSONElement, _ addedTokens: [AddedToken], into vocabulary: inout Vocabulary, _ file: JSONFile
    ) throws(TokenizeError) {
        var slots = TokenSlots(fileSize: file.size)
        var added = addedTokens
        var addedIndices: [String: Int] = [:]
        var token: [UInt8] = []
        for (index, one) in added.enumerated() {
            guard addedIndices.updateValue(index, forKey: one.token.text) == nil else {
                throw file.malformed("added_tokens", "each token once", excerpt(one.token.text.utf8) + " again")
            }
        }
        let isByteLevel = vocabulary.unit == .bytes
        guard let members = try file.object(model, "vocab", at: "model").members else { return }
        for (key, value) in members {
            func location() -> String { "model.vocab[\(excerpt(key.bytes ?? []))]" }
            guard let id = value.integer else { throw file.mismatch(location(), "a whole number", value) }
            token.removeAll(keepingCapacity: true)
            let isValid = key.withBytes { text in
                if isByteLevel { return ByteToUnicode.append(text, to: &token) }
                for i in text.indices { token.append(text[i]) }
                return true
            } ?? false
            if !addedIndices.isEmpty, let index = addedIndices[key.string ?? ""] {
                guard id == added[index].token.id else {
                    throw file.malformed(location(), "\(added[index].token.id), its ID in added_tokens", "\(id)")
                }
                if added[index].isSpecial || !isValid { continue }
                added[index].isOrdinary = true
            } else if !isValid {
                throw file.malformed(
                    "model.vocab", "tokens in GPT-2's byte-to-unicode alphabet or in added_tokens", excerpt(key.bytes ?? [])
                )
            }
            do { try slots.insert(token, at: id) } catch { throw error.error(path: file.path, location: location(), id: id) }
        }
        for one in added where !one.isOrdinary {
            let special = one.token
            do { try slots.insert(special.text.utf8, at: Int(special.id)) } catch {
                throw error.error(path: file.path, location: "added_tokens", id: Int(special.id))
            }
            vocabulary.specialTokens.append(special)
        }
        vocabulary.tokens = slots.tokens
    }

    private static func readMerges(_ model: JSONElement, into vocabulary: inout Vocabulary, _ file: JSONFile) throws(TokenizeError) {
        vocabulary.ignoresMerges = try file.boolean(model, "ignore_merges", default: false, at: "model")
        let special = vocabulary.specialTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: special)
        if let duplicate = index.firstDuplicate(in: vocabulary.tokens, except: special) {
            throw file.malformed("model.vocab", "each token once", excerpt(vocabulary.tokens[Int(duplicate)]) + " again")
        }
        var merges = MergeReader(vocabulary.tokens, index: index)
        for (i, element) in try file.array(model, "merges", at: "model").enumerated() {
            guard vocabulary.unit == .bytes else {
                throw file.unsupported("its tokens are characters and have merges", "Only byte-level BPE is supported.")
            }
            do throws(MergeReader.Mismatch) { try merges.add(element) } catch {
                throw file.malformed("model.merges[\(i)]", error.expected, error.found)
            }
        }
        vocabulary.merges = merges.merges
    }
}

extension Vocabulary {
    /// The tokens that are not special.
    var ordinaryTokens: some Sequence<ArraySlice<UInt8>> {
        let special = specialTokenIDs
        return tokens.indices.lazy.filter { !special.contains(TokenID($0)) }.map { tokens[$0] }
    }
}
