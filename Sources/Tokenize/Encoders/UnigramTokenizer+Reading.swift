import Base64
import JSON

extension UnigramTokenizer {
    /// Reads a tokenizer.json, as XLM-RoBERTa has it.
    init(_ model: JSONElement, _ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        var tokens = ByteStrings(), scores: [Double] = []
        for (id, entry) in try file.array(model, "vocab", at: "model").enumerated() {
            let pair = entry.elements.map(Array.init) ?? []
            guard pair.count == 2, let text = pair[0].bytes, let score = pair[1].number, score.isFinite else {
                throw file.malformed("model.vocab[\(id)]", "a token and its score", "something else")
            }
            tokens.append(text)
            scores.append(score)
        }
        let unknown = try file.integer(model, "unk_id", at: "model")
        guard tokens.indices.contains(unknown) else { throw file.malformed("model.unk_id", "the ID of a token", "\(unknown)") }
        if try file.boolean(model, "byte_fallback", default: false, at: "model") {
            throw file.unsupported("it encodes unknown characters as bytes (byte_fallback)", "Unigram is supported without it.")
        }
        let names = TokenIndex(tokens)
        var specials: Set<TokenID> = [TokenID(unknown)]
        let added = root["added_tokens"]?.isNull ?? true ? [] : Array(try file.array(root, "added_tokens", at: ""))
        for (i, token) in added.enumerated() {
            let location = "added_tokens[\(i)]", text = try file.string(token, "content", at: location)
            let id = try file.integer(token, "id", at: location)
            guard try file.boolean(token, "special", default: false, at: location) else {
                throw file.unsupported("it has the added token \(excerpt(text.utf8))", "Only special tokens can be added.")
            }
            guard tokens.indices.contains(id), names[Array(text.utf8).span] == TokenID(id) else {
                throw file.malformed("\(location).id", "the ID of this token in model.vocab", "\(id)")
            }
            specials.insert(TokenID(id))
        }
        let splitting = try Self.splitting(root, file)
        self.init(
            tokens, scores: scores, unknown: TokenID(unknown), specialTokens: specials, normalizer: try UnigramNormalizer(root, file),
            splitsAtWhiteSpace: splitting, specials: try TokensAroundText(root, file, tokens))
    }

    /// Whether the `pre_tokenizer` splits at white space before it puts U+2581 in front of each word.
    private static func splitting(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) -> Bool {
        let steps = try file.steps(root, "pre_tokenizer", list: "pretokenizers"), types = steps.map(\.type)
        guard types == ["Metaspace"] || types == ["WhitespaceSplit", "Metaspace"], let space = steps.last?.element else {
            throw file.unsupported(
                "its pre_tokenizer is \(excerpt(types.joined(separator: ", ").utf8))",
                "Unigram needs Metaspace, or WhitespaceSplit before it.")
        }
        let scheme = try file.string(space, "prepend_scheme", default: "always", at: "pre_tokenizer")
        let addsSpace = try file.boolean(space, "add_prefix_space", default: true, at: "pre_tokenizer")
        let splits = try file.boolean(space, "split", default: true, at: "pre_tokenizer")
        let mark = try file.string(space, "replacement", default: "▁", at: "pre_tokenizer")
        guard scheme == "always", addsSpace, splits, mark == "▁" else {
            throw file.unsupported("its Metaspace has other options", "Unigram needs U+2581 before each word (prepend_scheme 'always').")
        }
        return types.count == 2
    }
}

extension UnigramNormalizer {
    init(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        let list = try file.steps(root, "normalizer", list: "normalizers")
        steps = try list.map { step throws(TokenizeError) in try Self.step(step.element, type: step.type, at: step.location, file) }
    }

    private static func step(
        _ element: JSONElement, type: String, at location: String, _ file: JSONFile
    ) throws(TokenizeError) -> Step {
        switch type {
        case "Precompiled":
            let text = Array(try file.string(element, "precompiled_charsmap", at: location).utf8)
            var bytes: [UInt8] = []
            guard Base64.decode(text.span, .standard, into: &bytes), let map = PrecompiledCharacterMap(bytes) else {
                throw file.malformed("\(location).precompiled_charsmap", "a table of SentencePiece in Base64", "\(text.count) characters")
            }
            return .map(map)
        case "Replace":
            let pattern = try file.object(element, "pattern", at: location)
            let content = Array(try file.string(element, "content", at: location).utf8)
            if let text = pattern["String"]?.bytes, !text.isEmpty { return .replace(text, by: content) }
            guard pattern["Regex"]?.string == " {2,}" else {
                throw file.unsupported("it replaces a regular expression", "Supported is ' {2,}', two and more spaces.")
            }
            return .replaceSpaces(by: content)
        case "Strip":
            return .strip(
                left: try file.boolean(element, "strip_left", default: true, at: location),
                right: try file.boolean(element, "strip_right", default: true, at: location))
        default: throw file.unsupported("its normalizer is \(excerpt(type.utf8))", "Unigram needs Precompiled, Replace or Strip.")
        }
    }
}
