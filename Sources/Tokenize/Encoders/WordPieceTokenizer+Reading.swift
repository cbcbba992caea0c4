import Files
import JSON

extension WordPieceTokenizer {
    static let vocabularyFile = "vocab.txt", settingsFile = "tokenizer_config.json"

    // MARK: vocab.txt

    /// - Parameters:
    ///   - bytes: A token per line; its number is its ID.
    ///   - settings: The tokenizer_config.json; nil: all as in uncased BERT.
    package init(vocabulary bytes: [UInt8], path: String, settings: [UInt8]? = nil, settingsPath: String = "") throws(TokenizeError) {
        var tokens = ByteStrings()
        let text = bytes.last == 10 ? bytes.dropLast() : bytes[...]
        for line in text.split(separator: 10, omittingEmptySubsequences: false) { tokens.append(line.last == 13 ? line.dropLast() : line) }
        let file = JSONFile(settingsPath, size: settings?.count ?? 0)
        let root = try settings.map { bytes throws(TokenizeError) in try JSONFile.root(bytes, settingsPath) }
        func isSet(_ key: String, else other: Bool) throws(TokenizeError) -> Bool {
            guard let root else { return other }
            return try file.boolean(root, key, default: other, at: "")
        }
        func id(_ key: String, else name: String) throws(TokenizeError) -> TokenID {
            // A token with options is an object.
            let name = root?[key]?.string ?? root?[key]?["content"]?.string ?? name
            guard let id = tokens.indices.first(where: { tokens[$0].elementsEqual(name.utf8) }) else {
                throw .malformed(path: path, location: nil, expected: "the token \(excerpt(name.utf8)) (\(key))", found: "no such line")
            }
            return TokenID(id)
        }
        var normalizer = BERTNormalizer()
        normalizer.lowercases = try isSet("do_lower_case", else: true)
        normalizer.stripsAccents = try isSet("strip_accents", else: normalizer.lowercases)
        normalizer.separatesIdeographs = try isSet("tokenize_chinese_chars", else: true)
        self.init(
            tokens, normalizer: normalizer,
            specials: TokensAroundText(prefix: [try id("cls_token", else: "[CLS]")], suffix: [try id("sep_token", else: "[SEP]")]),
            unknown: try id("unk_token", else: "[UNK]"))
    }

    // MARK: tokenizer.json

    init(_ model: JSONElement, _ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        let (slots, unused) = try Self.slots(model, root, file)
        let vocabulary = slots.tokens
        let unknown = try file.string(model, "unk_token", default: "[UNK]", at: "model")
        guard let unknownID = vocabulary.indices.first(where: { vocabulary[$0].elementsEqual(unknown.utf8) }) else {
            throw file.malformed("model.unk_token", "a token of the vocabulary", excerpt(unknown.utf8))
        }
        if let text = unused { throw file.unsupported("it has the added token \(excerpt(text.utf8))", "Only special tokens can be added.") }
        let mark = try file.string(model, "continuing_subword_prefix", default: Self.mark, at: "model")
        let limit = try model["max_input_chars_per_word"].map { _ throws(TokenizeError) in
            try file.integer(model, "max_input_chars_per_word", at: "model")
        }
        self.init(
            vocabulary, normalizer: try Self.normalizer(root, file), specials: try TokensAroundText(root, file, vocabulary),
            unknown: TokenID(unknownID), mark: mark, wordLimit: max(0, min(limit ?? 100, 100_000)))
    }

    /// The vocabulary, and an added token that is found in texts.
    private static func slots(
        _ model: JSONElement, _ root: JSONElement, _ file: JSONFile
    ) throws(TokenizeError) -> (slots: TokenSlots, unsupported: String?) {
        var slots = TokenSlots(fileSize: file.size), unsupported: String?
        if let members = try file.object(model, "vocab", at: "model").members {
            for (key, value) in members {
                let text = key.bytes ?? []
                guard let id = value.integer else { throw file.mismatch("model.vocab[\(excerpt(text))]", "a whole number", value) }
                do { try slots.insert(text, at: id) } catch {
                    throw error.error(path: file.path, location: "model.vocab[\(excerpt(text))]", id: id)
                }
            }
        }
        if let list = root["added_tokens"], !list.isNull {
            let tokens = slots.tokens
            for (i, token) in try file.array(root, "added_tokens", at: "").enumerated() {
                let location = "added_tokens[\(i)]"
                let text = try file.string(token, "content", at: location), id = try file.integer(token, "id", at: location)
                if try !file.boolean(token, "special", default: false, at: location) { unsupported = text }
                if tokens.indices.contains(id), tokens[id].elementsEqual(text.utf8) { continue }
                do { try slots.insert(Array(text.utf8), at: id) } catch { throw error.error(path: file.path, location: location, id: id) }
            }
        }
        return (slots, unsupported)
    }

    private static func normalizer(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> BERTNormalizer {
        let split = try file.object(root, "pre_tokenizer", at: "")
        let splitter = try file.string(split, "type", at: "pre_tokenizer")
        guard splitter == "BertPreTokenizer" else {
            throw file.unsupported("its pre_tokenizer is \(excerpt(splitter.utf8))", "Embedding models need BertPreTokenizer.")
        }
        var result = BERTNormalizer()
        guard let element = root["normalizer"], !element.isNull else {
            throw file.unsupported("it has no normalizer", "Embedding models need BertNormalizer.")
        }
        let type = try file.string(element, "type", at: "normalizer")
        guard type == "BertNormalizer" else {
            throw file.unsupported("its normalizer is \(excerpt(type.utf8))", "Embedding models need BertNormalizer.")
        }
        func isSet(_ key: String, else other: Bool) throws(TokenizeError) -> Bool {
            try file.boolean(element, key, default: other, at: "normalizer")
        }
        result.cleansText = try isSet("clean_text", else: true)
        result.separatesIdeographs = try isSet("handle_chinese_chars", else: true)
        result.lowercases = try isSet("lowercase", else: true)
        result.stripsAccents = try isSet("strip_accents", else: result.lowercases)
        return result
    }
}
