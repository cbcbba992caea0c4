import Checkpoint
import Files
import Formats
import Infer
import JSON
import Kernels
import Testing
import TestSupport
import Tokenize

/// The tokens that a model's files name as the end of a text.
@Suite struct EndTokenTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    /// The bytes, and tokens with names that slm does not know.
    private static func vocabulary() -> Vocabulary {
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        vocabulary.add(specialTokens: ["[EOS]", "[EOT]", "[X]"])
        return vocabulary
    }

    private static func grammar() throws -> Grammar {
        return try Grammar(jsonSchema: JSONElement(parsing: #"{"type": "object"}"#), isStrict: false)
    }

    private func checkpoint() throws -> Checkpoint {
        var sample = try SampleFamily.qwen2.checkpoint()
        sample.tokenizer = try StoredTokenizer(Self.vocabulary())
        sample.chatTemplate = nil
        return sample
    }

    private func write(_ checkpoint: Checkpoint, generation: String) throws {
        try HuggingFace.write(checkpoint, to: folder("hf"))
        folder.write(generation, to: "hf/generation_config.json")
    }

    @Test func `an end token without a well-known name ends completions, in all formats`() throws {
        try write(checkpoint(), generation: #"{"eos_token_id": [256, 257]}"#)
        let read = try HuggingFace.read(folder("hf"), on: processor)
        #expect(read.servingDefaults.endTokens == [256, 257] && read.importNotes.isEmpty)
        let rules = StopRules(for: .text(""), Self.vocabulary(), nil, endTokens: read.servingDefaults.endTokens, stop: [])
        #expect(rules.stopTokens == [256, 257] && rules.banned == [258])
        let ignoring = StopRules(
            for: .text(""), Self.vocabulary(), nil, endTokens: read.servingDefaults.endTokens, stop: [], ignoresEOS: true)
        #expect(ignoring.stopTokens == [] && ignoring.banned == [256, 257, 258])

        try read.write(to: folder("a.h5"))
        try read.quantized(to: .int8, on: processor).write(to: folder("b.h5"))
        try read.writeGGUF(to: folder("a.gguf"), as: .f32)
        try HuggingFace.write(read, to: folder("again"))
        for path in ["a.h5", "b.h5", "a.gguf", "again"] {
            let model = try ModelInfo(of: ModelFile(folder(path)).checkpoint, name: path)
            #expect(model.servingDefaults.endTokens == [256, 257], "\(path)")
        }
    }

    @Test func `generation ends at that token`() throws {
        try write(checkpoint(), generation: #"{"eos_token_id": 258}"#)
        let info = try ModelInfo(of: HuggingFace.read(folder("hf"), on: processor), name: "model")
        var state = try GenerationState(GenerationRequest(.text("a"), GenerationConfig(temperature: 0)), for: info)
        var logits = [Float](repeating: 0, count: info.tokenizer.vocabulary.count)
        logits[258] = 9
        var span = logits.mutableSpan
        let step = state.advance(&span)
        #expect(step.nextTokens.isEmpty && state.reason == .stop && state.answerTokens == 0)
    }

    @Test(arguments: [99_999, 4_294_967_295, 259])
    func `an end token that the vocabulary does not have is left out, with a note`(id: Int) throws {
        try write(checkpoint(), generation: #"{"eos_token_id": [257, \#(id), -1]}"#)
        let read = try HuggingFace.read(folder("hf"), on: processor)
        #expect(read.servingDefaults.endTokens == [257])
        #expect(read.importNotes == [
            "generation_config.json names token \(id) as the end of a text, which the vocabulary of 259 tokens does not have: "
                + "it is ignored",
        ])
        // Also if such a number comes from a checkpoint of slm.
        var broken = read
        broken.servingDefaults.endTokens = [257, TokenID(truncatingIfNeeded: id), -5]
        try broken.write(to: folder("broken.h5"))
        let info = try ModelInfo(of: Checkpoint(reading: folder("broken.h5")), name: "broken")
        var request = GenerationRequest(.text("a"), try GenerationConfig(maxTokens: 4, temperature: 0))
        request.grammar = try Self.grammar()
        var state = try GenerationState(request, for: info)
        for _ in 0..<4 {
            var logits = [Float](repeating: 0, count: info.tokenizer.vocabulary.count)
            var span = logits.mutableSpan
            if state.advance(&span).nextTokens.isEmpty { break }
        }
        #expect(state.reason != nil)
    }

    @Test func `a grammar's filter ignores stop tokens without a token`() throws {
        var filter = AnswerFilter(try Self.grammar(), GrammarTokens(Self.vocabulary()), stopTokens: [99_999, -1, 256])
        var logits = [Float](repeating: 0, count: 259)
        var span = logits.mutableSpan
        filter.restrict(&span)
        #expect(logits.indices.filter { logits[$0] == 0 }.contains(123) && logits[256] == -.infinity)
        filter.add(99_998)
        #expect(!filter.isComplete)
    }

    @Test func `a GGUF file with an end token beyond its vocabulary is read with a note`() throws {
        var sample = try checkpoint()
        sample.servingDefaults.endTokens = [256]
        try sample.writeGGUF(to: folder("a.gguf"), as: .f32)
        var bytes = try InputFile.contents(of: folder("a.gguf"))
        let key = Array("tokenizer.ggml.eos_token_id".utf8)
        let at = try #require(bytes.indices.first { bytes[$0...].starts(with: key) }) + key.count + 4
        for i in 0..<4 { bytes[at + i] = 0xEE }
        folder.write(bytes, to: "b.gguf")
        let read = try Checkpoint(mappingGGUF: folder("b.gguf"))
        #expect(read.servingDefaults.endTokens == [] && read.importNotes.count == 1, "\(read.importNotes)")
    }
}
