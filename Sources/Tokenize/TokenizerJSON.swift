import JSON

/// Hugging Face's tokenizer.json, for byte-level BPE and for characters. It is our own format, too: all that a `Vocabulary` says is in it.
///
///     let vocabulary = try TokenizerJSON.read(bytes, path: "tokenizer.json")
///     let same = try TokenizerJSON.bytes(of: vocabulary)
///
/// What is read, and what becomes of it:
/// - `model`: BPE only. `ignore_merges` is `ignoresMerges`. An `unk_token` and `byte_fallback` don't matter where every byte is a token.
/// - `pre_tokenizer`: ByteLevel, alone or behind one Split or Digits, is the pattern; without one, tokens are characters.
/// - `added_tokens` become special tokens, which no typed text becomes here, where Hugging Face's library looks for them in every text
/// unless
///   `encode_special_tokens` is set. Those with `"special": false`, for which it always looks, are special, too, or, if the vocabulary has
///   them, ordinary tokens. `lstrip`, `rstrip`, `single_word` and `normalized` only say how they are looked for.
/// - `normalizer`: none. `post_processor`, `truncation` and `padding` are about whole texts
///   for models, and not looked at; `decoder` only tells characters from other things.
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
        let isComplete = vocabulary.unit == .bytes && Set(vocabulary.plainTokens.lazy.filter { $0.count == 1 }.map(\.first)).count == 256
        if !isComplete {
            let unknown = try file.string(model, "unk_token", else: "", at: "model")
            if !unknown.isEmpty {
                throw file.unsupported(
                    "it has '\(unknown)' for what no token stands for",
                    "Only a tokenizer with all bytes among its tokens can be read with one.")
            }
            if try file.boolean(model, "byte_fallback", else: false, at: "model") {
                throw file.unsupported(
                    "it writes bytes as tokens such as <0x0A> (byte_fallback)", "Only byte-level tokenizers can be read.")
            }
        }
        return vocabulary
    }

    private static func checkModel(_ model: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        let type = try file.string(model, "type", else: "BPE", at: "model")
        guard type == "BPE" else { throw file.unsupported("its model is \(type)", "Only byte-level BPE can be read.") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            let mark = try file.string(model, key, else: "", at: "model")
            if !mark.isEmpty {
                throw file.unsupported(
                    "it marks pieces of words with '\(mark)' (\(key))", "Only byte-level BPE, which has no marks, can be read.")
            }
        }
        if let dropout = model["dropout"]?.number, dropout != 0 {
            throw file.unsupported("it leaves out merges by chance (dropout \(dropout))", "Set model.dropout to null to read it.")
        }
    }

    private struct AddedToken {
        let token: Vocabulary.SpecialToken
        let isSpecial: Bool
        /// An ordinary token, which the vocabulary has.
        var isPlain = false
    }

    private static func addedTokens(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> [AddedToken] {
        guard let list = root["added_tokens"], !list.isNull else { return [] }
        guard let elements = list.elements else { throw file.mismatch("added_tokens", "an array", list) }
        let limit = TokenSlots.limit(fileSize: file.size)
        var added: [AddedToken] = []
        for (i, element) in elements.enumerated() {
            let place = "added_tokens[\(i)]"
            let id = try file.integer(element, "id", at: place), text = try file.string(element, "content", at: place)
            guard (0..<limit).contains(id) else {
                throw TokenSlots.Refusal.outOfRange(limit: limit).error(path: file.path, place: place, id: id)
            }
            added.append(
                AddedToken(
                    token: Vocabulary.SpecialToken(id: TokenID(id), text: text),
                    isSpecial: try file.boolean(element, "special", else: false, at: place)))
        }
        return added
    }

    private static func readTokens(
        _ model: JSONElement, _ added: [AddedToken], into vocabulary: inout Vocabulary, _ file: JSONFile
    ) throws(TokenizeError) {
        var slots = TokenSlots(fileSize: file.size), added = added, places: [String: Int] = [:], token: [UInt8] = []
        for (place, one) in added.enumerated() {
            guard places.updateValue(place, forKey: one.token.text) == nil else {
                throw file.malformed("added_tokens", "each token once", shown(one.token.text.utf8) + " again")
            }
        }
        let isByteLevel = vocabulary.unit == .bytes
        guard let members = try file.object(model, "vocab", at: "model").members else { return }
        for (key, value) in members {
            func place() -> String { "model.vocab[\(shown(key.bytes ?? []))]" }
            guard let id = value.integer else { throw file.mismatch(place(), "a whole number", value) }
            token.removeAll(keepingCapacity: true)
            let isRight = key.withBytes { text in
                if isByteLevel { return ByteToUnicode.append(text, to: &token) }
                for i in text.indices { token.append(text[i]) }
                return true
            } ?? false
            if !places.isEmpty, let other = places[key.string ?? ""] {
                guard id == added[other].token.id else {
                    throw file.malformed(place(), "\(added[other].token.id), its number among the added tokens", "\(id)")
                }
                if added[other].isSpecial || !isRight { continue }
                added[other].isPlain = true
            } else if !isRight {
                throw file.malformed(
                    "model.vocab", "tokens in GPT-2's alphabet for bytes, or among the added tokens", shown(key.bytes ?? []))
            }
            do { try slots.put(token, at: id) } catch { throw error.error(path: file.path, place: place(), id: id) }
        }
        for one in added where !one.isPlain {
            let special = one.token
            do { try slots.put(special.text.utf8, at: Int(special.id)) } catch {
                throw error.error(path: file.path, place: "added_tokens", id: Int(special.id))
            }
            vocabulary.specialTokens.append(special)
        }
        let ids = Set(vocabulary.specialTokens.map(\.id))
        vocabulary.tokens = slots.tokens
        vocabulary.ignoresMerges = try file.boolean(model, "ignore_merges", else: false, at: "model")
        let index = TokenIndex(vocabulary.tokens, except: ids)
        if let double = index.firstDouble(in: vocabulary.tokens, except: ids) {
            throw file.malformed("model.vocab", "each token once", shown(vocabulary.tokens[Int(double)]) + " again")
        }
        var merges = MergeReader(vocabulary.tokens, index: index)
        for (i, element) in try file.array(model, "merges", at: "model").enumerated() {
            guard isByteLevel else {
                throw file.unsupported("its tokens are characters that merge", "Only byte-level BPE can be read.")
            }
            do throws(MergeReader.Refusal) { try merges.add(element) } catch {
                throw file.malformed("model.merges[\(i)]", error.expected, error.found)
            }
        }
        vocabulary.merges = merges.merges
    }
}

extension Vocabulary {
    /// The tokens that texts are made of.
    var plainTokens: some Sequence<ArraySlice<UInt8>> {
        let left = Set(specialTokens.map(\.id))
        return tokens.indices.lazy.filter { !left.contains(TokenID($0)) }.map { tokens[$0] }
    }
}
