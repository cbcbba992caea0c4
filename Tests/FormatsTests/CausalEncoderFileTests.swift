import Checkpoint
import Files
import Formats
import Model
import Testing
import TestSupport
import Tokenize

/// Causal models as embedding models: folders of sentence-transformers, such as Qwen3-Embedding, and GGUF files.
@Suite struct CausalEncoderFileTests {
    private let folder = TemporaryFolder()

    @Test func `a folder has the family, the end of texts, and the prompts`() throws {
        let path = try SampleCausalEncoder().write(to: folder, "qwen"), opened = try EncoderFile(path, for: .embedding)
        #expect(EncoderFile.isEncoder(path) && opened.architecture == "qwen3" && opened.bert == nil && opened.sizes.layers == 3)
        #expect(opened.pooling.mode == .last && opened.pooling.isNormalized && opened.input.context == 2_048)
        let hi = "hi".utf8.map { TokenID($0) }, end = SampleCausalEncoder.end
        #expect(opened.input.tokens(of: "hi", as: .plain) == hi + [end] && opened.input.tokens(of: "hi", as: .passage) == hi + [end])
        #expect(opened.input.tokens(of: "hi", as: .query) == "Instruct: search\nQuery:hi".utf8.map { TokenID($0) } + [end])
        // The end of a long text is left out, but not the token after it.
        #expect(opened.input.tokens(of: "hihi", as: .plain, limit: 3) == hi + [end])
        // It is still a model that generates text.
        #expect(try ModelFile(path).checkpoint.configuration == opened.checkpoint?.configuration)
        try Folder.remove(["modules.json"], in: path)
        #expect(!EncoderFile.isEncoder(path))
    }

    @Test func `the end of texts is found in a sequence of post-processors`() throws {
        let path = try SampleCausalEncoder().write(to: folder, "qwen"), file = "qwen/tokenizer.json"
        let text = String(decoding: try InputFile.contents(of: folder(file)), as: UTF8.self)
        let start = try #require(text.firstRange(of: "\"post_processor\":")), end = try #require(text.firstRange(of: "\"decoder\":"))
        var template = text[start.upperBound..<end.lowerBound]
        while template.last != "}" { template.removeLast() }
        let sequence = #"{"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false}, \#(template)]}"#
        folder.write(text.replacing(template, with: sequence), to: file)
        #expect(try EncoderFile(path).input.tokens(of: "a", as: .plain) == [97, SampleCausalEncoder.end])
    }

    @Test func `a folder without a head, and without a prefix of names, has the same weights`() throws {
        let sample = try SampleCausalEncoder(), path = try sample.write(to: folder, "qwen"), before = try EncoderFile(path)
        try folder.rewriteTensors(in: "qwen") { tensor in
            if tensor.name == "lm_head.weight" { return [] }
            var tensor = tensor
            tensor.name = tensor.name.replacing("model.", with: "")
            return [tensor]
        }
        let after = try #require(EncoderFile(path).checkpoint), whole = try #require(before.checkpoint)
        #expect(after.configuration.isTied && !whole.configuration.isTied)
        #expect(whole.quantized.names.filter { $0 != "head.weight" } == after.quantized.names)
        #expect(throws: CheckpointError.self) { try ModelFile(path) }
    }

    @Test func `a digest depends on weights and settings`() throws {
        let path = try SampleCausalEncoder().write(to: folder, "qwen"), digest = try EncoderFile(path).digest
        #expect(try EncoderFile(path).digest == digest)
        folder.write(#"{"prompts": {"query": "other"}}"#, to: "qwen/config_sentence_transformers.json")
        let other = try EncoderFile(path).digest
        #expect(other != digest)
        try folder.rewriteTensors(in: "qwen") { tensor in
            var tensor = tensor
            if tensor.name == "model.norm.weight" { tensor.bytes[0] ^= 1 }
            return [tensor]
        }
        #expect(try EncoderFile(path).digest != other)
    }

    @Test func `other poolings, and tokenizers that end no text, are refused`() throws {
        func refusal(_ change: (inout SampleCausalEncoder) throws -> Void) throws -> String {
            var sample = try SampleCausalEncoder()
            try change(&sample)
            let path = try sample.write(to: folder, "qwen"), error = #expect(throws: CheckpointError.self) { try EncoderFile(path) }
            return error?.description.replacing(path, with: "folder") ?? ""
        }
        #expect(try refusal { $0.pooling = "mean_tokens" }
            == "folder: pooling_mode: expected the last token (pooling_mode_lasttoken), since the model is a causal one, found mean.")
        let plain = try SampleFamily.qwen3.checkpoint()
        #expect(try refusal { $0.checkpoint.tokenizer = plain.tokenizer }
            == "folder: tokenizer: expected a token after each text, whose state is the vector, found none.")
    }

    @Test func `a GGUF file says with pooling_type that it has vectors`() throws {
        let sample = try SampleCausalEncoder(), bytes = try sample.gguf(in: folder)
        let path = folder.write(bytes, to: "qwen.gguf"), opened = try EncoderFile(path, for: .embedding)
        #expect(EncoderFile.isEncoder(path) && !EncoderFile.isEncoder(folder("sample.gguf")))
        #expect(opened.architecture == "qwen3" && opened.pooling.mode == .last && opened.pooling.isNormalized)
        #expect(opened.input.tokens(of: "a", as: .query) == [97, SampleCausalEncoder.end] && opened.input.context == 2_048)
        #expect(opened.checkpoint?.configuration == sample.checkpoint.configuration)
    }
}
