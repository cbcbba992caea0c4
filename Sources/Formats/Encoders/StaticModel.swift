import Autograd
package import Checkpoint
import Files
import JSON
package import Kernels
import Model
package import Tokenize

/// A static embedding model as files: a table with a vector for each token. model2vec's folders, and those of sentence-transformers whose
/// first module is a StaticEmbedding, which may have a folder of its own.
///
///     try StaticModel.write(table, width: 256, tokenizer, to: "notes-embedding")
package enum StaticModel {
    /// What config.json of model2vec says.
    private static let modelType = "model2vec"
    private static let moduleType = "sentence_transformers.models.StaticEmbedding"
    private static let tokenizerFile = "tokenizer.json"
    private static let table = "embedding.weight", modelTable = "embeddings"
    /// No position limits the length of a text. A request must not take a server's memory.
    private static let context = 1 << 16

    /// The folder with the table of a static model; nil if `folder` has another model.
    static func tableFolder(of folder: String) -> String? {
        if let first = (try? SentenceTransformersSettings.modules(of: folder))?.first {
            guard first.className == "StaticEmbedding" else { return nil }
            return first.path.isEmpty ? folder : "\(folder)/\(first.path)"
        }
        guard let root = try? HuggingFace.json(HuggingFace.configuration, in: folder) else { return nil }
        return root["model_type"]?.string == modelType ? folder : nil
    }

    /// Reads the model in `folder`, whose table is in `tableFolder`.
    static func read(_ folder: String, table tableFolder: String) throws(CheckpointError) -> EncoderFile {
        let tensors = try HuggingFace.tensors(in: tableFolder), name = tensors.entries[table] == nil ? modelTable : table
        guard let shape = tensors.entries[name]?.shape, shape.count == 2, shape.allSatisfy({ 1...1 << 24 ~= $0 }) else {
            throw ImportedFile(tableFolder).mismatch(
                SafeTensorsHeader.field(table), "a table with a row for each token",
                tensors.entries[name].map { "\($0.shape.prefix(8))" } ?? "nothing")
        }
        let configuration = BERTConfiguration.table(vocabulary: shape[0], width: shape[1], context: context)
        let layout = try EncoderLayout(
            configuration, tensors, at: tableFolder, ImportedFile(tableFolder), names: { _ in [name] }, isUnused: { _ in false })
        var (input, settings) = try EncoderFile.input(of: folder, tokenizerIn: tableFolder, context: context)
        input.hasSpecials = false
        let network = EncoderFile.Network.bert(BERTFile(configuration: configuration, tensors: tensors, layout: layout))
        var file = EncoderFile(path: folder, architecture: "static", network, input: input)
        file.pooling = settings.pooling
        if let root = try HuggingFace.json(HuggingFace.configuration, in: folder), root["normalize"]?.boolean == true {
            file.pooling.isNormalized = true
        }
        try file.check()
        return file
    }

    /// Writes a folder for slm and for `SentenceTransformer(folder)`. Its vectors have the length 1.
    ///
    /// - Parameter rows: [tokens, width]
    package static func write(
        _ rows: Buffer, width: Int, _ tokenizer: WordPieceTokenizer, to folder: String
    ) throws(CheckpointError) {
        let part = TensorPart(name: table, shape: [tokenizer.count, width], rows: 0..<tokenizer.count)
        let list = [("", moduleType), ("1_Normalize", "sentence_transformers.models.Normalize")]
        var writer = JSONWriter(.pretty)
        writer.array { modules in
            for (index, (path, type)) in list.enumerated() {
                modules.object {
                    $0["idx"] = index
                    $0["name"] = String(index)
                    $0["path"] = path
                    $0["type"] = type
                }
            }
        }
        try SafeTensorsWriter.write(
            [.init(part: part, parameter: (rows, columns: width))], as: .f32, named: HuggingFace.weights,
            with: [(tokenizerFile, tokenizer.tokenizerJSON)], to: folder)
        do {
            try Folder.create("\(folder)/1_Normalize")
            // Last: without it, the folder is no model.
            try AtomicFile.write(writer.bytes + [10], to: "\(folder)/\(SentenceTransformersSettings.modulesFile)")
        } catch { throw CheckpointError(error, needed: writer.bytes.count) }
    }
}
