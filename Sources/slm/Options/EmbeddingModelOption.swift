import Documents
import Files
import Formats
import Infer
import Kernels

extension CommandOption {
    static func embeddingModel(
        _ path: WritableKeyPath<Options, String?>, _ help: String, default defaultText: String = ""
    ) -> CommandOption {
        option("embedding-model", path, value: "MODEL", help, default: defaultText)
    }

    static func reranker(_ path: WritableKeyPath<Options, String?>) -> CommandOption {
        option("reranker", path, value: "MODEL", "Let this reranker put the 30 best passages in order: a folder with a BERT that scores.")
    }
}

extension TextReranker {
    init(_ path: String, on machine: some MachineOptions) throws {
        let model = try EmbeddingModel(path, for: .reranking, on: try machine.processor()), function = model.folder.scoreFunction
        self.init { question, passages in
            model.scores(of: passages, for: question).map { Double(function.probability(ofScore: $0)) }
        }
    }
}

extension TextEmbedder {
    /// Opens an embedding model for an index.
    init(_ path: String, on machine: some MachineOptions) throws {
        let folder = try EncoderFile(path, for: .embedding), model = try EmbeddingModel(folder, on: machine.processor())
        self.init(Model(path: try RelativePath.absolute(path), digest: folder.digest, width: model.width)) { texts, role in
            model.vectors(of: texts, as: role == .query ? .query : .passage)
        }
    }

    /// Opens the model of an index's vectors; nil if the index has none, or if their model is not where it was.
    ///
    /// - Parameters:
    ///   - path: Where it is; nil: where it was.
    ///   - isNeeded: Whether there is no search by words instead.
    init?(of index: DocumentIndex, _ path: String?, isNeeded: Bool = false, on machine: some MachineOptions) throws {
        guard let model = try index.embeddingModel() else {
            if path != nil { throw DocumentError.noVectors(path: index.path) }
            return nil
        }
        guard path != nil || EncoderFile.isEncoder(model.path) else {
            if isNeeded { throw DocumentError.needsModel(path: index.path, model: model.path) }
            printNote("searching by words only: the embedding model of \(index.path) is not at \(model.path). "
                + "If it is elsewhere: --embedding-model MODEL")
            return nil
        }
        try self.init(path ?? model.path, on: machine)
        try index.check(self)
    }
}
