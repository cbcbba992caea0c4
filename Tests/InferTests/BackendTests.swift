import Checkpoint
import Infer
import Kernels
import Testing
import TestSupport
import Tokenize

@Suite struct BackendTests {
    private func parrot(_ context: Int = 64) throws -> any ChatBackend {
        let folder = TemporaryFolder()
        try OneSentenceModel.checkpoint(context: context).write(to: folder("a.h5"))
        return try LocalBackend(checkpoint: folder("a.h5"), .f32) { try Processor(threads: 1) }
    }

    private let hello = Prompt.chat([.init(.user, "Hello")])

    @Test func `the engine keeps the contract`() throws {
        try BackendContract(parrot(), prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `plain recomputation keeps the contract`() throws {
        let folder = TemporaryFolder(), processor = try Processor(threads: 1)
        try OneSentenceModel.checkpoint(context: 64).write(to: folder("a.h5"))
        let checkpoint = try Checkpoint(reading: folder("a.h5")), (model, parameters) = try checkpoint.model(on: processor)
        let backend = UncachedBackend(try ModelInfo(of: checkpoint, name: "plain"), UncachedGenerator(of: model, parameters, on: processor))
        try BackendContract(backend, prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `a script keeps the contract`() throws {
        try BackendContract(ScriptedBackend(), prompt: hello, answer: OneSentenceModel.sentence).check()
    }

    @Test func `another program keeps the contract`() throws {
        let server = ScriptedServer(speakingFor: ScriptedBackend())
        let backend = try OpenAIBackend(address: server.address, model: nil, key: nil)
        #expect(backend.name == "scripted at \(server.address)/v1")
        try BackendContract(backend, prompt: hello, answer: OneSentenceModel.sentence, knowsContext: false).check()
    }

    @Test func `a text goes on, with tokens and what else might have come`() throws {
        let answer = try parrot().generate(GenerationRequest(.text("Hi,"), GenerationConfig(temperature: 0, logProbabilities: 2)))
        #expect(answer.text == " you!é日" && answer.end.reason == .stop)
        #expect(answer.tokens.map(\.id) == " you!é日".utf8.map { TokenID($0) } && answer.tokens[0].bytes == [0x20])
        #expect(
            answer.tokens.allSatisfy { ($0.logProbability ?? -9) > -0.01 && $0.alternatives.count == 2 && $0.alternatives[0].id == $0.id })
    }

    @Test func `tokens go on as their text does, special ones among them`() throws {
        let backend = try parrot(), config = try GenerationConfig(temperature: 0),
            assistant = try #require(SampleCheckpoint.vocabulary.specialTokenID("<|assistant|>"))
        #expect(try backend.generate(GenerationRequest(.tokens("Hi,".utf8.map { TokenID($0) }), config)).text == " you!é日")
        #expect(try backend.generate(GenerationRequest(.tokens([assistant]), config)).text == OneSentenceModel.sentence)
        let cut = try backend.generate(GenerationRequest(.tokens(Array(repeating: 65, count: 99) + [72]), config))
        #expect(cut.start.wasTruncated && cut.text == "i, you!é日" && cut.end.promptTokens < 64)
        #expect(throws: GenerationError.emptyPrompt) { try backend.generate(GenerationRequest(.tokens([]), config)) }
        #expect(throws: GenerationError.field("prompt", value: "token 260", expected: "tokens from 0 to 259")) {
            try backend.generate(GenerationRequest(.tokens([72, 260]), config))
        }
        #expect(throws: GenerationError.tooLong(promptTokens: 99, context: 64)) {
            try backend.generate(GenerationRequest(.tokens(Array(repeating: 65, count: 99)), config, policy: .refuse))
        }
    }

    @Test func `old turns fall out of the window, and whoever asks hears of it`() throws {
        let said =
            (0..<9).flatMap { [Conversation.Message(.user, "question \($0)"), .init(.assistant, "answer \($0)")] } + [.init(.user, "Hello")]
        let answer = try parrot().generate(GenerationRequest(.chat(said), GenerationConfig(temperature: 0)))
        #expect(answer.start.droppedMessages == 14 && !answer.start.wasTruncated && answer.start.context == 64)
        #expect(answer.text == OneSentenceModel.sentence && answer.end.promptTokens == answer.start.promptTokens)
        let cut = try parrot().generate(
            GenerationRequest(.chat([.init(.user, String(repeating: "x", count: 99))]), GenerationConfig(temperature: 0)))
        #expect(cut.start.wasTruncated && cut.text == OneSentenceModel.sentence)
    }

    @Test func `a field out of range is named with its range`() {
        func message(_ make: () throws(GenerationError) -> GenerationConfig) -> String {
            do throws(GenerationError) { _ = try make(); return "" } catch { return error.description }
        }
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(temperature: 2.5) }
                == "temperature: expected a number from 0 to 2, found 2.5.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(temperature: .nan) }
                == "temperature: expected a number from 0 to 2, found nan.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(maximumTokens: 0) }
                == "maximumTokens: expected at least 1, found 0.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(topK: -1) }
                == "topK: expected 0 for all tokens, or more, found -1.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(topP: 0) }
                == "topP: expected a number above 0 and up to 1, found 0.0.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(minP: 1.1) } == "minP: expected a number from 0 to 1, found 1.1.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(repetitionPenalty: 0) }
                == "repetitionPenalty: expected a number above 0; 1 changes nothing, found 0.0.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(frequencyPenalty: -3) }
                == "frequencyPenalty: expected a number from -2 to 2, found -3.0.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(stop: ["a", ""]) }
                == "stop: expected texts that are not empty, found an empty text.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(stop: Array(repeating: "a", count: 17)) }
                == "stop: expected at most 16, found 17 texts.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(logitBias: [3: 101]) }
                == "logitBias: expected a number from -100 to 100, found 101.0 for token 3.")
        #expect(
            message { () throws(GenerationError) in try GenerationConfig(logProbabilities: 21) }
                == "logProbabilities: expected a whole number from 0 to 20, found 21.")
    }
}
