import Autograd
import Checkpoint
import Files
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

@Suite struct BackendTests {
    private func oneSentenceBackend(_ context: Int = 64) throws -> any ChatBackend {
        let folder = TemporaryFolder()
        try OneSentenceModel.checkpoint(context: context).write(to: folder("a.h5"))
        return try LocalBackend(checkpoint: folder("a.h5"), .f32) { try Processor(threads: 1) }
    }

    private let hello = Prompt.chat([.init(.user, "Hello")])

    @Test func `the local engine meets the backend contract`() throws {
        try BackendContract(oneSentenceBackend(), prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `the uncached reference meets the backend contract`() throws {
        let folder = TemporaryFolder(), processor = try Processor(threads: 1)
        try OneSentenceModel.checkpoint(context: 64).write(to: folder("a.h5"))
        let checkpoint = try Checkpoint(reading: folder("a.h5")), (model, parameters) = try checkpoint.model(on: processor)
        let info = try ModelInfo(of: checkpoint, name: "uncached")
        let backend = UncachedBackend(info, UncachedGenerator(of: model, parameters, on: processor))
        try BackendContract(backend, prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `the scripted backend meets the backend contract`() throws {
        try BackendContract(ScriptedBackend(), prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `an OpenAI-compatible server meets the backend contract`() throws {
        let server = ScriptedServer(serving: ScriptedBackend())
        let backend = try OpenAIBackend(address: server.address, model: nil, key: nil)
        #expect(backend.name == "scripted at \(server.address)/v1")
        try BackendContract(backend, prompt: hello, answer: OneSentenceModel.sentence, knowsContext: false).check()
    }

    @Test func `a damaged checkpoint is refused, whichever byte it is`() throws {
        let folder = TemporaryFolder()
        try OneSentenceModel.checkpoint(context: 64).write(to: folder("a.h5"))
        let bytes = try InputFile.contents(of: folder("a.h5"))
        for offset in [600, bytes.count / 2, bytes.count - 1] {
            var altered = bytes
            altered[offset] ^= 1
            let path = folder.write(altered, to: "b.h5")
            let error = CheckpointError.wrongDigest(
                path: path, expected: CheckpointHeader(for: bytes).digest, found: CheckpointHeader(for: altered).digest)
            #expect(throws: error, "byte \(offset)") { try LocalBackend(checkpoint: path, .f32) { try Processor(threads: 1) } }
        }
    }

    /// The weights of a file are first used where they lie, and packed later.
    @Test func `f32 weights of a file give the same bits in every step`() throws {
        let folder = TemporaryFolder(), processor = try Processor(threads: 2)
        try OneSentenceModel.checkpoint(context: 64).write(to: folder("a.h5"))
        let checkpoint = try Checkpoint(reading: folder("a.h5"))
        let (model, mapped) = try checkpoint.model(on: processor), (_, copied) = try checkpoint.model(copying: true, on: processor)
        let expected = ModelRunner(of: model, copied, on: processor, precision: .float32)
        for ids: [TokenID] in [[72], Array(0..<40)] {
            let bits = expected.logits(for: [.init(expected.makeKVCache(), from: 0, ids: ids)]).floats.map(\.bitPattern)
            let runner = ModelRunner(of: model, mapped, on: processor, precision: .float32)
            #expect(runner.weightBytes > 0)
            for step in 0..<3 {
                let found = runner.logits(for: [.init(runner.makeKVCache(), from: 0, ids: ids)]).floats.map(\.bitPattern)
                let isSame = found == bits
                #expect(isSame, "\(ids.count) tokens, step \(step)")
            }
        }
    }

    @Test func `a text is completed, with tokens and alternatives`() throws {
        let config = try GenerationConfig(temperature: 0, logProbabilities: 2)
        let answer = try oneSentenceBackend().generate(GenerationRequest(.text("Hi,"), config))
        #expect(answer.text == " you!é日" && answer.end.reason == .stop)
        #expect(answer.tokens.map(\.id) == " you!é日".utf8.map { TokenID($0) } && answer.tokens[0].bytes == [0x20])
        #expect(answer.tokens.allSatisfy { token in
            (token.logProbability ?? -9) > -0.01 && token.alternatives.count == 2 && token.alternatives[0].id == token.id
        })
    }

    @Test func `token ids are completed as their text is, special tokens included`() throws {
        let backend = try oneSentenceBackend(), config = try GenerationConfig(temperature: 0)
        let assistant = try #require(SampleCheckpoint.vocabulary.specialTokenID("<|assistant|>"))
        #expect(try backend.generate(GenerationRequest(.tokens("Hi,".utf8.map { TokenID($0) }), config)).text == " you!é日")
        #expect(try backend.generate(GenerationRequest(.tokens([assistant]), config)).text == OneSentenceModel.sentence)
        let cut = try backend.generate(GenerationRequest(.tokens(Array(repeating: 65, count: 99) + [72]), config))
        #expect(cut.start.wasTruncated && cut.text == "i, you!é日" && cut.end.promptTokens < 64)
        #expect(throws: GenerationError.emptyPrompt) { try backend.generate(GenerationRequest(.tokens([]), config)) }
        #expect(throws: GenerationError.field("prompt", value: "token 260", expected: "token ids from 0 to 259")) {
            try backend.generate(GenerationRequest(.tokens([72, 260]), config))
        }
        #expect(throws: GenerationError.tooLong(promptTokens: 99, context: 64)) {
            try backend.generate(GenerationRequest(.tokens(Array(repeating: 65, count: 99)), config, policy: .refuse))
        }
    }

    @Test func `old turns are dropped, and the start event says so`() throws {
        let config = try GenerationConfig(temperature: 0)
        let turns = (0..<9).flatMap { [Conversation.Message(.user, "question \($0)"), .init(.assistant, "answer \($0)")] }
        let answer = try oneSentenceBackend().generate(GenerationRequest(.chat(turns + [.init(.user, "Hello")]), config))
        #expect(answer.start.droppedMessages == 14 && !answer.start.wasTruncated && answer.start.context == 64)
        #expect(answer.text == OneSentenceModel.sentence && answer.end.promptTokens == answer.start.promptTokens)
        let long = Prompt.chat([.init(.user, String(repeating: "x", count: 99))])
        let cut = try oneSentenceBackend().generate(GenerationRequest(long, config))
        #expect(cut.start.wasTruncated && cut.text == OneSentenceModel.sentence)
    }

    @Test func `a field out of range is named with its range`() {
        typealias MakeConfig = () throws(GenerationError) -> GenerationConfig
        func expectMessage(_ message: String, _ make: MakeConfig) {
            do throws(GenerationError) {
                _ = try make()
                Issue.record("no error, expected: \(message)")
            } catch { #expect(error.description == message) }
        }
        expectMessage("temperature: expected a number from 0 to 2, found 2.5.") { () throws(GenerationError) in
            try GenerationConfig(temperature: 2.5)
        }
        expectMessage("temperature: expected a number from 0 to 2, found nan.") { () throws(GenerationError) in
            try GenerationConfig(temperature: .nan)
        }
        expectMessage("maxTokens: expected at least 1, found 0.") { () throws(GenerationError) in
            try GenerationConfig(maxTokens: 0)
        }
        expectMessage("topK: expected at least 0 (0: all tokens), found -1.") { () throws(GenerationError) in
            try GenerationConfig(topK: -1)
        }
        expectMessage("topP: expected a number from 0 to 1, found -0.1.") { () throws(GenerationError) in
            try GenerationConfig(topP: -0.1)
        }
        expectMessage("minP: expected a number from 0 to 1, found 1.1.") { () throws(GenerationError) in
            try GenerationConfig(minP: 1.1)
        }
        expectMessage("repetitionPenalty: expected a number above 0 (1: off), found 0.0.") { () throws(GenerationError) in
            try GenerationConfig(repetitionPenalty: 0)
        }
        expectMessage("frequencyPenalty: expected a number from -2 to 2, found -3.0.") { () throws(GenerationError) in
            try GenerationConfig(frequencyPenalty: -3)
        }
        expectMessage("stop: expected texts that are not empty, found an empty text.") { () throws(GenerationError) in
            try GenerationConfig(stop: ["a", ""])
        }
        expectMessage("stop: expected at most 16, found 17 texts.") { () throws(GenerationError) in
            try GenerationConfig(stop: Array(repeating: "a", count: 17))
        }
        expectMessage("logitBias: expected a number from -100 to 100, found 101.0 for token 3.") { () throws(GenerationError) in
            try GenerationConfig(logitBias: [3: 101])
        }
        expectMessage("logProbabilities: expected a whole number from 0 to 20, found 21.") { () throws(GenerationError) in
            try GenerationConfig(logProbabilities: 21)
        }
    }
}
