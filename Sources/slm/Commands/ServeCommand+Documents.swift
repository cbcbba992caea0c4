import Documents
import Files
import Formats
import Infer
import Kernels
import Serve
import Store
import Synchronization
import Threads
import Tokenize

extension ServeOptions {
    /// Opens the indexes of `--documents` and the models of their vectors.
    ///
    /// - Parameter reranker: The model of `--reranker`.
    func servedDocuments(_ models: QueryModels, _ reranker: EmbeddingBackend?) throws -> ServedDocuments {
        let openReranker = TextReranker.opening(reranker)
        var indexes: [SharedIndex] = []
        for text in documents {
            let (name, path) = try NamedFile.parse(text, of: "slm serve: --documents") { ModelOptions.modelName(of: $0) }
            if indexes.contains(where: { $0.name == name }) {
                throw UsageError("slm serve: --documents: expected a name for each index, found '\(name)' twice. Name them: NAME=FILE.")
            }
            let index = try SharedIndex(path, named: name, openEmbedder: { try models.embedder(of: $0) }, reranker: openReranker)
            let found = index.usesVectors ? "words and vectors" : "words"
            let counts = try index.counts(), method = reranker.map { "\(found), in the order of \($0.name)" } ?? found
            Log.info(.note, "documents \(name): \(counts.files.counted("file")), \(counts.passages.counted("passage")) "
                + "of \(path), by \(method).")
            indexes.append(index)
        }
        return ServedDocuments(indexes, passageLimit: settings.documents.passageLimit)
    }

    /// How the files that accounts upload are indexed: with vectors of `--embedding-model`.
    func librarySettings(_ models: QueryModels, _ reranker: EmbeddingBackend?) throws -> LibrarySettings {
        var settings = libraries
        settings.directory = try documentsDirectory ?? ownFile(".documents")
        settings.embeddingModel = models.given
        settings.openEmbedder = { try models.embedder(of: $0) }
        settings.reranker = TextReranker.opening(reranker)
        return settings
    }

    /// A file or folder of this server that has no name of its own: beside the database if that is a file.
    func ownFile(_ ending: String) throws -> String {
        switch try DatabaseURL(database) {
        case .sqlite(let path): path + ending
        case .postgresql: "slm_chat" + ending
        }
    }
}

/// The embedding models of indexes, each loaded once.
final class QueryModels: Sendable {
    /// That of `--embedding-model`; nil for none.
    let given: TextEmbedder.Model?
    private let makeProcessor: @Sendable () throws -> Processor
    /// By their digests.
    private let models: Mutex<[String: EmbeddingBackend]>

    /// - Parameter given: A model that is loaded already.
    init(_ given: EmbeddingBackend?, at path: String?, on makeProcessor: @escaping @Sendable () throws -> Processor) throws {
        self.makeProcessor = makeProcessor
        if let given, let path {
            let model = TextEmbedder.Model(path: path, digest: try EncoderFile(path).digest, width: given.embeddingWidth ?? 0)
            self.given = model
            models = Mutex([model.digest: given])
        } else {
            self.given = nil
            models = Mutex([:])
        }
    }

    /// The model of an index's vectors; nil if it has none, or if their model is not where it was.
    func embedder(of index: DocumentIndex) throws -> TextEmbedder? {
        guard let wanted = try index.embeddingModel() else { return nil }
        let known = models.withLock { $0[wanted.digest] }
        if let known { return TextEmbedder(known, wanted) }
        guard EncoderFile.isEncoder(wanted.path) else {
            Log.info(.note, "\(index.path) is searched by words only: its embedding model is not at \(wanted.path). If it is elsewhere: "
                + "--embedding-model MODEL")
            return nil
        }
        let digest = try EncoderFile(wanted.path).digest
        guard digest == wanted.digest else { throw DocumentError.otherModel(path: index.path, model: wanted.path, found: wanted.path) }
        let model = try EmbeddingBackend(wanted.path, name: ModelOptions.modelName(of: wanted.path), on: makeProcessor)
        models.withLock { $0[digest] = model }
        return TextEmbedder(model, wanted)
    }
}

extension TextEmbedder {
    fileprivate init(_ backend: EmbeddingBackend, _ model: Model) {
        self.init(model) { texts, role in
            let input = backend.input
            return backend.vectors(of: texts.map { input.tokens(of: $0, as: role == .query ? .query : .passage, limit: input.context) })
        }
    }
}

extension TextReranker {
    /// Makes a reranker for each search; nil without a model.
    fileprivate static func opening(_ model: EmbeddingBackend?) -> (@Sendable () -> TextReranker)? {
        model.map { model in { @Sendable in TextReranker(model) } }
    }

    fileprivate init(_ backend: EmbeddingBackend) {
        self.init { question, passages in
            let pairs = passages.map { backend.input.tokens(of: question, with: $0) }
            return backend.vectors(of: pairs).map { Double(backend.scoreFunction.probability(ofScore: $0[0])) }
        }
    }
}

extension EmbeddingBackend {
    /// Waits for the vectors of a model that has a thread of its own. None if it fails.
    fileprivate func vectors(of texts: [[TokenID]]) -> [[Float]] {
        let done = Mailbox<[[Float]]>()
        do throws(GenerationError) { _ = try embed(texts) { done.put($0.embeddings) } } catch { return [] }
        return done.take()
    }
}
