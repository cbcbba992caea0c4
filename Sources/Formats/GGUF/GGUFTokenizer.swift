import Model
import Tokenize

/// llama.cpp's token types.
enum GGUFTokenType: Int {
    case normal = 1, unknown, control, userDefined, unused, byte

    /// Tokens that llama.cpp looks for before it splits the text become special tokens.
    var kind: TokenList.Kind {
        switch self {
        case .normal, .byte: .plain
        case .unknown, .control, .userDefined: .special
        case .unused: .none
        }
    }
}

extension GGUFFile {
    /// Reads the vocabulary; nil if the file has none.
    func vocabulary(for configuration: GPTConfiguration, in bytes: Span<UInt8>) throws(GGUFError) -> Vocabulary? {
        guard metadata["tokenizer.ggml.model"] != nil else { return nil }
        let model = try text("tokenizer.ggml.model", in: bytes)
        if model == "none" || model == "no_vocab" { return nil }
        guard model == "gpt2" else {
            throw .mismatch(path: path, name: "tokenizer.ggml.model", expected: "gpt2, byte-level BPE", found: model)
        }
        let tokens = try array("tokenizer.ggml.tokens", of: [.string])
        guard tokens.count <= configuration.vocabulary else {
            let expected = "at most \(configuration.vocabulary) tokens, the rows of token_embd.weight"
            throw .mismatch(path: path, name: "tokenizer.ggml.tokens", expected: expected, found: "\(tokens.count)")
        }
        var list = TokenList()
        list.names = texts(tokens, in: bytes)
        list.kinds = try kinds(of: tokens.count, in: bytes)
        list.merges = texts(try array("tokenizer.ggml.merges", of: [.string]), in: bytes)
        var vocabulary: Vocabulary
        do { vocabulary = try list.vocabulary(path: path) } catch { throw .tokenizer(error) }
        (vocabulary.pattern, vocabulary.ignoresMerges) = try pattern(in: bytes)
        return vocabulary
    }

    private func pattern(in bytes: Span<UInt8>) throws(GGUFError) -> (PreTokenizationPattern, ignoresMerges: Bool) {
        // Old GPT-2 files lack the key.
        guard metadata["tokenizer.ggml.pre"] != nil else { return (.gpt2, false) }
        let name = try text("tokenizer.ggml.pre", in: bytes)
        switch name {
        case "gpt-2", "phi-2", "roberta-bpe": return (.gpt2, false)
        case "llama-bpe", "llama3", "llama-v3": return (.llama3, true)
        default: throw .mismatch(path: path, name: "tokenizer.ggml.pre", expected: "gpt-2 or llama-bpe", found: name)
        }
    }

    private func kinds(of count: Int, in bytes: Span<UInt8>) throws(GGUFError) -> [TokenList.Kind] {
        let key = "tokenizer.ggml.token_type"
        guard metadata[key] != nil else { return kindsFromSpecialTokenKeys(of: count) }
        let types = try array(key, of: [.i32, .u32])
        guard types.count == count else {
            throw .mismatch(path: path, name: key, expected: "one for each of the \(count) tokens", found: "\(types.count)")
        }
        var kinds: [TokenList.Kind] = []
        for i in 0..<count {
            let offset = types.range.lowerBound + 4 * i
            let number = (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
            guard let type = GGUFTokenType(rawValue: number) else {
                throw .mismatch(path: path, name: "\(key)[\(i)]", expected: "a number from 1 to 6", found: "\(number)")
            }
            kinds.append(type.kind)
        }
        return kinds
    }

    /// Without token types, marks as special the tokens that keys such as `tokenizer.ggml.eos_token_id` name.
    private func kindsFromSpecialTokenKeys(of count: Int) -> [TokenList.Kind] {
        var kinds = [TokenList.Kind](repeating: .plain, count: count)
        for role in ["bos", "eos", "unknown", "padding", "eot"] {
            if case .unsigned(let id)? = metadata["tokenizer.ggml.\(role)_token_id"], id < UInt64(count) { kinds[Int(id)] = .special }
        }
        return kinds
    }

    /// Returns the strings of an array. GGUFReader has checked their lengths.
    private func texts(_ array: GGUFArray, in bytes: Span<UInt8>) -> ByteStrings {
        var result = ByteStrings(), text: [UInt8] = [], offset = array.range.lowerBound
        for _ in 0..<array.count {
            let length = (0..<8).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
            text.removeAll(keepingCapacity: true)
            for i in offset + 8..<offset + 8 + length { text.append(bytes[i]) }
            result.append(text)
            offset += 8 + length
        }
        return result
    }
}

extension GGUFHeader {
    /// Adds the tokenizer's keys.
    ///
    /// - Parameter rows: the rows of the embedding. llama.cpp needs a token for each, so unused rows get placeholder names.
    mutating func add(_ vocabulary: Vocabulary, _ chatTemplate: ChatTemplate?, rows: Int) throws(TokenizeError) {
        let list = try TokenList(vocabulary)
        guard let pattern = Self.name(of: vocabulary) else {
            throw .notExpressible(format: "A GGUF file", reason: "llama.cpp does not have its pretokenizer (\(vocabulary.pattern))")
        }
        add("tokenizer.ggml.model", "gpt2")
        add("tokenizer.ggml.pre", pattern)
        var names: [[UInt8]] = [], types: [Int32] = []
        let taken = Set(list.names.indices.map { Array(list.names[$0]) })
        for id in 0..<rows {
            let kind = id < list.kinds.count ? list.kinds[id] : .none
            var name = id < list.kinds.count ? Array(list.names[id]) : []
            if kind == .none {
                name = Array("[PAD\(id)]".utf8)
                while taken.contains(name) { name.append(UInt8(ascii: "_")) }
            }
            names.append(name)
            let type: GGUFTokenType = switch kind { case .plain: .normal; case .special: .control; case .none: .unused }
            types.append(Int32(type.rawValue))
        }
        add("tokenizer.ggml.tokens", names)
        add("tokenizer.ggml.token_type", types)
        add("tokenizer.ggml.merges", list.merges.indices.map { Array(list.merges[$0]) })
        addSpecialTokens(of: vocabulary, chatTemplate)
        add("tokenizer.ggml.add_bos_token", false)
        if let chatTemplate { add("tokenizer.chat_template", chatTemplate.jinja(for: vocabulary)) }
    }

    /// llama.cpp stops at `eos`, the end of a conversation, and at `eot`, the end of a turn. GPT-2 has one token for begin and end.
    private mutating func addSpecialTokens(of vocabulary: Vocabulary, _ chatTemplate: ChatTemplate?) {
        let lineBreak = vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual([10]) }.map { TokenID($0) }
        let turnEnd = switch chatTemplate {
        case .specialTokens?: vocabulary.specialTokenID("<|user|>")
        case .humanAssistant?: lineBreak
        case .jinja?: (try? chatTemplate.map { try ChatRenderer($0, for: Tokenizer(vocabulary)) })??.stopTokens.first
        case nil: TokenID?.none
        }
        let end = vocabulary.specialTokenID("<|eos|>") ?? vocabulary.specialTokenID("<|endoftext|>")
            ?? (chatTemplate == .humanAssistant ? lineBreak : nil)
        func named(_ name: String) -> TokenID? { chatTemplate?.tokenID(name, in: vocabulary) }
        let ids = [
            ("bos", named("bos_token") ?? end), ("eos", named("eos_token") ?? end), ("eot", turnEnd),
            ("padding", named("pad_token") ?? vocabulary.specialTokenID("<|pad|>")),
        ]
        for (role, id) in ids {
            if let id { add("tokenizer.ggml.\(role)_token_id", UInt32(id)) }
        }
    }

    /// llama.cpp's name for the pretokenizer.
    private static func name(of vocabulary: Vocabulary) -> String? {
        switch vocabulary.pattern {
        case .gpt2: "gpt-2"
        case .llama3 where vocabulary.ignoresMerges: "llama-bpe"
        default: nil
        }
    }
}
