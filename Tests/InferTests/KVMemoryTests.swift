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

/// The memory of the KV caches of an engine with random weights, whose answers depend on everything in the context.
@Suite struct KVMemoryTests {
    private let folder = TemporaryFolder()
    private let path: String
    /// The memory of caches of 500, 1,000, … positions.
    private let size: KVCacheSize

    init() throws {
        let processor = try Processor(threads: 1), vocabulary = SampleCheckpoint.vocabulary
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 32, context: 4_096, vocabulary: vocabulary.count)
        path = folder("random.h5")
        try SampleCheckpoint.random(configuration, on: processor).write(to: path)
        size = processor.makeKVCache(layers: 1, heads: 2, headWidth: 16, capacity: 4_096, .float32).size
    }

    @Test func `a context whose KV cache exceeds the addresses of the process is limited, with a note`() throws {
        var configuration = GPTConfiguration(
            layers: 1, heads: 1, width: 8, headWidth: 8_192, context: 16_777_216, vocabulary: SampleCheckpoint.vocabulary.count)
        configuration.positions = .rotary
        let huge = folder("huge.h5")
        try SampleCheckpoint.random(configuration, on: Processor(threads: 1)).write(to: huge)
        let backend = try LocalBackend(of: huge)
        let context = try #require(backend.context)
        #expect((4_096..<16_777_216).contains(context))
        let note = "a KV cache can hold \(context) of the model's context of 16777216 tokens here"
        #expect(backend.model.importNotes == [note])
        #expect(try backend.generate(request(0, promptTokens: 20, answerTokens: 3)).tokens.count == 3)
    }

    private func backend(limit: Int? = nil, _ change: (inout LocalBackend.Limits) -> Void = { _ in }) throws -> LocalBackend {
        try LocalBackend(of: path) { limits in
            limits.kvMemory = limit
            limits.sharedPrefillChunk = 512
            change(&limits)
        }
    }

    private func request(_ i: Int, promptTokens: Int, answerTokens: Int?) throws -> GenerationRequest {
        let ids = (0..<promptTokens).map { TokenID(32 + ($0 * (i + 3) + i) % 90) }
        var config = try GenerationConfig(maxTokens: answerTokens, temperature: 0.9, seed: UInt64(i))
        config.ignoresEOS = true
        return GenerationRequest(.tokens(ids), config)
    }

    @Test func `many long prompts are all answered, and the memory of KV caches stays within the limit`() throws {
        let requests = try (0..<24).map { try request($0, promptTokens: 300 + 97 * ($0 % 8), answerTokens: 5 + $0) }
        let expected = try backend().texts(of: requests, concurrency: requests.count)
        let limit = size.bytes(forPositions: 1_030) * 5 / 2
        let engine = try backend(limit: limit) { $0.cacheBudget = 1 << 30 }
        for _ in 0..<2 {                                       // the second time, finished sequences occupy the memory
            let found = try engine.texts(of: requests, concurrency: requests.count), isSame = found == expected
            #expect(isSame, "\(zip(found, expected).filter { $0.0 != $0.1 }.count) differ")
        }
        let status = engine.status
        #expect(status.mostReservedBytes <= limit && status.mostReservedBytes > limit / 2, "\(status), limit \(limit)")
        #expect(status.running == 0 && status.waiting == 0 && status.reservedBytes == status.cacheBytes)
    }

    @Test func `an answer that outgrows the memory continues with the same text when others have ended`() throws {
        let requests = try (0..<3).map { try request($0, promptTokens: 40, answerTokens: 1_400) }
        let expected = try backend().texts(of: requests, concurrency: requests.count)
        // Three answers can begin, and only one can end beside another that has just begun.
        let limit = 3 * size.bytes(forPositions: 1_064)
        let engine = try backend(limit: limit)
        let found = try engine.texts(of: requests, concurrency: requests.count), isSame = found == expected
        #expect(isSame && expected.allSatisfy { $0.utf8.count > 500 })
        #expect(engine.status.mostReservedBytes <= limit && engine.status.mostReservedBytes > limit * 9 / 10, "\(engine.status)")
    }

    @Test func `a draft model has a part of the memory, and answers that wait for memory stay the same`() throws {
        let requests = try (0..<6).map { try request($0, promptTokens: 40, answerTokens: 1_100 + 20 * $0) }
        let expected = try backend().texts(of: requests, concurrency: requests.count)
        let limit = 3 * size.bytes(forPositions: 1_064) * 8 / 7
        let engine = try LocalBackend(of: path, draft: path) { limits in
            limits.kvMemory = limit
            limits.speculation = .always
        }
        let found = try engine.texts(of: requests, concurrency: requests.count), isSame = found == expected
        #expect(isSame)
        #expect(engine.status.mostReservedBytes <= limit && engine.kvMemoryUse?.limit == limit, "\(engine.status)")
        #expect(engine.status.reservedBytes == engine.status.cacheBytes)
    }

    @Test func `a prompt that can never fit is refused, and an answer that cannot is shortened`() throws {
        let limit = size.bytes(forPositions: 1_000), most = size.positions(within: limit), engine = try backend(limit: limit)
        #expect(most >= 1_000 && most < 1_100 && engine.memory.mostPositions == most)
        let needed = size.bytes(forPositions: most + 1)
        #expect(throws: GenerationError.tooMuchMemory(promptTokens: most, bytes: needed, limit: limit)) {
            try engine.generate(request(1, promptTokens: most, answerTokens: 1))
        }
        let error = GenerationError.tooMuchMemory(promptTokens: 70_000, bytes: 3 << 30, limit: 5 << 19)
        #expect("\(error)" == "the prompt has 70000 tokens, whose keys and values need 3072 MB: expected at most 2.5 MB. "
            + "Shorten it, or raise --kv-memory.")
        for answerTokens in [nil, 600] {
            let answer = try engine.generate(request(2, promptTokens: most - 20, answerTokens: answerTokens))
            #expect(answer.end.reason == .length && answer.end.answerTokens == 20)
        }
        #expect(engine.status.mostReservedBytes <= limit && engine.status.running == 0)
    }

    @Test func `a generation that needs much memory is not overtaken by those behind it`() throws {
        let limit = size.bytes(forPositions: 1_500), engine = try backend(limit: limit)
        let begun = Mutex<[String]>([]), ended = Mailbox<Void>(), hasBegun = Mailbox<Void>(), resume = Mailbox<Void>()
        let isBlocking = Atomic(true)
        func start(_ name: String, promptTokens: Int) throws {
            _ = try engine.start(request(name.utf8.count, promptTokens: promptTokens, answerTokens: 5)) { event in
                switch event {
                case .began: begun.withLock { $0.append(name) }
                case .piece where name == "first" && isBlocking.exchange(false, ordering: .relaxed):
                    hasBegun.put(())
                    resume.take()
                case .piece: break
                case .ended: ended.put(())
                }
            }
        }
        try start("first", promptTokens: 700)
        hasBegun.take()
        try start("large", promptTokens: 1_200)
        try start("small", promptTokens: 20)                   // it would fit beside the first
        resume.put(())
        for _ in 0..<3 { ended.take() }
        #expect(begun.withLock { $0 } == ["first", "large", "small"])
    }

    @Test func `sizes of KV caches grow in pages up to the whole cache`() throws {
        let processor = try Processor(threads: 1)
        for precision in [WeightPrecision.float32, .bfloat16, .int8] {
            let size = processor.makeKVCache(layers: 3, heads: 2, headWidth: 64, capacity: 5_000, precision).size
            let bytes = (0...5_000).map { size.bytes(forPositions: $0) }
            #expect(bytes[0] == 0 && zip(bytes, bytes.dropFirst()).allSatisfy { $0 <= $1 } && bytes.allSatisfy { $0 % 4_096 == 0 })
            #expect(bytes[5_000] >= size.addressBytes - 8_192 && bytes[5_000] <= size.addressBytes + 4_096)
            // 12 arrays of keys or values, each with a page at both ends, and in int8 with scales.
            #expect(bytes[100] >= size.addressBytes / 50 && bytes[100] <= size.addressBytes / 50 + 12 * 4 * 4_096)
            #expect(size.positions(within: bytes[3_000]) >= 3_000 && size.positions(within: bytes[3_000]) < 3_100)
            #expect(size.positions(within: 0) == 0 && size.positions(within: .max) == 5_000)
        }
    }
}
