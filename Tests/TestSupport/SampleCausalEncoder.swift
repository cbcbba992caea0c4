package import Checkpoint
import Files
import Formats
import Glibc
import Kernels
import Model
package import Tokenize

/// A small causal embedding model with random weights, such as Qwen3-Embedding: texts end with `<|eos|>`, whose state is the vector.
///
///     let sample = try SampleCausalEncoder()
///     try sample.write(to: folder, "qwen")                     // config.json, model.safetensors, tokenizer.json, modules.json, …
package struct SampleCausalEncoder {
    package var checkpoint: Checkpoint
    /// The token after each text.
    package static let end: TokenID = 256
    package var pooling = "lasttoken"

    package init(_ family: SampleFamily = .qwen3, context: Int = 2_048) throws {
        checkpoint = try family.checkpoint()
        checkpoint.configuration.context = context
        var vocabulary = try checkpoint.vocabulary()
        vocabulary.textSuffix = [Self.end]
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        // Like those of a trained model: with larger ones, rounding would matter.
        for (name, array) in checkpoint.weights where !name.contains("norm") {
            array.values.write { span in for i in span.indices { span[i] *= 0.2 } }
        }
    }

    /// Returns the path of the folder.
    @discardableResult
    package func write(to folder: TemporaryFolder, _ name: String) throws -> String {
        try HuggingFace.write(checkpoint, to: folder(name))
        mkdir(folder(name + "/1_Pooling"), 0o755)
        let module = "sentence_transformers.models."
        folder.write(
            """
            [{"idx": 0, "path": "", "type": "\(module)Transformer"}, {"idx": 1, "path": "1_Pooling", "type": "\(module)Pooling"},
            {"idx": 2, "path": "2_Normalize", "type": "\(module)Normalize"}]
            """, to: name + "/modules.json")
        folder.write(#"{"pooling_mode_\#(pooling)": true}"#, to: name + "/1_Pooling/config.json")
        folder.write(
            #"{"prompts": {"query": "Instruct: search\nQuery:", "document": ""}}"#, to: name + "/config_sentence_transformers.json")
        return folder(name)
    }

    /// The same model as a GGUF file whose `pooling_type` is the last token.
    package func gguf(in folder: TemporaryFolder) throws -> [UInt8] {
        try checkpoint.writeGGUF(to: folder("sample.gguf"), as: .f32)
        var bytes = try InputFile.contents(of: folder("sample.gguf"))
        // Two keys of 64 bytes, so that the data stay aligned.
        var keys: [UInt8] = []
        for (key, value) in [("qwen3.pooling_type", 3 as UInt32), ("general.filler", 0)] {
            keys += GGUFBytes.little(UInt64(key.utf8.count))
            keys += Array(key.utf8)
            keys += GGUFBytes.little(4 as UInt32)             // the type of the value, u32
            keys += GGUFBytes.little(value)
        }
        bytes[16] += 2
        bytes.insert(contentsOf: keys, at: 24)
        return bytes
    }
}
