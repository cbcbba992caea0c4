import Checkpoint
import Files
import Kernels
import Model
import Tokenize

/// llama.cpp's architectures `bert`, which BERT and XLM-RoBERTa have there, and `nomic-bert`; and those of causal models whose vectors are
/// the states of the last token.
extension EncoderFile {
    static let ggufArchitectures = ["bert", nomic]
    private static let nomic = "nomic-bert"

    /// Whether a file is a GGUF file of an embedding model or a reranker.
    static func isGGUF(_ path: String) -> Bool {
        guard let file = try? MappedFile(path) else { return false }
        return file.read(as: UInt8.self) { bytes in
            guard let gguf = try? GGUFReader.read(bytes, path: path) else { return false }
            guard let name = try? gguf.text("general.architecture", in: bytes) else { return false }
            return ggufArchitectures.contains(name) || isCausal(gguf, name)
        }
    }

    /// Whether a file of a causal model says that a text's vector is the state of its last token.
    private static func isCausal(_ file: GGUFFile, _ architecture: String) -> Bool {
        GGUFArchitecture(rawValue: architecture) != nil && (try? file.integer("\(architecture).pooling_type", 0...4)) == lastToken
    }

    /// llama.cpp's number of the pooling.
    private static let lastToken = 3

    init(gguf path: String) throws {
        let mapped: MappedFile
        do { mapped = try MappedFile(path, staysOpen: true) } catch { throw GGUFError.file(error) }
        self = try mapped.read(as: UInt8.self) { bytes in
            let file = try GGUFReader.read(bytes, path: path), architecture = try file.text("general.architecture", in: bytes)
            return try Self.isCausal(file, architecture)
                ? EncoderFile(causalGGUF: path, architecture) : EncoderFile(file, bytes, in: mapped)
        }
    }

    private init(causalGGUF path: String, _ architecture: String) throws {
        var model = try Checkpoint(mappingGGUF: path)
        let vocabulary = try model.vocabulary()
        model.tokenizer = nil
        guard let tokenizer = try BPEEncoderTokenizer(vocabulary) else {
            throw ImportedFile(path).mismatch(Checkpoint.importedTokenizerField, "one that can encode any text", "one without all bytes")
        }
        let input = EmbeddingInput(tokenizer: tokenizer, context: model.configuration.context, queryPrefix: "", passagePrefix: "")
        self.init(path: path, architecture: architecture, .gpt(model), input: input)
        pooling.mode = .last
        pooling.isNormalized = true
        try check()
    }

    private init(_ file: GGUFFile, _ bytes: Span<UInt8>, in mapped: MappedFile) throws {
        let prefix = try file.text("general.architecture", in: bytes), isNomic = prefix == Self.nomic
        func integer(_ key: String, else other: Int? = nil, _ range: ClosedRange<Int>) throws(GGUFError) -> Int {
            if let other, file.metadata["\(prefix).\(key)"] == nil { return other }
            return try file.integer("\(prefix).\(key)", range)
        }
        func rows(_ name: String) -> Int { file.tensors[name]?.shape.first ?? 0 }
        let width = try integer("embedding_length", 1...1 << 16), heads = try integer("attention.head_count", 1...1 << 12)
        guard width % heads == 0 else { throw file.mismatch("\(prefix).attention.head_count", "a divisor of the \(width) channels") }
        let positions = isNomic ? try integer("context_length", else: 2_048, 1...1 << 20)
            : min(max(1, rows("position_embd.weight")), 1 << 20)
        var configuration = BERTConfiguration(
            vocabulary: min(max(1, rows("token_embd.weight")), 1 << 24), context: positions, width: width, heads: heads,
            layers: try integer("block_count", 1...1_024), hiddenWidth: try integer("feed_forward_length", 1...1 << 18))
        configuration.tokenTypes = min(rows("token_types.weight"), 1_024)
        configuration.normEpsilon = Float(try file.number("\(prefix).attention.layer_norm_epsilon", 1e-13...1))
        configuration.hasScore = file.tensors["cls.output.weight"]?.shape == [1, width] && file.tensors["cls.weight"] != nil
        if isNomic {
            let key = "\(prefix).rope.freq_base"
            guard width / heads % 2 == 0 else { throw file.mismatch("\(prefix).attention.head_count", "heads with an even width") }
            configuration.rotary = RotaryPositions(base: file.metadata[key] == nil ? 1_000 : try file.number(key, 1...1e12))
            configuration.hasBias = false
            configuration.isGated = true
            configuration.activation = .silu
        }
        let pooling = try integer("pooling_type", else: 1, 0...4)
        guard configuration.hasScore || pooling == 1 || pooling == 2 else {
            throw file.mismatch("\(prefix).pooling_type", "1 or 2: the mean of all tokens, or the first one")
        }
        let tensors = TensorFiles(file, in: mapped)
        let layout = try EncoderLayout(
            configuration, tensors, at: file.path, ImportedFile(file.path), names: { Self.names(of: $0, isNomic: isNomic) },
            isUnused: { configuration.hasScore ? false : $0.hasPrefix("cls.") })
        let tokenizer = try file.encoderTokenizer(in: bytes)
        let longest = min(try integer("context_length", else: positions, 1...1 << 20), positions)
        self.init(
            path: file.path, architecture: prefix, .bert(BERTFile(configuration: configuration, tensors: tensors, layout: layout)),
            input: EmbeddingInput(tokenizer: tokenizer, context: longest, queryPrefix: "", passagePrefix: ""))
        self.pooling.mode = pooling == 2 ? .cls : .mean
        // llama.cpp's programs scale vectors; a file does not say whether the model expects it.
        self.pooling.isNormalized = true
        try check()
    }

    /// llama.cpp's names of the tensors of a parameter.
    private static func names(of parameter: String, isNomic: Bool) -> [String] {
        let parts = parameter.split(separator: ".").map(String.init)
        let outer = [
            "tokens": "token_embd", "positions": "position_embd", "types": "token_types", "norm": "token_embd_norm", "pooler": "cls",
            "classifier": "cls.output",
        ]
        if parts.count == 2 { return ["\(outer[parts[0]] ?? parts[0]).\(parts[1])"] }
        let inner = [
            "qkv": isNomic ? ["attn_qkv"] : ["attn_q", "attn_k", "attn_v"], "output": ["attn_output"], "norm1": ["attn_output_norm"],
            "up": isNomic ? ["ffn_gate", "ffn_up"] : ["ffn_up"],
            "down": ["ffn_down"], "norm2": ["layer_output_norm"],
        ]
        let layer = "blk.\(parts[0].dropFirst("layer".count))."
        return (inner[parts[1]] ?? [parts[1]]).map { "\(layer)\($0).\(parts[2])" }
    }
}

extension GGUFFile {
    /// The tokenizer of an encoder: WordPiece (`bert`) or Unigram (`t5`).
    fileprivate func encoderTokenizer(in bytes: Span<UInt8>) throws -> any EncoderTokenizer {
        let key = "tokenizer.ggml.model", model = try text(key, in: bytes)
        let names = texts(try array("tokenizer.ggml.tokens", of: [.string]), in: bytes), kinds = try kinds(of: names.count, in: bytes)
        func token(_ roles: String...) throws(GGUFError) -> TokenID {
            let keys = roles.map { "tokenizer.ggml.\($0)_token_id" }
            return TokenID(try integer(keys.first { metadata[$0] != nil } ?? keys[0], 0...max(0, names.count - 1)))
        }
        var specials = TokensAroundText()
        specials.prefix = [try token("cls", "bos")]
        // The key's name has been misspelled since its beginning.
        specials.suffix = [try token("seperator", "separator", "eos")]
        switch model {
        case "bert":
            return WordPieceTokenizer(
                marked: names, areSpecial: kinds.map { $0 == .special || $0 == .unknown }, specials: specials,
                unknown: try token("unknown"))
        case "t5":
            specials.between = specials.suffix
            let special = Set(kinds.indices.filter { kinds[$0] != .plain && kinds[$0] != .added }.map { TokenID($0) })
            var table: [UInt8]?
            let map = "tokenizer.ggml.precompiled_charsmap"
            if metadata[map] != nil {
                let array = try array(map, of: [.u8, .i8])
                table = array.range.map { bytes[$0] }
            }
            let tokenizer = UnigramTokenizer(
                names, scores: try scores(of: names.count, in: bytes).map(Double.init), unknown: try token("unknown"),
                specialTokens: special, characterMap: table, specials: specials)
            guard let tokenizer else { throw mismatch(map, "a table of SentencePiece, and a number for each token") }
            return tokenizer
        default:
            throw GGUFError.mismatch(path: path, name: key, expected: "bert (WordPiece) or t5 (Unigram)", found: String(model.prefix(60)))
        }
    }
}
