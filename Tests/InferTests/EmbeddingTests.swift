import Autograd
import Checkpoint
import Infer
import Kernels
import Model
import TestSupport
import Testing
import Threads
import Tokenize

/// Embeddings, held against the mean of the hidden states that a forward pass of training has.
@Suite struct EmbeddingTests {
    private let folder = TemporaryFolder()
    private let path: String
    private let checkpoint: Checkpoint
    private let texts: [[TokenID]] = [[7], [3, 250], (0..<96).map { TokenID($0 * 37 % 256) }, (0..<40).map { TokenID($0 * 11 % 256) }]

    init() throws {
        path = folder("random.h5")
        checkpoint = try SampleCheckpoint.randomChat(context: 96, weightScale: 1)
        try checkpoint.write(to: path)
    }

    private func engine(_ change: (inout LocalBackend.Limits) -> Void = { _ in }) throws -> LocalBackend {
        try LocalBackend(of: path, with: change)
    }

    /// Waits for the embeddings.
    private func embed(_ texts: [[TokenID]], with engine: LocalBackend) throws -> [[Float]] {
        let ended = Mailbox<EmbeddingResult>()
        _ = try engine.embed(texts) { ended.put($0) }
        let result = ended.take()
        #expect(result.reason == .stop)
        return result.embeddings
    }

    /// From a forward pass on a tape, with sums in f64.
    private func expected(_ ids: [TokenID]) throws -> [Double] {
        let processor = try Processor(threads: 1)
        let (model, parameters) = try checkpoint.model(on: processor)
        let tape = Tape(processor, parameters: parameters), buffer = processor.buffer(of: ids.count, .int32)
        buffer.writeIDs { span in for i in span.indices { span[i] = ids[i] } }
        let C = checkpoint.configuration.width
        var sum = [Double](repeating: 0, count: C)
        tape.withoutRecording {
            let states = model.hiddenStates(of: Tensor(buffer, [1, ids.count]), on: tape)
            states.elements.read { span in for i in span.indices { sum[i % C] += Double(span[i]) } }
        }
        let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sum.map { $0 / length }
    }

    @Test func `an embedding is the normalized mean of the final hidden states`() throws {
        let engine = try engine(), found = try embed(texts, with: engine)
        #expect(engine.embeddingWidth == 64 && found.count == texts.count)
        for (embedding, ids) in zip(found, texts) {
            let expected = try expected(ids)
            #expect(embedding.count == 64 && zip(embedding, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(ids.count) tokens")
            #expect(abs(embedding.reduce(0) { $0 + Double($1) * Double($1) } - 1) < 1e-5)
        }
        #expect(engine.status.running == 0 && engine.status.waiting == 0)
    }

    @Test(arguments: [(16, 512), (16, 17), (2, 1), (1, 40)])
    func `embeddings are the same alone and in batches of any size`(slots: Int, chunk: Int) throws {
        let engine = try engine { limits in
            limits.slots = slots
            limits.solePrefillChunk = chunk
            limits.sharedPrefillChunk = chunk
        }
        let alone = try texts.map { try embed([$0], with: self.engine())[0] }
        let many = (0..<40).map { texts[$0 % texts.count] }
        #expect(try embed(many, with: engine) == (0..<40).map { alone[$0 % texts.count] })
    }

    @Test func `embeddings and answers at the same time do not change each other`() throws {
        let engine = try engine { $0.slots = 4 }, alone = try embed(texts, with: self.engine())
        let config = try GenerationConfig(maxTokens: 30, temperature: 0)
        let requests = (0..<8).map { GenerationRequest(.text("What is \($0)?"), config) }
        let expected = try requests.map { try self.engine().generate($0).text }
        let ended = Mailbox<EmbeddingResult>()
        var answers: [String] = []
        for _ in 0..<6 { _ = try engine.embed(texts + texts) { ended.put($0) } }
        try engine.generate(requests, concurrency: 8) { _, result in answers.append(try result.get().text) }
        for _ in 0..<6 { #expect(ended.take() == EmbeddingResult(alone + alone)) }
        #expect(answers == expected && engine.status.running == 0 && engine.status.waiting == 0)
    }

    @Test func `embeddings leave cached conversations alone`() throws {
        let engine = try engine(), request = GenerationRequest(.text("Hello, how are you today?"), try GenerationConfig(maxTokens: 4))
        _ = try engine.generate(request)
        _ = try embed((0..<100).map { _ in texts[3] }, with: engine)
        #expect(try engine.generate(request).start.cachedTokens > 20)
    }

    @Test func `a request can be paused, and canceled`() throws {
        let engine = try engine { limits in
            limits.slots = 1
            limits.solePrefillChunk = 8
        }
        let ended = Mailbox<EmbeddingResult>(), alone = try embed(texts, with: self.engine())
        let handle = try engine.embed(texts) { ended.put($0) }
        handle.pause()
        // The slot is free.
        _ = try engine.generate(GenerationRequest(.text("Hi"), GenerationConfig(maxTokens: 2)))
        handle.resume()
        #expect(handle.canPause && ended.take() == EmbeddingResult(alone))
        let canceled = try engine.embed((0..<10_000).map { _ in texts[2] }) { ended.put($0) }
        canceled.cancel()
        #expect(ended.take() == EmbeddingResult([], .canceled))
        #expect(engine.status.running == 0 && engine.status.waiting == 0)
        #expect(try embed([texts[1]], with: engine) == [alone[1]])
    }

    @Test func `texts that cannot be embedded are refused`() throws {
        let engine = try engine()
        func refusal(_ texts: [[TokenID]]) -> GenerationError? {
            do throws(GenerationError) { _ = try engine.embed(texts) { _ in } } catch { return error }
            return nil
        }
        let long = [TokenID](repeating: 1, count: 97)
        #expect(refusal([[1], long]) == .textTooLong(index: 1, tokens: 97, context: 96))
        #expect(refusal([[]]) == .emptyPrompt && refusal([]) == .emptyPrompt)
        #expect(refusal([[9_999]]) == .field("texts", value: "token 9999", expected: "token ids from 0 to 259"))
        #expect(engine.status.running == 0 && engine.status.waiting == 0)
    }

    @Test func `a model that is released ends its requests`() throws {
        let ended = Mailbox<EmbeddingResult>()
        var engine: LocalBackend? = try engine { $0.solePrefillChunk = 1 }
        _ = try engine?.embed((0..<10_000).map { _ in texts[2] }) { ended.put($0) }
        engine = nil
        #expect(ended.take().reason == .canceled)
    }
}
