import Files
import JSON

/// The tokenizer of an embedding model or a reranker. Text never becomes a special token.
///
///     let tokenizer = try readEncoderTokenizer(of: "all-MiniLM-L6-v2")
///     tokenizer.ids(of: text, limit: 256)                      // [CLS] … [SEP], no more than the model reads
package protocol EncoderTokenizer: Sendable {
    /// WordPiece, Unigram or byte-level BPE.
    var kind: String { get }
    var count: Int { get }
    var specials: TokensAroundText { get }
    /// Bytes that differ for tokenizers with other tokens.
    var fingerprint: [UInt8] { get }
    /// The tokens of a text without those around it: the first ones, at least `limit` if there are as many.
    func tokens(of text: String, limit: Int) -> [TokenID]
}

/// The special tokens of a text, and of a pair of texts.
package struct TokensAroundText: Sendable, Equatable {
    /// Before and after each text.
    package var prefix: [TokenID] = [], suffix: [TokenID] = []
    /// Between the end of the first text of a pair and the second text: RoBERTa's second `</s>`.
    package var between: [TokenID] = []

    package init(prefix: [TokenID] = [], suffix: [TokenID] = []) {
        self.prefix = prefix
        self.suffix = suffix
    }
}

extension EncoderTokenizer {
    /// The tokens of a text without those around it.
    package func textIDs(of text: String, limit: Int = .max) -> [TokenID] {
        let ids = tokens(of: text, limit: limit)
        return ids.count > limit ? Array(ids.prefix(limit)) : ids
    }

    /// The tokens of a text, with those around it.
    ///
    /// - Parameter limit: The most tokens: the end of a longer text is left out.
    package func ids(of text: String, limit: Int = .max) -> [TokenID] {
        let most = max(0, limit - specials.prefix.count - specials.suffix.count)
        return Array((specials.prefix + textIDs(of: text, limit: most) + specials.suffix).prefix(limit))
    }

    /// The tokens of two texts: the first with those around it, then the second and what ends it.
    ///
    /// - Parameter limit: The most tokens: the end of the longer text is left out, or those of both (`longest_first` of Hugging Face).
    package func ids(of first: String, with second: String, limit: Int = .max) -> [TokenID] {
        let most = max(0, limit - specials.prefix.count - 2 * specials.suffix.count - specials.between.count)
        let (a, b) = (textIDs(of: first, limit: most), textIDs(of: second, limit: most))
        var short = min(a.count, b.count), long = max(a.count, b.count)
        if short + long > most {
            long = max(short, most - short)
            if short + long > most { (short, long) = (most / 2, most - most / 2) }
        }
        let (firstCount, secondCount) = a.count > b.count ? (long, short) : (short, long)
        return specials.prefix + a.prefix(firstCount) + specials.suffix + specials.between + b.prefix(secondCount) + specials.suffix
    }
}

/// Reads the tokenizer of a Hugging Face folder: tokenizer.json, else vocab.txt with the settings of tokenizer_config.json.
package func readEncoderTokenizer(of folder: String) throws(TokenizeError) -> any EncoderTokenizer {
    let path = "\(folder)/tokenizer.json", vocabulary = "\(folder)/\(WordPieceTokenizer.vocabularyFile)"
    guard FileStatus(path) != nil else {
        guard FileStatus(vocabulary) != nil else {
            throw .unreadable(path: folder, reason: "it has neither tokenizer.json nor \(WordPieceTokenizer.vocabularyFile)")
        }
        let settings = "\(folder)/\(WordPieceTokenizer.settingsFile)", hasSettings = FileStatus(settings) != nil
        return try WordPieceTokenizer(
            vocabulary: contents(of: vocabulary), path: vocabulary, settings: hasSettings ? contents(of: settings) : nil,
            settingsPath: settings)
    }
    return try readEncoderTokenizer(tokenizerJSON: contents(of: path), path: path)
}

/// Reads a tokenizer.json.
package func readEncoderTokenizer(tokenizerJSON bytes: [UInt8], path: String) throws(TokenizeError) -> any EncoderTokenizer {
    let root = try JSONFile.root(bytes, path), file = JSONFile(path, size: bytes.count)
    let model = try file.object(root, "model", at: "")
    switch try file.string(model, "type", default: "WordPiece", at: "model") {
    case "WordPiece": return try WordPieceTokenizer(model, root, file)
    case "Unigram": return try UnigramTokenizer(model, root, file)
    case "BPE":
        let vocabulary = try TokenizerJSON.read(root, file)
        guard let tokenizer = try BPEEncoderTokenizer(vocabulary, try TokensAroundText(root, file, vocabulary.tokens)) else {
            throw file.unsupported("its BPE lacks bytes", "Embedding models need a tokenizer that can encode any text.")
        }
        return tokenizer
    case let type: throw file.unsupported("its model is \(excerpt(type.utf8))", "Embedding models need WordPiece, Unigram or BPE.")
    }
}

extension TokensAroundText {
    /// Reads a `post_processor`.
    ///
    /// - Parameter tokens: The vocabulary.
    init(_ root: JSONElement, _ file: JSONFile, _ tokens: ByteStrings) throws(TokenizeError) {
        self.init()
        for step in try file.steps(root, "post_processor", list: "processors") {
            func id(_ key: String) throws(TokenizeError) -> TokenID {
                let pair = Array(try file.array(step.element, key, at: step.location))
                guard pair.count == 2, let id = pair[1].integer, tokens.indices.contains(id) else {
                    throw file.malformed("\(step.location).\(key)", "a token and its ID", "\(pair.count) elements")
                }
                return TokenID(id)
            }
            switch step.type {
            case "TemplateProcessing": self = try PostProcessorJSON.template(step.element, step.location, file, tokens)
            case "BertProcessing", "RobertaProcessing":
                prefix = [try id("cls")]
                suffix = [try id("sep")]
                if step.type == "RobertaProcessing" { between = suffix }
            // Concerns only offsets.
            case "ByteLevel" where step.location != "post_processor": break
            default:
                throw file.unsupported(
                    "its post_processor is \(excerpt(step.type.utf8))",
                    "Supported are TemplateProcessing, BertProcessing and RobertaProcessing.")
            }
        }
    }
}

/// The tokenizer of RoBERTa and of causal models: byte-level BPE, as GPT-2 has it, or that of SentencePiece with tokens of bytes.
package struct BPEEncoderTokenizer: EncoderTokenizer {
    package let specials: TokensAroundText
    private let tokenizer: Tokenizer

    /// nil if the vocabulary cannot encode any text.
    ///
    /// - Parameter specials: The tokens around a text; by default those of the vocabulary.
    package init?(_ vocabulary: Vocabulary, _ specials: TokensAroundText? = nil) throws(TokenizeError) {
        guard vocabulary.unit == .bytes ? vocabulary.hasAllBytes : vocabulary.byteTokens.count == 256 && !vocabulary.byteTokens.contains(-1)
        else { return nil }
        self.specials = specials ?? TokensAroundText(prefix: vocabulary.textPrefix, suffix: vocabulary.textSuffix)
        var vocabulary = vocabulary
        vocabulary.textPrefix = []
        vocabulary.textSuffix = []
        tokenizer = try Tokenizer(vocabulary)
    }

    package var kind: String { tokenizer.vocabulary.unit == .bytes ? "byte-level BPE" : "SentencePiece BPE" }
    package var count: Int { tokenizer.vocabulary.tokens.count }
    package var fingerprint: [UInt8] { tokenizer.vocabulary.tokens.bytes }

    // A vocabulary of all bytes can encode any text.
    package func tokens(of text: String, limit: Int) -> [TokenID] { (try? tokenizer.ids(of: text)) ?? [] }
}
