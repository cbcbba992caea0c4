import Checkpoint
import Files
package import Tokenize

extension Vocabulary {
    /// Reads a tokenizer of any format: that of a GGUF file, or one of those of ``init(reading:pattern:specialTokens:)``.
    ///
    ///     let qwen = try Vocabulary(ofFile: "qwen2.5-0.5b.Q8_0.gguf")
    ///
    /// - Parameter pattern: overrides the pattern that the file contains or implies; a GGUF file keeps its own.
    package init(ofFile path: String, pattern: PreTokenizationPattern? = nil) throws {
        let kind = (try? MappedFile(path))?.read(as: UInt8.self) { FileKind(of: $0) }
        self = try kind == .gguf ? Vocabulary(gguf: path) : Vocabulary(reading: path, pattern: pattern)
    }

    private init(gguf path: String) throws(CheckpointError) {
        let vocabulary = try ImportedFile(path).mapped().read(as: UInt8.self) { bytes throws(CheckpointError) in
            try GGUFReader.read(bytes, path: path).vocabulary(rows: nil, in: bytes)
        }
        guard let vocabulary else { throw ImportedFile(path).mismatch("tokenizer.ggml.model", "a tokenizer", "none") }
        self = vocabulary
    }
}

extension GGUFFile {
    /// The roles of tokens that end a text, a turn or a message, in the names of keys.
    static let endRoles = ["eos", "eot", "eom"]

    /// Reads the vocabulary; nil if the file has none.
    ///
    /// - Parameter rows: the rows of the embedding, if the file has weights.
    func vocabulary(rows: Int?, in bytes: Span<UInt8>) throws(CheckpointError) -> Vocabulary? {
        guard metadata["tokenizer.ggml.model"] != nil else { return nil }
        let name = try text("tokenizer.ggml.model", in: bytes)
        if name == "none" || name == "no_vocab" { return nil }
        guard let model = GGUFTokenizerModel(rawValue: name) else {
            let expected = "gpt2 (byte-level BPE), llama or gemma4 (SentencePiece BPE)"
            throw mismatch("tokenizer.ggml.model", expected, name)
        }
        let tokens = try array("tokenizer.ggml.tokens", of: [.string])
        if let rows, tokens.count > rows {
            let expected = "at most \(rows) tokens, the rows of token_embd.weight"
            throw mismatch("tokenizer.ggml.tokens", expected, "\(tokens.count)")
        }
        var list = TokenList()
        list.names = texts(tokens, in: bytes)
        list.kinds = try kinds(of: tokens.count, in: bytes)
        if model == .llama {
            list.scores = try scores(of: tokens.count, in: bytes)
        } else {
            list.merges = texts(try array("tokenizer.ggml.merges", of: [.string]), in: bytes)
        }
        var vocabulary: Vocabulary
        do { vocabulary = try list.vocabulary(path: path, marksSpaces: model != .gpt2) } catch { throw .tokenizer(error) }
        let pattern = model == .gpt2 ? try self.pattern(in: bytes) : GGUFPattern(.none, addsBeginning: true)
        if model == .gpt2 {
            vocabulary.pattern = pattern.pattern
            vocabulary.ignoresMerges = pattern.ignoresMerges
            let isNeoX = try text("general.architecture", else: "", in: bytes) == "gptneox"
            if pattern.hasNFC || isNeoX { vocabulary.normalization = .nfc }
        } else if try boolean("tokenizer.ggml.add_space_prefix", else: model == .llama) {
            vocabulary.prefixSpace = .evenBeforeSpace
        }
        if try boolean("tokenizer.ggml.add_bos_token", else: pattern.addsBeginning) {
            vocabulary.textPrefix = tokenID("bos", of: vocabulary)
        }
        if try boolean("tokenizer.ggml.add_eos_token", else: false) { vocabulary.textSuffix = tokenID("eos", of: vocabulary) }
        return vocabulary
    }

    /// The token that a key names, if it is a token.
    private func tokenID(_ role: String, of vocabulary: Vocabulary) -> [TokenID] {
        guard case .unsigned(let id)? = metadata["tokenizer.ggml.\(role)_token_id"], id < UInt64(vocabulary.count),
            !vocabulary.tokens.range(of: Int(id)).isEmpty
        else { return [] }
        return [TokenID(id)]
    }

    func scores(of count: Int, in bytes: Span<UInt8>) throws(CheckpointError) -> [Float] {
        let key = "tokenizer.ggml.scores"
        let scores = try array(key, of: [.f32])
        guard scores.count == count else {
            throw mismatch(key, "one for each of the \(count) tokens", "\(scores.count)")
        }
        return (0..<count).map { i in
            let offset = scores.range.lowerBound + 4 * i
            return Float(bitPattern: UInt32(littleEndian: bytes.extracting(offset..<offset + 4)))
        }
    }

    private func pattern(in bytes: Span<UInt8>) throws(CheckpointError) -> GGUFPattern {
        // Old files, such as those of GPT-2 and GPT-NeoX, lack the key.
        guard metadata["tokenizer.ggml.pre"] != nil else { return GGUFPattern(.gpt2) }
        let name = try text("tokenizer.ggml.pre", in: bytes)
        guard let pattern = GGUFPattern.named[name] else {
            let expected = "one of " + GGUFPattern.named.keys.sorted().joined(separator: ", ")
            throw mismatch("tokenizer.ggml.pre", expected, name)
        }
        return pattern
    }

    func kinds(of count: Int, in bytes: Span<UInt8>) throws(CheckpointError) -> [TokenList.Kind] {
        let key = "tokenizer.ggml.token_type"
        guard metadata[key] != nil else { return kindsFromSpecialTokenKeys(of: count) }
        let types = try array(key, of: [.i32, .u32])
        guard types.count == count else {
            throw mismatch(key, "one for each of the \(count) tokens", "\(types.count)")
        }
        var kinds: [TokenList.Kind] = []
        for i in 0..<count {
            let offset = types.range.lowerBound + 4 * i
            let number = Int(littleEndian: bytes.extracting(offset..<offset + 4))
            guard let kind = TokenList.Kind(rawValue: number) else {
                throw mismatch("\(key)[\(i)]", "a number from 1 to 6", "\(number)")
            }
            kinds.append(kind)
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
    func texts(_ array: GGUFArray, in bytes: Span<UInt8>) -> ByteStrings {
        var result = ByteStrings(), text: [UInt8] = [], offset = array.range.lowerBound
        for _ in 0..<array.count {
            let length = Int(littleEndian: bytes.extracting(offset..<offset + 8))
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
    mutating func add(
        _ vocabulary: Vocabulary, _ chatTemplate: ChatTemplate?, endTokens: [TokenID], rows: Int
    ) throws(TokenizeError) {
        let list = try TokenList(vocabulary)
        let scores = vocabulary.unit == .bytes ? [] : list.scores(of: vocabulary)
        if vocabulary.unit == .bytes {
            guard let pattern = GGUFPattern.name(of: vocabulary) else {
                throw .notExpressible(format: "A GGUF file", reason: "llama.cpp does not have its pretokenizer (\(vocabulary.pattern))")
            }
            add("tokenizer.ggml.model", GGUFTokenizerModel.gpt2.rawValue)
            add("tokenizer.ggml.pre", pattern)
        } else if scores != nil {
            add("tokenizer.ggml.model", GGUFTokenizerModel.llama.rawValue)
            add("tokenizer.ggml.pre", "default")
            add("tokenizer.ggml.add_space_prefix", vocabulary.prefixSpace != .never)
        } else {
            // Its merges are not those that scores give: llama.cpp has merges for SentencePiece only as Gemma 4's, without a prefix space.
            guard vocabulary.prefixSpace == .never else {
                throw .notExpressible(format: "A GGUF file", reason: "no scores give the merges of its SentencePiece tokens")
            }
            add("tokenizer.ggml.model", GGUFTokenizerModel.gemma4.rawValue)
            add("tokenizer.ggml.add_space_prefix", false)
        }
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
            types.append(Int32(kind.rawValue))
        }
        add("tokenizer.ggml.tokens", names)
        add("tokenizer.ggml.token_type", types)
        if let scores, !scores.isEmpty {
            add("tokenizer.ggml.scores", scores + repeatElement(0, count: max(0, rows - scores.count)))
        } else {
            add("tokenizer.ggml.merges", list.merges.indices.map { Array(list.merges[$0]) })
        }
        addSpecialTokens(of: vocabulary, chatTemplate, endTokens)
        add("tokenizer.ggml.add_bos_token", !vocabulary.textPrefix.isEmpty)
        if !vocabulary.textSuffix.isEmpty { add("tokenizer.ggml.add_eos_token", true) }
        if let chatTemplate { add("tokenizer.chat_template", chatTemplate.jinja(for: vocabulary)) }
    }

    /// llama.cpp stops at `eos`, the end of a conversation, at `eot`, the end of a turn, and at `eom`, the end of a message. GPT-2 has one
    /// token for begin and end.
    private mutating func addSpecialTokens(of vocabulary: Vocabulary, _ chatTemplate: ChatTemplate?, _ endTokens: [TokenID]) {
        let lineBreak = chatTemplate == .humanAssistant ? (try? Tokenizer(vocabulary))?.lineBreakToken : nil
        let turnEnd = switch chatTemplate {
        case .specialTokens?: vocabulary.specialTokenID("<|user|>")
        case .humanAssistant?: lineBreak
        case .jinja?: (try? chatTemplate.map { try ChatRenderer($0, for: Tokenizer(vocabulary)) })??.stopTokens.first
        case nil: TokenID?.none
        }
        let end = vocabulary.endOfTextToken ?? lineBreak
        let beginning = vocabulary.textPrefix.first ?? vocabulary.beginOfTextToken ?? end
        func named(_ name: String) -> TokenID? { chatTemplate?.tokenID(name, in: vocabulary) }
        let eos = named("eos_token") ?? endTokens.first ?? vocabulary.textSuffix.first ?? end
        let eot = turnEnd ?? vocabulary.endOfTurnToken ?? endTokens.first { $0 != eos }
        let roles = [
            ("bos", named("bos_token") ?? beginning), ("eos", eos), ("eot", eot), ("eom", endTokens.first { $0 != eos && $0 != eot }),
            ("unknown", vocabulary.unknownToken), ("padding", named("pad_token") ?? vocabulary.paddingToken),
        ]
        for (role, id) in roles { if let id { add("tokenizer.ggml.\(role)_token_id", UInt32(id)) } }
    }
}
