import Checkpoint
import Files
import Kernels
import Model
import Tokenize

/// llama.cpp's architectures `bert`, which BERT and XLM-RoBERTa have there, `nomic-bert` and `modern-bert`; and those of causal models
/// whose vectors are the states of the last token.
extension EncoderFile {
    static let ggufArchitectures = GGUFEncoder.allCases.map(\.rawValue)

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
        let mapped = try ImportedFile(path).mapped(staysOpen: true)
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
        let prefix = try file.text("general.architecture", in: bytes)
        guard let family = GGUFEncoder(rawValue: prefix) else {
            throw file.mismatch("general.architecture", "one of \(Self.ggufArchitectures.joined(separator: ", "))")
        }
        func integer(_ key: String, else other: Int? = nil, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
            try file.integer("\(prefix).\(key)", else: other, range)
        }
        func rows(_ name: String) -> Int { file.tensors[name]?.shape.first ?? 0 }
        let width = try integer("embedding_length", 1...1 << 16), heads = try integer("attention.head_count", 1...1 << 12)
        guard width % heads == 0 else { throw file.mismatch("\(prefix).attention.head_count", "a divisor of the \(width) channels") }
        let positions = family == .bert ? min(max(1, rows("position_embd.weight")), 1 << 20)
            : try integer("context_length", else: 2_048, 1...1 << 20)
        var configuration = BERTConfiguration(
            vocabulary: min(max(1, rows("token_embd.weight")), 1 << 24), context: positions, width: width, heads: heads,
            layers: try integer("block_count", 1...1_024), hiddenWidth: try integer("feed_forward_length", 1...1 << 18))
        configuration.tokenTypes = min(rows("token_types.weight"), 1_024)
        configuration.normEpsilon = Float(try file.number("\(prefix).attention.layer_norm_epsilon", 1e-13...1))
        // A file does not say how the head of ModernBERT makes a score.
        if family != .modern, file.tensors["cls.output.weight"]?.shape == [1, width], file.tensors["cls.weight"] != nil {
            configuration.score = BERTConfiguration.Score()
        }
        try family.read(file, bytes, into: &configuration)
        let pooling = try integer("pooling_type", else: 1, 0...4)
        guard configuration.hasScore || pooling == 1 || pooling == 2 else {
            throw file.mismatch("\(prefix).pooling_type", "1 or 2: the mean of all tokens, or the first one")
        }
        let tensors = TensorFiles(file, in: mapped)
        let layout = try EncoderLayout(
            configuration, tensors, at: file.path, ImportedFile(file.path), names: { family.names(of: $0) },
            isUnused: { configuration.hasScore ? false : $0.hasPrefix("cls.") })
        let tokenizer = try file.encoderTokenizer(of: family, in: bytes)
        let longest = min(try integer("context_length", else: positions, 1...1 << 20), positions)
        self.init(
            path: file.path, architecture: prefix, .bert(BERTFile(configuration: configuration, tensors: tensors, layout: layout)),
            input: EmbeddingInput(tokenizer: tokenizer, context: longest, queryPrefix: "", passagePrefix: ""))
        self.pooling.mode = pooling == 2 ? .cls : .mean
        // llama.cpp's programs scale vectors; a file does not say whether the model expects it.
        self.pooling.isNormalized = true
        try check()
    }
}

/// llama.cpp's architectures of encoders: what their files call the layers of a ``BERT``, and what they add or leave out.
private enum GGUFEncoder: String, CaseIterable {
    case bert, nomic = "nomic-bert", modern = "modern-bert"

    /// Reads what differs from BERT.
    func read(_ file: GGUFFile, _ bytes: Span<UInt8>, into c: inout BERTConfiguration) throws(CheckpointError) {
        guard self != .bert else { return }
        func base(_ key: String, else other: Double?) throws(CheckpointError) -> Double {
            try file.number("\(rawValue).\(key)", else: other, 1...1e12)
        }
        guard c.width / c.heads % 2 == 0 else { throw file.mismatch("\(rawValue).attention.head_count", "heads with an even width") }
        c.hasAttentionBias = false
        c.hasMLPBias = false
        c.isGated = true
        c.rotary = RotaryPositions(base: try base("rope.freq_base", else: self == .nomic ? 1_000 : nil))
        c.activation = .silu
        if self == .nomic { return }
        c.hasNormBias = false
        c.isPreNorm = true
        let key = "\(rawValue).hidden_activation", name = try file.text(key, else: "gelu", in: bytes)
        guard let activation = HuggingFaceActivation.all.first(where: { $0.name == name }) else {
            throw file.mismatch(key, "gelu or silu", String(name.prefix(60)))
        }
        c.activation = activation.function
        let local = try localLayers(file, bytes, count: c.layers)
        if local.isEmpty { return }
        c.local = BERTConfiguration.LocalAttention(
            layers: local, reach: try file.integer("\(rawValue).attention.sliding_window", 1...1 << 21) / 2,
            rotary: RotaryPositions(base: try base("rope.freq_base_swa", else: 10_000)))
    }

    /// All layers but every third, unless the file says otherwise.
    private func localLayers(_ file: GGUFFile, _ bytes: Span<UInt8>, count: Int) throws(CheckpointError) -> [Int] {
        guard try file.integer("\(rawValue).attention.sliding_window", else: 0, 0...1 << 21) > 0 else { return [] }
        let isSliding = try file.isSliding(rawValue, layers: count, period: 3, full: { _ in 0 }, in: bytes)
        return isSliding.indices.filter { isSliding[$0] }
    }

    /// llama.cpp's names of the tensors of a parameter.
    func names(of parameter: String) -> [String] {
        let parts = parameter.split(separator: ".").map(String.init)
        let outer = [
            "tokens": "token_embd", "positions": "position_embd", "types": "token_types", "norm": "token_embd_norm",
            "finalNorm": "output_norm", "pooler": "cls", "classifier": "cls.output",
        ]
        if parts.count == 2 { return ["\(outer[parts[0]] ?? parts[0]).\(parts[1])"] }
        let inner = [
            "attentionNorm": ["attn_norm"], "qkv": self == .bert ? ["attn_q", "attn_k", "attn_v"] : ["attn_qkv"],
            "output": ["attn_output"], "norm1": ["attn_output_norm"], "mlpNorm": ["ffn_norm"],
            "up": self == .nomic ? ["ffn_gate", "ffn_up"] : ["ffn_up"], "down": ["ffn_down"], "norm2": ["layer_output_norm"],
        ]
        let layer = "blk.\(parts[0].dropFirst("layer".count))."
        return (inner[parts[1]] ?? [parts[1]]).map { "\(layer)\($0).\(parts[2])" }
    }
}

extension GGUFFile {
    /// The tokenizer of an encoder: WordPiece (`bert`) or Unigram (`t5`), or ModernBERT's byte-level BPE (`gpt2`).
    fileprivate func encoderTokenizer(of family: GGUFEncoder, in bytes: Span<UInt8>) throws -> any EncoderTokenizer {
        let key = "tokenizer.ggml.model", model = try text(key, in: bytes)
        let names = texts(try array("tokenizer.ggml.tokens", of: [.string]), in: bytes), kinds = try kinds(of: names.count, in: bytes)
        func token(_ roles: String...) throws(CheckpointError) -> TokenID {
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
        case "gpt2" where family == .modern:
            let tokenizer = try vocabulary(rows: nil, in: bytes).flatMap { vocabulary in try BPEEncoderTokenizer(vocabulary, specials) }
            guard let tokenizer else { throw mismatch("tokenizer.ggml.tokens", "a token for each byte") }
            return tokenizer
        default:
            let expected = family == .modern ? "gpt2 (byte-level BPE)" : "bert (WordPiece) or t5 (Unigram)"
            throw mismatch(key, expected, String(model.prefix(60)))
        }
    }
}
