import Documents
import Infer
import Tokenize

/// The options of commands that answer from documents.
struct DocumentOptions {
    var path: String?
    var embeddingModel: String?
    var reranker: String?
    var maxPassages = 4
    var showsPassages = false

    static var index: CommandOption<DocumentOptions> {
        .option("documents", \.path, value: "FILE", "Answer from the documents of FILE, an index of slm index build.")
    }

    static var searchOptions: [CommandOption<DocumentOptions>] {
        [
            .embeddingModel(
                \.embeddingModel, "Search by the vectors of this embedding model, too.", default: "the model of the index, if it is there"),
            .reranker(\.reranker),
            .option("max-passages", \.maxPassages, in: 1...50, "Give the model at most N passages, in half of its context."),
        ]
    }

    static var options: [CommandOption<DocumentOptions>] {
        searchOptions + [.option("show-passages", \.showsPassages, "Print the passages before the answer.")]
    }

    /// Opens the index: before a model is loaded, so that a wrong file is reported at once.
    func open(for command: String) throws -> DocumentIndex? {
        if path == nil, showsPassages { throw UsageError("slm \(command): --show-passages needs --documents FILE.") }
        if path == nil, embeddingModel != nil { throw UsageError("slm \(command): --embedding-model needs --documents FILE.") }
        if path == nil, reranker != nil { throw UsageError("slm \(command): --reranker needs --documents FILE.") }
        return try path.map { path throws(DocumentError) in try DocumentIndex(path) }
    }

    func finder(in index: DocumentIndex?, for backend: any ChatBackend, on machine: some MachineOptions) throws -> PassageFinder? {
        guard let index else { return nil }
        let embedder = try TextEmbedder(of: index, embeddingModel, on: machine)
        let reranker = try reranker.map { try TextReranker($0, on: machine) }
        let budget = PassageFinder.budget(ofContext: backend.context)
        guard let tokenizer = ((backend as? LocalBackend)?.model ?? (backend as? AdapterBackend)?.model)?.tokenizer else {
            return PassageFinder(index, embedder, reranker, limit: maxPassages, budget: budget)
        }
        return PassageFinder(index, embedder, reranker, limit: maxPassages, budget: budget) { try tokenizer.ids(of: $0).count }
    }
}
