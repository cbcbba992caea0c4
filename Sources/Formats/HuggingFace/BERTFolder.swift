package import Autograd
package import Checkpoint
import Files
import Hashing
import JSON
package import Kernels
package import Model
import Tokenize

/// An embedding model or a reranker in a folder of Hugging Face or sentence-transformers: config.json, model.safetensors, a tokenizer, and
/// how a text's vector is made of those of its tokens.
///
///     let folder = try BERTFolder("all-MiniLM-L6-v2", for: .embedding)
///     let (model, parameters) = folder.model(on: processor)
///
/// Matrices stay in the mapped files, in the formats that they have there.
package struct BERTFolder {
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
    /// What config.json calls the family.
    package let architecture: String
    package let configuration: BERTConfiguration
    package let pooling: Pooling
    /// What a reranker makes of its model's output.
    package let scoreFunction: ScoreFunction
    package let input: EmbeddingInput
    package var byteCount: Int { tensors.byteCount }
    private let tensors: SafeTensorsCollection
    private let layout: BERTLayout

    /// Whether a folder has an encoder: a model that is no GPT.
    package static func isBERT(_ path: String) -> Bool {
        guard Folder.contains(HuggingFace.configuration, in: path), let root = try? HuggingFace.json(HuggingFace.configuration, in: path)
        else { return false }
        return EncoderFamily(of: root) != nil
    }

    /// - Parameter purpose: Throws if the model has another one.
    package init(_ path: String, for purpose: Purpose? = nil) throws(CheckpointError) {
        let file = ImportedFile("\(path)/\(HuggingFace.configuration)"), root = try file.json()
        let fields = HuggingFaceFields(root: root, file: file), family = try EncoderFamily(fields)
        var configuration = try family.configuration(fields)
        tensors = try HuggingFace.tensors(in: path)
        configuration.hasScore = family == .bert && tensors.entries["classifier.weight"]?.tensor.shape == [1, configuration.width]
        self.configuration = configuration
        let found = configuration.hasScore ? Purpose.reranking : .embedding
        if let purpose, purpose != found {
            throw ImportedFile(path).mismatch(HuggingFace.configuration, purpose.rawValue, found.rawValue)
        }
        scoreFunction = try ScoreFunction(root, file)
        layout = try BERTLayout(family, configuration, tensors, in: path, file)
        let tokenizer: WordPieceTokenizer
        do throws(TokenizeError) { tokenizer = try WordPieceTokenizer(reading: path) } catch {
            throw ImportedFile(path).mismatch(Checkpoint.importedTokenizerField, "one that slm can read", "\(error)")
        }
        guard tokenizer.count <= configuration.vocabulary else {
            let expected = "at most \(configuration.vocabulary) tokens, the model's vocabulary size"
            throw ImportedFile(path).mismatch(Checkpoint.importedTokenizerField, expected, "\(tokenizer.count)")
        }
        let settings = try SentenceTransformersSettings(path)
        pooling = settings.pooling
        let context = min(settings.maxTokens ?? configuration.context, configuration.context)
        let specials = tokenizer.prefix.count + (configuration.hasScore ? 2 : 1) * tokenizer.suffix.count
        guard context > specials else {
            throw file.mismatch("max_position_embeddings", "room for a text between the special tokens", "\(context)")
        }
        if configuration.hasScore, tokenizer.suffix.count != 1 {
            throw ImportedFile(path).mismatch(Checkpoint.importedTokenizerField, "one token after each text", "\(tokenizer.suffix.count)")
        }
        input = EmbeddingInput(
            tokenizer: tokenizer, context: context, queryPrefix: settings.queryPrefix, passagePrefix: settings.passagePrefix)
        self.path = path
        architecture = family.rawValue
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
            if BERTLayout.isMatrix(parameter) {
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
            entry.file.read(as: UInt8.self) { digest.add($0.extracting(entry.tensor.range)) }
        }
        let prefixes = [input.queryPrefix, input.passagePrefix].map(\.debugDescription)
        digest.add(Array("\(configuration) \(pooling) \(input.context) \(prefixes)".utf8).span)
        digest.add(input.tokenizer.tokens.bytes.span)
        return digest.text
    }
}

/// Which tensors make up the parameters of a BERT.
private struct BERTLayout {
    let parameters: [(parameter: Parameter, parts: [TensorPart])]

    /// Checks that the tensors are there.
    init(
        _ family: EncoderFamily, _ configuration: BERTConfiguration, _ tensors: SafeTensorsCollection, in folder: String,
        _ file: ImportedFile
    ) throws(CheckpointError) {
        // A layer has 16 tensors. Without this limit, a wrong number of layers could allocate a huge parameter list.
        guard configuration.layers <= tensors.entries.count / 16 + 1 else {
            throw file.mismatch(
                "num_hidden_layers", "no more layers than the \(tensors.entries.count) tensors of the weights make",
                "\(configuration.layers)")
        }
        // Models with a head for a task have the encoder as a part.
        let prefix = tensors.entries[family.prefix + "embeddings.word_embeddings.weight"] == nil ? "" : family.prefix
        var list = ParameterList(), known: Set<String> = []
        _ = BERT(configuration, in: &list)
        parameters = list.parameters.map { parameter in
            let names = family.names(of: parameter.name, prefix), rows = parameter.shape[0] / names.count
            return (parameter, names.enumerated().map { i, name in
                let shape = parameter.shape.rank == 1 ? [rows] : [rows, parameter.shape[1]]
                return TensorPart(name: name, shape: shape, rows: i * rows..<(i + 1) * rows)
            })
        }
        for part in parameters.flatMap(\.parts) {
            try tensors.check(part.name, part.shape, in: folder)
            known.insert(part.name)
        }
        for (name, entry) in tensors.entries where !known.contains(name) && !family.isUnused(name, prefix) {
            throw ImportedFile(entry.file.path).mismatch(
                SafeTensorsHeader.field(name), "no such tensor in a \(family.rawValue) encoder",
                "\(entry.tensor.type) \(entry.tensor.shape.prefix(8))")
        }
    }

    /// Whether a parameter stays in the file, in its format there.
    static func isMatrix(_ parameter: Parameter) -> Bool {
        parameter.kind.isMatrix && !["positions", "types", "distances"].contains { parameter.name.hasPrefix($0) }
    }
}
