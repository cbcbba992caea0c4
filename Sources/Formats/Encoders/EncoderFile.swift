package import Checkpoint
import Files
import Hashing
import JSON
import Model
import Tokenize

/// An embedding model or a reranker: a folder of Hugging Face or sentence-transformers (config.json, model.safetensors, a tokenizer), or a
/// GGUF file; and how a text's vector is made of those of its tokens.
///
///     let file = try EncoderFile("all-MiniLM-L6-v2", for: .embedding)
///     let model = file.bert?.model(on: processor)
///
/// Matrices stay in the mapped files, in the formats that they have there.
package struct EncoderFile {
    /// How the vector of a text is made.
    package struct Pooling: Sendable, Equatable {
        package enum Mode: String, Sendable {
            case mean, cls
            /// That of a causal model, in which only the last token sees all of the text.
            case last = "lasttoken"
        }

        /// Without the files of sentence-transformers, its own defaults.
        package var mode = Mode.mean
        /// Whether vectors are scaled to the length 1.
        package var isNormalized = false

        package init() {}
    }

    /// What a model makes of a text.
    package enum Purpose: String, Sendable {
        /// A vector.
        case embedding = "an embedding model"
        /// A score of a question and a passage.
        case reranking = "a reranker: a model for sequence classification with one label"
    }

    /// What computes the hidden states of a text's tokens.
    package enum Network {
        case bert(BERTFile)
        /// A causal model, such as Qwen3-Embedding, without a tokenizer: ``input`` has it.
        case gpt(Checkpoint)
    }

    package let path: String
    /// What config.json or the GGUF file calls the family.
    package let architecture: String
    package let network: Network
    package var pooling = Pooling()
    /// What a reranker makes of its model's output.
    package var scoreFunction = ScoreFunction.sigmoid
    package let input: EmbeddingInput

    /// Whether a path is that of an embedding model or a reranker.
    package static func isEncoder(_ path: String) -> Bool {
        if StaticModel.tableFolder(of: path) != nil { return true }
        guard Folder.contains(HuggingFace.configuration, in: path) else { return isGGUF(path) }
        guard let root = try? HuggingFace.json(HuggingFace.configuration, in: path) else { return false }
        return EncoderFamily(of: root) != nil || isCausal(root, in: path)
    }

    /// Whether a folder of sentence-transformers has a causal model.
    private static func isCausal(_ root: JSONElement, in folder: String) -> Bool {
        root["model_type"]?.string.flatMap { HuggingFaceFamily(rawValue: $0) } != nil
            && Folder.contains(SentenceTransformersSettings.modulesFile, in: folder)
    }

    /// - Parameter purpose: Throws if the model has another one.
    package init(_ path: String, for purpose: Purpose? = nil) throws {
        if let table = StaticModel.tableFolder(of: path) {
            self = try StaticModel.read(path, table: table)
        } else {
            self = try Self.isGGUF(path) ? EncoderFile(gguf: path) : EncoderFile(folder: path)
        }
        if let purpose, purpose != self.purpose {
            throw ImportedFile(path).mismatch("the model", purpose.rawValue, self.purpose.rawValue)
        }
    }

    init(path: String, architecture: String, _ network: Network, input: EmbeddingInput) {
        self.path = path
        self.architecture = architecture
        self.network = network
        self.input = input
    }

    private init(folder path: String) throws(CheckpointError) {
        let file = ImportedFile("\(path)/\(HuggingFace.configuration)"), root = try file.json()
        if Self.isCausal(root, in: path) { try self.init(causalFolder: path, root) } else { try self.init(bertFolder: path, root, file) }
        try check()
    }

    /// Reads the tokenizer and the settings of sentence-transformers.
    ///
    /// - Parameter tokenizerFolder: nil for `folder`.
    static func input(
        of folder: String, tokenizerIn tokenizerFolder: String? = nil, context: Int
    ) throws(CheckpointError) -> (EmbeddingInput, SentenceTransformersSettings) {
        let tokenizer: any EncoderTokenizer, tokenizerFolder = tokenizerFolder ?? folder
        do throws(TokenizeError) { tokenizer = try readEncoderTokenizer(of: tokenizerFolder) } catch {
            throw ImportedFile(tokenizerFolder).mismatch(Checkpoint.importedTokenizerField, "one that slm can read", "\(error)")
        }
        let settings = try SentenceTransformersSettings(folder)
        let input = EmbeddingInput(
            tokenizer: tokenizer, context: min(settings.maxTokens ?? context, context), queryPrefix: settings.queryPrefix,
            passagePrefix: settings.passagePrefix)
        return (input, settings)
    }

    private init(causalFolder path: String, _ root: JSONElement) throws(CheckpointError) {
        let model = try HuggingFace.map(path, hasTokenizer: false, needsHead: false)
        let (input, settings) = try Self.input(of: path, context: model.configuration.context)
        self.init(path: path, architecture: root["model_type"]?.string ?? "", .gpt(model), input: input)
        pooling = settings.pooling
    }

    private init(bertFolder path: String, _ root: JSONElement, _ file: ImportedFile) throws(CheckpointError) {
        let fields = HuggingFaceFields(root: root, file: file), family = try EncoderFamily(fields)
        let tensors = try HuggingFace.tensors(in: path)
        var configuration = try family.configuration(fields)
        let scoreWeight = family.scoreLayer.map { "\($0).weight" } ?? ""
        if tensors.entries[scoreWeight]?.shape == [1, configuration.width] { configuration.score = try family.score(fields) }
        let scoreFunction = try ScoreFunction(root, file)
        // Models with a head for a task have the encoder as a part.
        let prefix = tensors.entries[family.names(of: "tokens.weight", family.prefix)[0]] == nil ? "" : family.prefix
        let layout = try EncoderLayout(
            configuration, tensors, at: path, file, names: { family.names(of: $0, prefix) }, isUnused: { family.isUnused($0, prefix) })
        let (input, settings) = try Self.input(of: path, context: configuration.context)
        let network = Network.bert(BERTFile(configuration: configuration, tensors: tensors, layout: layout))
        self.init(path: path, architecture: family.rawValue, network, input: input)
        self.scoreFunction = scoreFunction
        pooling = settings.pooling
    }

    /// Throws if the tokenizer does not belong to the model, or leaves no room for a text, or if the model has no such pooling.
    func check() throws(CheckpointError) {
        let file = ImportedFile(path), tokenizer = input.tokenizer, specials = tokenizer.specials
        guard tokenizer.count <= sizes.vocabulary else {
            let expected = "at most \(sizes.vocabulary) tokens, the model's vocabulary size"
            throw file.mismatch(Checkpoint.importedTokenizerField, expected, "\(tokenizer.count)")
        }
        let hasScore = purpose == .reranking, ofPair = hasScore ? specials.between.count + specials.suffix.count : 0
        guard !input.hasSpecials || input.context > specials.prefix.count + specials.suffix.count + ofPair else {
            throw file.mismatch("the context", "room for a text between the special tokens", "\(input.context)")
        }
        if hasScore, specials.suffix.count != 1 {
            throw file.mismatch(Checkpoint.importedTokenizerField, "one token after each text", "\(specials.suffix.count)")
        }
        guard (pooling.mode == .last) == (bert == nil) else {
            let expected = bert == nil ? "the last token (pooling_mode_lasttoken), since the model is a causal one"
                : "the mean of all tokens (pooling_mode_mean_tokens), or the first one (pooling_mode_cls_token)"
            throw file.mismatch("pooling_mode", expected, pooling.mode.rawValue)
        }
        if bert == nil, specials.suffix.isEmpty {
            throw file.mismatch(Checkpoint.importedTokenizerField, "a token after each text, whose state is the vector", "none")
        }
    }

    /// nil for a causal model.
    package var bert: BERTFile? { if case .bert(let bert) = network { bert } else { nil } }

    /// nil for a BERT.
    package var checkpoint: Checkpoint? { if case .gpt(let checkpoint) = network { checkpoint } else { nil } }

    package var purpose: Purpose { bert?.configuration.hasScore == true ? .reranking : .embedding }

    package var byteCount: Int {
        switch network {
        case .bert(let bert): bert.tensors.byteCount
        case .gpt(let model): model.byteCount
        }
    }

    package var sizes: (layers: Int, heads: Int, width: Int, vocabulary: Int) {
        switch network {
        case .bert(let bert):
            let c = bert.configuration
            return (c.layers, c.heads, c.width, c.vocabulary)
        case .gpt(let model):
            let c = model.configuration
            return (c.layers, c.heads, c.width, c.vocabulary)
        }
    }

    /// A hash of all that a text's vector depends on.
    package var digest: String {
        let digest = Digest()
        let configuration: String
        switch network {
        case .bert(let bert):
            bert.add(to: digest)
            configuration = "\(bert.configuration)"
        case .gpt(let model):
            digest.add(model.weightsDigest)
            configuration = "\(model.configuration)"
        }
        let prefixes = [input.queryPrefix, input.passagePrefix].map(\.debugDescription)
        digest.add("\(configuration) \(pooling) \(input.context) \(prefixes)")
        digest.add(input.tokenizer.fingerprint.span)
        return digest.text
    }
}
