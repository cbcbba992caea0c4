import Checkpoint
import Files
import Formats
import Infer
import JSON
import Kernels
import Testing
import TestSupport
import Tokenize

/// The sampling settings that a model's files recommend, and chat templates that cannot be rendered.
@Suite struct ServingDefaultsTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    private func settings(_ json: String) throws -> SamplingDefaults? {
        return SamplingDefaults(try JSONElement(parsing: json))
    }

    @Test func `the file's sampling settings are kept in all formats`() throws {
        let json = #"{"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1, "min_p": 0.05}"#
        try HuggingFace.write(SampleFamily.qwen2.checkpoint(), to: folder("hf"))
        folder.write(json, to: "hf/generation_config.json")
        let expected = try #require(try settings(json)), read = try HuggingFace.read(folder("hf"), on: processor)
        #expect(read.servingDefaults.sampling == expected)
        try read.write(to: folder("a.h5"))
        try read.quantized(to: .int8, on: processor).write(to: folder("b.h5"))
        for name in ["a.h5", "b.h5"] {
            #expect(try Checkpoint(reading: folder(name)).servingDefaults.sampling == expected)
        }
        try read.writeGGUF(to: folder("a.gguf"), as: .f32)
        #expect(try Checkpoint(mappingGGUF: folder("a.gguf")).servingDefaults.sampling == expected)
        try HuggingFace.write(read, to: folder("again"))
        #expect(try HuggingFace.read(folder("again"), on: processor).servingDefaults.sampling == expected)
    }

    @Test func `missing and invalid settings are those of transformers`() throws {
        let sample = try #require(try settings(#"{"top_p": 0.9, "temperature": -1, "top_k": "all", "do_sample": true}"#))
        #expect((sample.temperature, sample.topK, sample.topP) == (1, 50, 0.9) && sample.minP == 0 && sample.repetitionPenalty == 1)
        #expect(try settings(#"{"do_sample": true, "temperature": 3, "repetition_penalty": 0}"#) == nil)
        try HuggingFace.write(SampleFamily.llama.checkpoint(), to: folder("hf"))
        #expect(try HuggingFace.read(folder("hf"), on: processor).servingDefaults.sampling == nil)
    }

    @Test(arguments: ["{% for m in messages %}{{ m.content }}", "{{ raise_exception('No chats.') }}", "{{ messages|unknown }}"])
    func `a model whose chat template cannot be rendered keeps its tokenizer`(template: String) throws {
        // Without role tokens: with them, slm's own template would be used.
        var vocabulary = Vocabulary(), sample = try SampleFamily.qwen2.checkpoint()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        vocabulary.add(specialTokens: ["<|endoftext|>"])
        sample.tokenizer = try StoredTokenizer(vocabulary)
        sample.chatTemplate = nil
        try HuggingFace.write(sample, to: folder("hf"))
        folder.write(template, to: "hf/chat_template.jinja")
        var checkpoint = try ImportedModel(reading: folder("hf"), on: processor).checkpoint
        #expect(checkpoint.tokenizer != nil && checkpoint.chatTemplate == nil && checkpoint.chatTemplateError != nil)
        checkpoint.chatTemplate = .jinja(JinjaChatTemplate(template))
        try checkpoint.writeGGUF(to: folder("a.gguf"), as: .f32)
        let mapped = try Checkpoint(mappingGGUF: folder("a.gguf"))
        #expect(mapped.tokenizer != nil && mapped.chatTemplate == nil && mapped.chatTemplateError == checkpoint.chatTemplateError)
        let backend = try LocalBackend(checkpoint: folder("a.gguf"), .f32) { try Processor(threads: 1) }
        let error = #expect(throws: GenerationError.self) { try backend.generate(GenerationRequest(.chat([.init(.user, "Hi")]))) }
        #expect(error?.description.contains("cannot be rendered, so it can only complete texts: ") == true, "\(error)")
        #expect(throws: Never.self) { try backend.generate(GenerationRequest(.text("Hi"), GenerationConfig(maxTokens: 2))) }
    }
}
