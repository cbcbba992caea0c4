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

/// Many answers at once, by a model of random weights: what it says means nothing, and depends on all that it has read.
@Suite struct EngineTests {
    private let folder = TemporaryFolder()
    private let path: String

    init() throws {
        let processor = try Processor(threads: 1), vocabulary = SampleCheckpoint.vocabulary
        let configuration = GPTConfiguration(layers: 2, heads: 2, width: 64, context: 96, vocabulary: vocabulary.count)
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor, seed: 5)
        parameters.values.write { span in for i in span.indices { span[i] *= 4 } }      // so that tokens differ clearly
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        checkpoint.chatTemplate = .specialTokens
        path = folder("random.h5")
        try checkpoint.write(to: path)
    }

    private func backend(_ type: PrecisionOption = .f32, _ change: (inout LocalBackend.Limits) -> Void = { _ in }) throws -> LocalBackend {
        var limits = LocalBackend.Limits()
        change(&limits)
        return try LocalBackend(checkpoint: path, type, limits: limits) { try Processor(threads: 2) }
    }

    private func request(_ i: Int, most: Int = 24) throws -> GenerationRequest {
        let text = String(repeating: "What is \(i)? ", count: 1 + i % 4),
            config = try GenerationConfig(
                maximumTokens: most - i % 7, temperature: i % 5 == 0 ? 0 : 0.9, topK: i % 3 == 0 ? 20 : 0,
                repetitionPenalty: i % 2 == 0 ? 1.2 : 1, seed: UInt64(i))
        return GenerationRequest(i % 2 == 0 ? .chat([.init(.user, text)]) : .text(text), config)
    }

    @Test(arguments: [PrecisionOption.f32, .bf16, .int8, .int4]) func `the same seed says the same alone, and among 64`(
        _ type: PrecisionOption
    ) throws {
        let alone = try backend(type) { $0.answers = 1 },
            many = try backend(type) { limits in
                limits.answers = 64
                limits.sharedSlice = 17
                limits.wholeSlice = 40
            }
        let requests = try (0..<64).map { try request($0) }, wanted = try requests.map { try alone.generate($0) }
        let found = Mutex([String](repeating: "", count: 64))
        try many.answers(to: requests, atOnce: 64) { i, answer in
            let text = try answer.get().text
            found.withLock { $0[i] = text }
        }
        let texts = found.withLock { $0 }, isSame = texts == wanted.map(\.text)
        #expect(isSame && Set(texts).count > 40, "\(zip(texts, wanted).filter { $0.0 != $0.1.text }.count) differ")
        #expect(many.status.answering == 0 && many.status.waiting == 0)
    }

    @Test func `a conversation that goes on is not read again, and says the same`() throws {
        let engine = try backend(), fresh = try backend { $0.answers = 1 }, config = try GenerationConfig(maximumTokens: 12, temperature: 0)
        var history = [Conversation.Message(.user, "Hello, how are you?")], read = 0
        for turn in 0..<2 {
            let request = GenerationRequest(.chat(history), config), answer = try engine.generate(request)
            #expect(try fresh.generate(GenerationRequest(.text("something else"), config)).beginning.cachedTokens == 0)
            #expect(try fresh.generate(request).text == answer.text)
            // What was said may be other tokens when it is read again; what was asked is the same.
            #expect(answer.start.cachedTokens >= read, "\(answer.start)")
            read = answer.start.promptTokens ?? 0
            history += [.init(.assistant, answer.text), .init(.user, "And \(turn)?")]
        }
    }

    @Test func `who begins as another did, who is still being answered, need not read the beginning`() throws {
        let engine = try backend { $0.answers = 2 }, system = String(repeating: "Be kind. ", count: 5),
            config = try GenerationConfig(maximumTokens: 40, temperature: 0)
        func request(_ text: String) -> GenerationRequest { GenerationRequest(.text(system + text), config) }
        let alone = try engine.generate(request("B")), other = try backend { $0.answers = 2 }
        let first = try other.stream(request("A"))
        while case .piece? = first.next() {}                   // it has begun
        _ = first.next()
        let second = try other.generate(request("B"))
        #expect(second.start.cachedTokens >= 40 && second.text == alone.text, "\(second.start)")
    }

    @Test func `a beginning that all share takes nobody's conversation`() throws {
        let engine = try backend(), config = try GenerationConfig(maximumTokens: 4, temperature: 0),
            common = String(repeating: "Be kind. ", count: 4)
        func ask(_ rest: String) throws -> GenerationStart {
            try engine.generate(GenerationRequest(.text(common + rest), config)).beginning
        }
        let length = common.utf8.count, ada = "Ada asks why it rains.", bob = "Bob wants to know it too."
        #expect(try ask(ada).cachedTokens == 0)
        #expect(try (length..<length + 5).contains(ask(bob).cachedTokens))
        #expect(try ask(ada + " And?").cachedTokens >= length + ada.utf8.count)
        #expect(try ask(bob + " And?").cachedTokens >= length + bob.utf8.count)
    }

    @Test func `what was answered is remembered as long as there is memory for it`() throws {
        let config = try GenerationConfig(maximumTokens: 12, temperature: 0),
            requests = (0..<40).map { GenerationRequest(.text("\($0) is the number of this text."), config) }
        let plain = try backend { $0.answers = 1 }, wanted = try requests.map { try plain.generate($0).text }
        let page = plain.status.memoryBytes
        func use(_ remembered: Int, atOnce count: Int) throws -> Int {
            let engine = try backend { $0.remembered = remembered }, found = Mutex([String](repeating: "", count: requests.count))
            try engine.answers(to: requests, atOnce: count) { i, answer in
                let text = try answer.get().text
                found.withLock { $0[i] = text }
            }
            let isSame = found.withLock { $0 } == wanted
            #expect(isSame)
            return engine.status.memoryBytes
        }
        #expect(page > 0)
        #expect(try use(0, atOnce: 1) == 0 && use(4 * page, atOnce: 1) == 4 * page)
        #expect(try use(0, atOnce: 8) == 0 && (1...4 * page).contains(use(4 * page, atOnce: 8)))
    }

    @Test func `a cancelled answer leaves its place at once`() throws {
        let engine = try backend {
            $0.answers = 1
            $0.waiting = 1
        }
        // The engine stands still at its first piece until it may go on.
        let hasBegun = Mailbox<Void>(), mayGoOn = Mailbox<Void>(), isHeld = Atomic(true)
        let long = try engine.answer(GenerationRequest(.text("a"), GenerationConfig(temperature: 1, seed: 1))) { event in
            guard case .piece = event, isHeld.exchange(false, ordering: .relaxed) else { return }
            hasBegun.put(())
            mayGoOn.take()
        }
        hasBegun.take()
        let waiting = try engine.stream(request(2))
        #expect(throws: GenerationError.busy(waiting: 2)) { try engine.generate(request(3)) }
        long.cancel()
        mayGoOn.put(())
        var last: GenerationEvent?
        for event in waiting { last = event }
        guard case .ended(let end)? = last else { Issue.record("no end"); return }
        #expect(end.reason == .length || end.reason == .stop)
        #expect(try engine.generate(request(3)).end.answerTokens > 0)
    }

    @Test func `a long prompt stalls nobody`() throws {
        let engine = try backend { ($0.answers, $0.sharedSlice) = (2, 4) }, moments = Mutex<[String]>([])
        let isOver = Mailbox<Void>(), eager = try GenerationConfig(maximumTokens: 80, temperature: 2, seed: 4)
        _ = try engine.answer(GenerationRequest(.text("a"), eager)) { event in
            if case .piece = event { moments.withLock { $0.append("short") } }
            if case .ended = event { isOver.put(()) }
        }
        _ = try engine.answer(
            GenerationRequest(.text(String(repeating: "long ", count: 12)), GenerationConfig(maximumTokens: 1, temperature: 0))
        ) { event in
            switch event {
            case .began: moments.withLock { $0.append("began") };
            case .piece: break;
            case .ended: moments.withLock { $0.append("read") }; isOver.put(())
            }
        }
        for _ in 0..<2 { isOver.take() }
        let all = moments.withLock { $0 }
        guard let began = all.firstIndex(of: "began"), let read = all.firstIndex(of: "read") else { Issue.record("\(all)"); return }
        // 60 tokens, 4 a step: at least 10 steps in which the other one went on, unless it was over by then.
        #expect(read - began > 8 || !all[read...].contains("short"), "\(all)")
    }

    @Test func `whoever lets go of the engine hears the end of what it was saying`() throws {
        let ends = Mailbox<GenerationEnd>()
        do {
            let engine = try backend { $0.answers = 1 }
            for _ in 0..<3 {
                _ = try engine.answer(GenerationRequest(.text("a"), GenerationConfig(temperature: 2))) {
                    if case .ended(let end) = $0 { ends.put(end) }
                }
            }
        }
        let reasons = (0..<3).map { _ in ends.take().reason }
        #expect(reasons.contains(.cancelled), "\(reasons)")
    }

    @Test func `what cannot be opened says why`() {
        #expect(throws: CheckpointError.self) { try LocalBackend(checkpoint: folder("none.h5")) { try Processor(threads: 1) } }
    }
}
