import Checkpoint
import Files
import Formats
import Glibc
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Tables of vectors, as slm, sentence-transformers and model2vec write them.
@Suite struct StaticModelTests {
    private let folder = TemporaryFolder()

    /// Writes a model with the numbers 0, 1, 2, … Returns its tokenizer.
    @discardableResult
    private func write(_ name: String = "model") throws -> WordPieceTokenizer {
        var trainer = try WordPieceTrainer()
        try trainer.add("the red pump and the red valve")
        let tokenizer = trainer.train(vocabularySize: 60), processor = try Processor(threads: 1)
        let rows = processor.buffer(of: tokenizer.count * 4, .float32)
        rows.write { span in for i in span.indices { span[i] = Float(i) } }
        try StaticModel.write(rows, width: 4, tokenizer, to: folder(name))
        return tokenizer
    }

    private func error(_ name: String = "model") -> String {
        let error = #expect(throws: CheckpointError.self) { try EncoderFile(folder(name)) }
        return (error?.description ?? "").replacing(folder.path + "/", with: "")
    }

    @Test func `what is written is read`() throws {
        let tokenizer = try write(), file = try EncoderFile(folder("model"))
        #expect(EncoderFile.isEncoder(folder("model")) && file.purpose == .embedding && file.architecture == "static")
        #expect(file.bert?.configuration.isStatic == true && file.sizes.layers == 0 && file.sizes.width == 4)
        #expect(file.sizes.vocabulary == tokenizer.count && file.pooling.mode == .mean && file.pooling.isNormalized)
        #expect(file.input.tokens(of: "the pump", as: .query) == tokenizer.textIDs(of: "the pump"))
        let digest = file.digest
        try write()
        #expect(try EncoderFile(folder("model")).digest == digest)
    }

    @Test func `a module in a folder of its own, and model2vec's files`() throws {
        let tokenizer = try write()
        mkdir(folder("outer"), 0o755)
        #expect(rename(folder("model"), folder("outer/0_StaticEmbedding")) == 0)
        let type = "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding"
        folder.write(#"[{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "\#(type)"}]"#, to: "outer/modules.json")
        let outer = try EncoderFile(folder("outer"))
        #expect(outer.sizes.vocabulary == tokenizer.count && !outer.pooling.isNormalized)

        folder.write(#"{"model_type": "model2vec", "normalize": true}"#, to: "outer/0_StaticEmbedding/config.json")
        unlink(folder("outer/0_StaticEmbedding/modules.json"))
        let bytes = try InputFile.contents(of: folder("outer/0_StaticEmbedding/model.safetensors"))
        let old = Array(#""embedding.weight""#.utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: old) })
        var renamed = bytes
        renamed.replaceSubrange(start..<start + old.count, with: Array(#""embeddings"      "#.utf8))
        folder.write(renamed, to: "outer/0_StaticEmbedding/model.safetensors")
        let model = try EncoderFile(folder("outer/0_StaticEmbedding"))
        #expect(model.pooling.isNormalized && model.sizes.width == 4)
    }

    @Test func `damaged folders are refused`() throws {
        try write()
        folder.write(#"[{"path": "../x", "type": "StaticEmbedding"}]"#, to: "model/modules.json")
        #expect(!EncoderFile.isEncoder(folder("model")))
        folder.write(#"[{"path": "", "type": "a.StaticEmbedding"}, {"path": "", "type": "a.Dense"}]"#, to: "model/modules.json")
        #expect(error() == "model/modules.json: type: expected Transformer, StaticEmbedding, Pooling or Normalize, found 'a.Dense'.")
        try write()
        folder.write(#"{"model": {"type": "WordPiece", "vocab": {"[UNK]": 99}}}"#, to: "model/tokenizer.json")
        #expect(error().hasPrefix("model: tokenizer: expected one that slm can read"))
        try write()
        unlink(folder("model/model.safetensors"))
        #expect(error() == "model: cannot be read: it contains neither model.safetensors nor model.safetensors.index.json.")
    }
}
