import Autograd
import Checkpoint
import Infer
import Kernels
import Model
import Synchronization
import Testing
import TestSupport
import Threads
import Tokenize

/// Log-probabilities of prompts, held against the losses that evaluation computes.
@Suite struct PromptLogProbabilityTests {
    private let folder = TemporaryFolder()
    private let path: String
    private let checkpoint: Checkpoint
    private let prompts: [[TokenID]] = [[7], [3, 250], (0..<95).map { TokenID($0 * 37 % 256) }, (0..<40).map { TokenID($0 * 11 % 256) }]

    init() throws {
        path = folder("random.h5")
        checkpoint = try SampleCheckpoint.randomChat(context: 96)
        try checkpoint.write(to: path)
    }

    private func engine(_ change: (inout LocalBackend.Limits) -> Void = { _ in }) throws -> LocalBackend {
        try LocalBackend(of: path, with: change)
    }

    private func request(_ ids: [TokenID], promptOnly: Bool = false) throws -> GenerationRequest {
        var config = try GenerationConfig(maxTokens: 1, temperature: 0, logProbabilities: 2)
        config.promptLogProbabilities = 2
        config.isPromptOnly = promptOnly
        return GenerationRequest(.tokens(ids), config, policy: .refuse)
    }

    /// Negative losses, from the function that evaluates models.
    private func expected(_ ids: [TokenID]) throws -> [Double] {
        let runner = try ModelRunner(of: checkpoint, on: try Processor(threads: 1), precision: .float32)
        if ids.count < 2 { return [] }
        return runner.tokenLosses(of: Array(ids.dropLast()), predicting: [Array(ids.dropFirst())])[0].nats.map { -Double($0) }
    }

    @Test(arguments: [1, 17, 512])
    func `they equal the losses of evaluation, alone, in a batch and with a cached prompt`(chunk: Int) throws {
        let engine = try engine { limits in
            limits.sharedPrefillChunk = chunk
            limits.solePrefillChunk = chunk
        }
        let requests = try (prompts + prompts).map { try request($0) }
        try engine.generate(requests, concurrency: 5) { i, result in
            let result = try result.get(), ids = prompts[i % prompts.count], tokens = result.promptTokens
            #expect(tokens.map(\.id) == ids && tokens.first?.logProbability == nil && tokens.first?.rank == nil)
            let found = tokens.dropFirst().map { Double($0.logProbability ?? 0) }, wanted = try expected(ids)
            #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 }, "prompt \(i)")
            for token in tokens.dropFirst() {
                #expect(token.alternatives.count == 2)
                let top = token.alternatives[0]
                #expect((token.rank == 1) == (top.id == token.id) && top.logProbability >= token.logProbability ?? 0)
                if token.rank == 1 { #expect(top.logProbability == token.logProbability) }
            }
            #expect(result.tokens.count == 1)
        }
    }

    @Test(arguments: [1, 17, 512]) func `those of the last tokens alone are the same, and prompts share what is before`(chunk: Int) throws {
        let engine = try engine { limits in
            limits.sharedPrefillChunk = chunk
            limits.solePrefillChunk = chunk
        }
        for first in [0, 1, 60, 93, 94] {
            let ids = [prompts[2], Array(prompts[2].prefix(first)) + (first..<95).map { TokenID($0 * 11 % 256) }]
            let requests = try (ids + ids).map { ids in
                var request = try request(ids, promptOnly: true)
                request.config.firstPromptLogProbability = first
                return request
            }
            try engine.generate(requests, concurrency: 2) { i, result in
                let tokens = try result.get().promptTokens, wanted = try expected(ids[i % 2]).suffix(95 - max(1, first))
                #expect(tokens.map(\.id) == ids[i % 2].dropFirst(first).map { $0 })
                let found = tokens.suffix(95 - max(1, first)).map { Double($0.logProbability ?? 0) }
                #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 }, "\(first), prompt \(i)")
            }
        }
    }

    @Test func `a prompt without an answer may fill the context, and one with an answer may not`() throws {
        let engine = try engine(), ids = (0..<96).map { TokenID($0 * 37 % 256) }
        let result = try engine.generate(request(ids, promptOnly: true))
        #expect(result.text.isEmpty && result.tokens.isEmpty && result.end.answerTokens == 0 && result.end.reason == .length)
        #expect(result.promptTokens.count == 96 && result.end.promptTokens == 96)
        #expect(throws: GenerationError.tooLong(promptTokens: 96, context: 96)) { try engine.generate(request(ids)) }
        let longer = try request(ids + [1], promptOnly: true)
        #expect(throws: GenerationError.tooLong(promptTokens: 97, context: 96)) { try engine.generate(longer) }
        #expect(engine.status.running == 0 && engine.status.waiting == 0)
    }

    @Test func `a generation that is paused in its prompt has all of them`() throws {
        let engine = try engine { limits in
            limits.slots = 1
            limits.solePrefillChunk = 8
        }
        let began = Mailbox<Void>(), isPaused = Mailbox<Void>(), ended = Mailbox<GenerationResult>(), result = AnswerCollector()
        let handle = try engine.start(request(prompts[2])) { event in
            if case .began = event {
                began.put(())
                isPaused.take()
            }
            let answer = result.add(event)
            if case .ended = event { ended.put(answer) }
        }
        began.take()
        handle.pause()
        isPaused.put(())
        // Takes the only slot, and evicts what was cached.
        _ = try engine.generate(request(prompts[3]))
        handle.resume()
        let found = ended.take().promptTokens.dropFirst().map { Double($0.logProbability ?? 0) }, wanted = try expected(prompts[2])
        #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 })
    }
}

/// Collects the events of an answer.
private final class AnswerCollector: Sendable {
    private let result = Mutex(GenerationResult())

    func add(_ event: GenerationEvent) -> GenerationResult {
        result.withLock { result in
            result.add(event)
            return result
        }
    }
}
