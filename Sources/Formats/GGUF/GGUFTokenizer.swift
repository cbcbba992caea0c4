import Model
import Tokenize

/// llama.cpp's numbers for what a token is.
enum GGUFTokenType: Int {
    case normal = 1, unknown, control, userDefined, unused, byte

    /// What llama.cpp looks for in a text before it cuts it into words becomes special, which no typed text becomes.
    var kind: TokenList.Kind {
        switch self {
        case .normal, .byte: .plain
        case .unknown, .control, .userDefined: .special
        case .unused: .none
        }
    }
}

extension GGUFFile {
    /// The vocabulary; nil where the file has none.
    func vocabulary(for configuration: GPTConfiguration, in bytes: Span<UInt8>) throws(GGUFError) -> Vocabulary? {
        guard metadata["tokenizer.ggml.model"] != nil else { return nil }
        let model = try text("tokenizer.ggml.model", in: bytes)
        if model == "none" || model == "no_vocab" { return nil }
        guard model == "gpt2" else {
            throw .mismatch(path: path, name: "tokenizer.ggml.model", expected: "gpt2, byte-level BPE", found: model)
        }
        let tokens = try array("tokenizer.ggml.tokens", of: [.string])
        guard tokens.count <= configuration.vocabulary else {
            throw .mismatch(path: path, name: "tokenizer.ggml.tokens", expected: "at most \(configuration.vocabulary) tokens, the rows of token_embd.weight", found: "\(tokens.count)")
        }
        var list = TokenList()
        list.names = texts(tokens, in: bytes)
        list.kinds = try kinds(of: tokens.count, in: bytes)
        list.merges = texts(try array("tokenizer.ggml.merges", of: [.string]), in: bytes)
        var vocabulary: Vocabulary
        do { vocabulary = try list.vocabulary(path: path) } catch { throw .tokenizer(error) }
        (vocabulary.pattern, vocabulary.takesWholeWords) = try pattern(in: bytes)
        return vocabulary
    }

    private func pattern(in bytes: Span<UInt8>) throws(GGUFError) -> (WordPattern, takesWholeWords: Bool) {
        // Files of GPT-2 from before there was this key have none.
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
        guard metadata[key] != nil else { return namedKinds(of: count) }
        let types = try array(key, of: [.i32, .u32])
        guard types.count == count else { throw .mismatch(path: path, name: key, expected: "one for each of the \(count) tokens", found: "\(types.count)") }
        var kinds: [TokenList.Kind] = []
        for i in 0..<count {
            let place = types.range.lowerBound + 4 * i
            let number = (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            guard let type = GGUFTokenType(rawValue: number) else { throw .mismatch(path: path, name: "\(key)[\(i)]", expected: "a number from 1 to 6", found: "\(number)") }
            kinds.append(type.kind)
        }
        return kinds
    }

    /// Where nothing says which tokens are special: those that a key gives a part.
    private func namedKinds(of count: Int) -> [TokenList.Kind] {
        var kinds = [TokenList.Kind](repeating: .plain, count: count)
        for part in ["bos", "eos", "unknown", "padding", "eot"] {
            if case .unsigned(let id)? = metadata["tokenizer.ggml.\(part)_token_id"], id < UInt64(count) { kinds[Int(id)] = .special }
        }
        return kinds
    }

    /// The strings of a row, whose lengths were checked when the file was read.
    private func texts(_ array: GGUFArray, in bytes: Span<UInt8>) -> ByteStrings {
        var result = ByteStrings(), text: [UInt8] = [], place = array.range.lowerBound
        for _ in 0..<array.count {
            let length = (0..<8).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            text.removeAll(keepingCapacity: true)
            for i in place + 8..<place + 8 + length { text.append(bytes[i]) }
            result.append(text)
            place += 8 + length
        }
        return result
    }
}

extension GGUFHeader {
    /// - Parameter rows: Those of the embedding: llama.cpp wants a token for each, so what is none gets a name that nothing uses.
    mutating func add(_ vocabulary: Vocabulary, _ form: ChatTemplate?, rows: Int) throws(TokenizeError) {
        let list = try TokenList(vocabulary)
        guard let pattern = Self.name(of: vocabulary) else {
            throw .notExpressible(format: "A GGUF file", reason: "llama.cpp does not cut words as it does (\(vocabulary.pattern))")
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
        addParts(of: vocabulary, form)
        add("tokenizer.ggml.add_bos_token", false)
        if let form { add("tokenizer.chat_template", form.template(for: vocabulary)) }
    }

    /// llama.cpp stops where an end stands: `eos` ends a conversation, `eot` a turn. GPT-2 knows one token for begin and end.
    private mutating func addParts(of vocabulary: Vocabulary, _ form: ChatTemplate?) {
        let lineEnd = vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual([10]) }.map { TokenID($0) }
        let turnEnd = switch form { case .markers?: vocabulary.special("<|user|>"); case .humanAssistant?: lineEnd; case nil: TokenID?.none }
        let end = vocabulary.special("<|eos|>") ?? vocabulary.special("<|endoftext|>") ?? (form == .humanAssistant ? lineEnd : nil)
        for (part, id) in [("bos", end), ("eos", end), ("eot", turnEnd), ("padding", vocabulary.special("<|pad|>"))] {
            if let id { add("tokenizer.ggml.\(part)_token_id", UInt32(id)) }
        }
    }

    /// What llama.cpp calls the way in which words are cut.
    private static func name(of vocabulary: Vocabulary) -> String? {
        switch vocabulary.pattern {
        case .gpt2: "gpt-2"
        case .llama3 where vocabulary.takesWholeWords: "llama-bpe"
        default: nil
        }
    }
}
