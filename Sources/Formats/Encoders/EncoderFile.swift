package import Autograd
import Checkpoint
import Files
import Hashing
import JSON
package import Kernels
package import Model
import Tokenize

/// An embedding model or a reranker: a folder of Hugging Face or sentence-transformers (config.json, model.safetensors, a tokenizer), or a
/// GGUF file; and how a text's vector is made of those of its tokens.
///
///     let file = try EncoderFile("all-MiniLM-L6-v2", for: .embedding)
///     let (model, parameters) = file.model(on: processor)
///
/// Matrices stay in the mapped files, in the formats that they have there.
package struct EncoderFile {
    /// How the vector of a text is made.
    package struct Pooling: Sendable, Equatable {
        package enum Mode: String, Sendable { case mean, cls }

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

    package let path: String
    /// What config.json or the GGUF file calls the family.
    package let architecture: String
    package let configuration: BERTConfiguration
    package var pooling = Pooling()
    /// What a reranker makes of its model's output.
    package var scoreFunction = ScoreFunction.sigmoid
    package let input: EmbeddingInput
    package var byteCount: Int { tensors.byteCount }
    private let tensors: TensorFiles
    private let layout: EncoderLayout

    /// Whether a path is that of an encoder: a model that is no GPT.
    package static func isEncoder(_ path: String) -> Bool {
        guard Folder.contains(HuggingFace.configuration, in: path) else { return isGGUF(path) }
        guard let root = try? HuggingFace.json(HuggingFace.configuration, in: path) else { return false }
        return EncoderFamily(of: root) != nil
    }

    /// - Parameter purpose: Throws if the model has another one.
    package init(_ path: String, for purpose: Purpose? = nil) throws {
        self = try Self.isGGUF(path) ? EncoderFile(gguf: path) : EncoderFile(folder: path)
        if let purpose, purpose != self.purpose {
            throw ImportedFile(path).mismatch("the model", purpose.rawValue, self.purpose.rawValue)
        }
    }

    init(
        path: String, architecture: String, _ configuration: BERTConfiguration, _ tensors: TensorFiles, _ layout: EncoderLayout,
        input: EmbeddingInput
    ) {
        self.path = path
        self.architecture = architecture
        self.configuration = configuration
        self.tensors = tensors
        self.layout = layout
        self.input = input
    }

    private init(folder path: String) throws(CheckpointError) {
        let file = ImportedFile("\(path)/\(HuggingFace.configuration)"), root = try file.json()
        let fields = HuggingFaceFields(root: root, file: file), family = try EncoderFamily(fields)
        let tensors = try HuggingFace.tensors(in: path)
        var configuration = try family.configuration(fields)
        let scoreWeight = family.scoreLayer.map { "\($0).weight" } ?? ""
        configuration.hasScore = tensors.entries[scoreWeight]?.shape == [1, configuration.width]
        let scoreFunction = try ScoreFunction(root, file)
        // Models with a head for a task have the encoder as a part.
        let prefix = tensors.entries[family.prefix + "embeddings.word_embeddings.weight"] == nil ? "" : family.prefix
        let layout = try EncoderLayout(
            configuration, tensors, at: path, file, names: { family.names(of: $0, prefix) }, isUnused: { family.isUnused($0, prefix) })
        let tokenizer: any EncoderTokenizer
        do throws(TokenizeError) { tokenizer = try readEncoderTokenizer(of: path) } catch {
            throw ImportedFile(path).mismatch(Checkpoint.importedTokenizerField, "one that slm can read", "\(error)")
        }
        let settings = try SentenceTransformersSettings(path)
        let input = EmbeddingInput(
            tokenizer: tokenizer, context: min(settings.maxTokens ?? configuration.context, configuration.context),
            queryPrefix: settings.queryPrefix, passagePrefix: settings.passagePrefix)
        self.init(path: path, architecture: family.rawValue, configuration, tensors, layout, input: input)
        self.scoreFunction = scoreFunction
        pooling = settings.pooling
        try check()
    }

    /// Throws if the tokenizer does not belong to the model, or leaves no room for a text.
    func check() throws(CheckpointError) {
        let file = ImportedFile(path), tokenizer = input.tokenizer, specials = tokenizer.specials
        guard tokenizer.count <= configuration.vocabulary else {
            let expected = "at most \(configuration.vocabulary) tokens, the model's vocabulary size"
            throw file.mismatch(Checkpoint.importedTokenizerField, expected, "\(tokenizer.count)")
        }
        let ofPair = configuration.hasScore ? specials.between.count + specials.suffix.count : 0
        guard input.context > specials.prefix.count + specials.suffix.count + ofPair else {
            throw file.mismatch("the context", "room for a text between the special tokens", "\(input.context)")
        }
        if configuration.hasScore, specials.suffix.count != 1 {
            throw file.mismatch(Checkpoint.importedTokenizerField, "one token after each text", "\(specials.suffix.count)")
        }
    }

    package var purpose: Purpose { configuration.hasScore ? .reranking : .embedding }

    /// Builds the model with its weights.
    package func model(on processor: Processor) -> (model: BERT, parameters: Parameters) {
        var list = ParameterList()
        let model = BERT(configuration, in: &list)
        // The regions of matrices stay unused, and take no memory.
        let values = processor.buffer(of: list.count, .float32)
        values.disableHugePages()
        var matrices: [Int: QuantizedWeights] = [:]
        for (parameter, parts) in layout.parameters {
            let columns = parameter.shape.rank == 1 ? 1 : parameter.shape[1]
            if EncoderLayout.isMatrix(parameter) {
                let rows = parts.compactMap { part in
                    tensors.stored(part.name).map { StoredRows(in: $0.file, at: $0.range, $0.format, rows: part.rows) }
                }
                matrices[parameter.index] = QuantizedWeights(rows: rows, outputs: parameter.shape[0], inputs: columns)
            } else {
                for part in parts { tensors.copy(part, into: values[parameter.range], columns: columns) }
            }
        }
        return (model, Parameters(list, values: values, quantized: matrices, on: processor))
    }

    /// A hash of all that a text's vector depends on.
    package var digest: String {
        let digest = Digest()
        for (name, entry) in tensors.entries {
            digest.add(Array(name.utf8).span)
            entry.file.read(as: UInt8.self) { digest.add($0.extracting(entry.range)) }
        }
        let prefixes = [input.queryPrefix, input.passagePrefix].map(\.debugDescription)
        digest.add(Array("\(configuration) \(pooling) \(input.context) \(prefixes)".utf8).span)
        digest.add(input.tokenizer.fingerprint.span)
        return digest.text
    }
}
