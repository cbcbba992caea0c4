import JSON

/// Hugging Face's tokenizer.json, for byte-level BPE, SentencePiece BPE and character-level tokenizers. It is also slm's own format: it
/// represents every `Vocabulary`.
///
///     let vocabulary = try TokenizerJSON.read(bytes, path: "tokenizer.json")
///     let same = try TokenizerJSON.bytes(of: vocabulary)
///
/// How the file is read:
/// - `model`: BPE only. `ignore_merges` is `ignoresMerges`. `unk_token` and `byte_fallback` have no effect if every byte is a token.
/// - `pre_tokenizer`: ByteLevel, alone or after Split and Digits, gives the pattern. Metaspace, or a normalizer that replaces spaces by
///   U+2581, is SentencePiece. Without either, tokens are characters.
/// - `normalizer`: NFC, Prepend and Replace with U+2581.
/// - `added_tokens` with `"special": true` become special tokens. slm never encodes text to them by default, but Hugging Face's library
///   does unless `encode_special_tokens` is set. The others become added tokens, which both always find in text.
/// - `post_processor`: TemplateProcessing gives the special tokens around a text. `truncation` and `padding` are ignored. `decoder` is only
///   checked.
package enum TokenizerJSON {
    package static func read(_ bytes: [UInt8], path: String) throws(TokenizeError) -> Vocabulary {
        try read(JSONFile.root(bytes, path), JSONFile(path, size: bytes.count))
    }

    static func read(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> Vocabulary {
        let model = try file.object(root, "model", at: "")
        try checkModel(model, file)
        var vocabulary = Vocabulary()
        try PreTokenizerJSON(root, file).apply(to: &vocabulary)
        try readTokens(model, try addedTokens(root, file), into: &vocabulary, file)
        try readMerges(model, into: &vocabulary, file)
        vocabulary.demoteUnmergedAddedTokens()
        try readUnknownToken(model, into: &vocabulary, file)
        try PostProcessorJSON.read(root, file, into: &vocabulary)
        return vocabulary
    }

    private static func checkModel(_ model: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        let type = try file.string(model, "type", default: "BPE", at: "model")
        guard type == "BPE" else { throw file.unsupported("its model is \(type)", "Only BPE is supported.") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            let mark = try file.string(model, key, default: "", at: "model")
            if !mark.isEmpty {
                throw file.unsupported(
                    "it marks parts of words with '\(mark)' (\(key))", "Only BPE without such marks is supported."
                )
            }
        }
        if let dropout = model["dropout"]?.number, dropout != 0 {
            throw file.unsupported("it skips merges at random (dropout \(dropout))", "Set model.dropout to null.")
        }
    }

    /// Reads what unknown text is encoded as. It has no effect if every byte is a token.
    private static func readUnknownToken(
        _ model: JSONElement, into vocabulary: inout Vocabulary, _ file: JSONFile
    ) throws(TokenizeError) {
        let unknown = try file.string(model, "unk_token", default: "", at: "model")
        if vocabulary.unit == .bytes {
            if vocabulary.hasAllBytes { return }
            if !unknown.isEmpty {
                throw file.unsupported(
                    "it encodes unknown text as '\(unknown)' (unk_token)",
                    "A byte-level tokenizer with an unk_token is only supported if all bytes are tokens."
                )
            }
            if try file.boolean(model, "byte_fallback", default: false, at: "model") {
                throw file.unsupported(
                    "it is byte-level and encodes bytes as tokens such as <0x0A> (byte_fallback)", "Supported is one of the two.")
            }
            return
        }
        guard !unknown.isEmpty else { return }
        let names = vocabulary.tokenNames
        guard let id = names.indices.first(where: { names[$0].elementsEqual(unknown.utf8) }) else {
            throw file.malformed("model.unk_token", "a token of the vocabulary", excerpt(unknown.utf8))
        }
        vocabulary.unknownToken = TokenID(id)
        vocabulary.fusesUnknown = try file.boolean(model, "fuse_unk", default: false, at: "model")
    }

    private typealias AddedToken = (token: Vocabulary.AddedToken, isSpecial: Bool)

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
            var matching: AddedTokenMatching = []
            for (key, option) in matchingOptions where try file.boolean(element, key, default: false, at: location) {
                matching.insert(option)
            }
            added.append((Vocabulary.AddedToken(id: TokenID(id), text: text, matching), isSpecial))
        }
        return added
    }

    static let matchingOptions: KeyValuePairs<String, AddedTokenMatching> = [
        "single_word": .wholeWord, "lstrip": .stripsLeft, "rstrip": .stripsRight, "normalized": .normalized,
    ]

    private static func readTokens(
        _ model: JSONElement, _ addedTokens: [AddedToken], into vocabulary: inout Vocabulary, _ file: JSONFile
    ) throws(TokenizeError) {
        var slots = TokenSlots(fileSize: file.size)
        var added = addedTokens
        // By bytes: Swift's strings are equal if they are canonically equivalent.
        var addedIndices: [[UInt8]: Int] = [:]
        var token: [UInt8] = []
        for (index, (token, _)) in added.enumerated() {
            guard addedIndices.updateValue(index, forKey: Array(token.text.utf8)) == nil else {
                throw file.malformed("added_tokens", "each token once", excerpt(token.text.utf8) + " again")
            }
        }
        let names = TokenNames(vocabulary)
        let hasByteFallback = try file.boolean(model, "byte_fallback", default: false, at: "model")
        let hasByteTokens = hasByteFallback && vocabulary.unit == .characters
        guard let members = try file.object(model, "vocab", at: "model").members else { return }
        for (key, value) in members {
            func location() -> String { "model.vocab[\(excerpt(key.bytes ?? []))]" }
            guard let id = value.integer else { throw file.mismatch(location(), "a whole number", value) }
            token.removeAll(keepingCapacity: true)
            if hasByteTokens, let byte = key.withBytes({ TokenNames.byte(of: $0) }) ?? nil, (0..<slots.limit).contains(id) {
                if vocabulary.byteTokens.isEmpty { vocabulary.byteTokens = Array(repeating: -1, count: 256) }
                if addedIndices[key.bytes ?? []] == nil, vocabulary.byteTokens[Int(byte)] < 0 {
                    vocabulary.byteTokens[Int(byte)] = TokenID(id)
                    do { try slots.insert(CollectionOfOne(byte), at: id) } catch {
                        throw error.error(path: file.path, location: location(), id: id)
                    }
                    continue
                }
            }
            let isValid = key.withBytes { names.appendBytes(of: $0, to: &token) } ?? false
            if !addedIndices.isEmpty, let index = addedIndices[key.bytes ?? []] {
                let known = added[index].token.id
                guard id == known else {
                    throw file.malformed(location(), "\(known), its ID in added_tokens", "\(id)")
                }
                if added[index].isSpecial || !isValid { continue }
                added[index].token.matching.insert(.mergeable)
            } else if !isValid {
                throw file.malformed("model.vocab", "\(names.description) or in added_tokens", excerpt(key.bytes ?? []))
            }
            do { try slots.insert(token, at: id) } catch { throw error.error(path: file.path, location: location(), id: id) }
        }
        for (token, isSpecial) in added {
            if isSpecial { vocabulary.specialTokens.append(token) } else { vocabulary.addedTokens.append(token) }
            if token.matching.contains(.mergeable) { continue }
            var text = Array(token.text.utf8)
            if vocabulary.marksSpaces, !isSpecial { TextNormalizer.replaceMarks(in: &text) }
            do { try slots.insert(text, at: Int(token.id)) } catch {
                throw error.error(path: file.path, location: "added_tokens", id: Int(token.id))
            }
        }
        vocabulary.tokens = slots.tokens
    }

    private static func readMerges(_ model: JSONElement, into vocabulary: inout Vocabulary, _ file: JSONFile) throws(TokenizeError) {
        vocabulary.ignoresMerges = try file.boolean(model, "ignore_merges", default: false, at: "model")
        let unmergeable = vocabulary.unmergeableTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: unmergeable)
        if let duplicate = index.firstDuplicate(in: vocabulary.tokens, except: unmergeable) {
            throw file.malformed("model.vocab", "each token once", excerpt(vocabulary.tokens[Int(duplicate)]) + " again")
        }
        var merges = MergeReader(vocabulary.tokens, index: index, TokenNames(vocabulary))
        for (i, element) in try file.array(model, "merges", at: "model").enumerated() {
            do throws(MergeReader.Mismatch) { try merges.add(element) } catch {
                throw file.malformed("model.merges[\(i)]", error.expected, error.found)
            }
        }
        vocabulary.merges = merges.merges
    }
}

extension Vocabulary {
    /// Makes added tokens unmergeable that are in the file's vocabulary only to have an ID: no merge involves them.
    fileprivate mutating func demoteUnmergedAddedTokens() {
        guard addedTokens.contains(where: { $0.matching.contains(.mergeable) }) else { return }
        let merged = Set(merges.lazy.flatMap { [$0.left, $0.right, $0.result] })
        for (i, token) in addedTokens.enumerated() where token.matching.contains(.mergeable) {
            if merged.contains(token.id) || isBaseUnit(tokens[Int(token.id)]) { continue }
            addedTokens[i].matching.remove(.mergeable)
        }
    }

    /// Whether words consist of such tokens before merges.
    func isBaseUnit(_ token: ArraySlice<UInt8>) -> Bool {
        unit == .bytes ? token.count == 1 : String(decoding: token, as: UTF8.self).unicodeScalars.count == 1
    }

    /// Whether each byte is a token, so that every text can be encoded.
    var hasAllBytes: Bool { Set(ordinaryTokens.lazy.filter { $0.count == 1 }.map(\.first)).count == 256 }

    /// The tokens that words are encoded to.
    var ordinaryTokens: some Sequence<ArraySlice<UInt8>> {
        let others = unmergeableTokenIDs
        return tokens.indices.lazy.filter { !others.contains(TokenID($0)) }.map { tokens[$0] }
    }
}
