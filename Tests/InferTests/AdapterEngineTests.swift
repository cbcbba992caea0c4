import Autograd
import Checkpoint
import Formats
import Infer
import Kernels
import Model
import Synchronization
import Testing
import TestSupport
import Tokenize

/// Several LoRA adapters that share the weights and the batches of one model.
@Suite struct AdapterEngineTests {
    private let folder = TemporaryFolder()

    private func updates(_ sample: SampleAdapters, on processor: Processor) throws -> [[LoRAUpdate]] {
        let digest = sample.base.weightsDigest
        return try sample.adapters.map { try $0.loraUpdates(of: sample.base, digest: digest, on: processor) }
    }

    /// The logits after a prompt and two further tokens, alone in their batches.
    private func alone(_ runner: ModelRunner, _ ids: [TokenID], adapter: Int? = nil) -> [[Float]] {
        let cache = runner.makeKVCache(), half = ids.count / 2
        return [(0, half), (half, ids.count - 1), (ids.count - 1, ids.count)].map { from, to in
            runner.logits(for: [.init(cache, from: from, ids: Array(ids[from..<to]), adapter: adapter)]).floats
        }
    }

    /// The same for many prompts at once: prompt n with adapter `adapters[n]`.
    private func together(_ runner: ModelRunner, _ prompts: [[TokenID]], adapters: [Int?]) -> [[[Float]]] {
        let caches = prompts.map { _ in runner.makeKVCache() }, V = runner.model.configuration.vocabulary
        var results = [[[Float]]](repeating: [], count: prompts.count)
        for step in 0..<3 {
            let segments = prompts.indices.map { n in
                let ids = prompts[n], half = ids.count / 2
                let (from, to) = [(0, half), (half, ids.count - 1), (ids.count - 1, ids.count)][step]
                return ModelRunner.Segment(caches[n], from: from, ids: Array(ids[from..<to]), adapter: adapters[n])
            }
            let logits = runner.logits(for: segments).floats
            for n in prompts.indices { results[n].append(Array(logits[n * V..<(n + 1) * V])) }
        }
        return results
    }

    /// Longer than the rows that one thread multiplies at a time.
    private let prompts: [[TokenID]] = (0..<8).map { (n: Int) -> [TokenID] in
        let length = n == 3 ? 70 : 6 + n
        return (0..<length).map { (i: Int) -> TokenID in TokenID((i * 7 + n * 31) % 250) }
    }
    private let adapters: [Int?] = [nil, 0, 1, 1, 2, nil, 0, 2]

    @Test(arguments: Processor.instructionSets, WeightPrecision.allCases)
    func `rows with different adapters in one batch have the bits of each adapter alone`(
        _ instructionSet: String, _ precision: WeightPrecision
    ) throws {
        for family in [SampleFamily.gpt2, .qwen2, .gemma3] {
            let folder = TemporaryFolder(), processor = try Processor(threads: 2, instructionSet: instructionSet)
            try checkBits(SampleAdapters(in: folder, family), precision, processor)
        }
    }

    private func checkBits(_ sample: SampleAdapters, _ precision: WeightPrecision, _ processor: Processor) throws {
        let shared = try ModelRunner(of: sample.base, adapters: updates(sample, on: processor), on: processor, precision: precision)
        let found = together(shared, prompts, adapters: adapters)
        let separate: [ModelRunner] = try [0, 1].map { try ModelRunner(of: sample.adapters[$0], on: processor, precision: precision) }
        let base = try ModelRunner(of: sample.base, on: processor, precision: precision)
        for (n, adapter) in adapters.enumerated() {
            expectSame(found[n], alone(shared, prompts[n], adapter: adapter), "\(precision), prompt \(n) alone")
            // An adapter that PiSSA has changed the base for is not the same bits as one of its own: see the next test.
            if adapter == 2 { continue }
            let runner = adapter.map { separate[$0] } ?? base
            expectSame(found[n], alone(runner, prompts[n]), "\(precision), prompt \(n) by its own model")
        }
        let choices: [Int?] = [nil, 0, 1, 2]
        let answers: [[Float]] = choices.map { choice in alone(shared, prompts[1], adapter: choice).flatMap { $0 } }
        for i in 1..<4 { for j in 0..<i { #expect(answers[i] != answers[j], "adapters \(i) and \(j)") } }
    }

    @Test(arguments: [SampleFamily.gpt2, .qwen2]) func `logits of adapters equal those of merged models`(_ family: SampleFamily) throws {
        let processor = try Processor(threads: 2), sample = try SampleAdapters(in: folder, family)
        let shared = try ModelRunner(of: sample.base, adapters: updates(sample, on: processor), on: processor, precision: .float32)
        let found = together(shared, prompts, adapters: adapters)
        for (index, adapter) in sample.adapters.enumerated() {
            let merged = try ModelRunner(of: adapter.merged(on: processor), on: processor, precision: .float32)
            for n in prompts.indices where adapters[n] == index {
                for (found, expected) in zip(found[n], alone(merged, prompts[n])) {
                    expectClose(found, expected, within: .gradient, "\(SampleAdapters.names[index]), prompt \(n)")
                }
            }
        }
    }

    /// B·A and B₀·A₀ are ten times as large as their difference here.
    @Test func `an adapter of PiSSA keeps its precision in bf16`() throws {
        let processor = try Processor(threads: 2), sample = try SampleAdapters(in: folder, .qwen2)
        let shared = try ModelRunner(of: sample.base, adapters: updates(sample, on: processor), on: processor, precision: .bfloat16)
        let model = try sample.adapters[2].merged(on: processor)
        let exact = try ModelRunner(of: model, on: processor, precision: .float32)
        let merged = try ModelRunner(of: model, on: processor, precision: .bfloat16)
        func error(_ found: [[Float]], _ expected: [[Float]]) -> Double {
            var sum = 0.0
            for (a, b) in zip(found.joined(), expected.joined()) { sum += Double((a - b) * (a - b)) }
            return sum
        }
        let expected = alone(exact, prompts[4])
        #expect(error(alone(shared, prompts[4], adapter: 2), expected) < 2 * error(alone(merged, prompts[4]), expected))
    }

    private func backend(
        _ option: PrecisionOption = .f32, draft: String? = nil, _ change: (inout LocalBackend.Limits) -> Void = { _ in }
    ) throws -> LocalBackend {
        let files = SampleAdapters.names.map { AdapterFile(name: $0, path: folder("\($0).h5")) }
        return try LocalBackend(of: folder("base.h5"), option, adapters: files, draft: draft, with: change)
    }

    @Test(arguments: [PrecisionOption.f32, .int8])
    func `answers of the model and its adapters are the same alone and in one batch`(_ option: PrecisionOption) throws {
        _ = try SampleAdapters(in: folder)
        let alone = try backend(option) { $0.slots = 1 }
        let batched = try backend(option) { limits in
            limits.slots = 32
            limits.sharedPrefillChunk = 17
        }
        let requests = try (0..<32).map { i in
            let config = try GenerationConfig(maxTokens: 20 - i % 7, temperature: i % 4 == 0 ? 0 : 0.9, seed: UInt64(i))
            let text = String(repeating: "What is \(i)? ", count: 1 + i % 3)
            return GenerationRequest(i % 2 == 0 ? .chat([.init(.user, text)]) : .text(text), config)
        }
        func models(_ backend: LocalBackend) -> [any ChatBackend] { [backend] + backend.adapters }
        let expected = try requests.enumerated().map { i, request in try models(alone)[i % 4].generate(request).text }
        // Every request to every model, so that each batch has rows of all.
        let all = models(batched), started = Atomic(0)
        let mixed = ClosureBackend { request, deliver throws(GenerationError) in
            let index = started.add(1, ordering: .relaxed).oldValue
            return try all[index % all.count].start(request, deliver: deliver)
        }
        let isSame = try mixed.texts(of: requests, concurrency: 32) == expected
        #expect(isSame && Set(expected).count > 24)
        #expect(batched.adapters.map(\.name) == SampleAdapters.names && batched.status.running == 0)
    }

    @Test func `a draft model guesses for adapters, too`() throws {
        _ = try SampleAdapters(in: folder)
        let plain = try backend { $0.speculation = .never }, drafted = try backend(draft: folder("base.h5")) { $0.speculation = .always }
        var config = try GenerationConfig(maxTokens: 20, temperature: 0.9, seed: 3)
        config.ignoresEOS = true
        let request = GenerationRequest(.text("What is it?"), config)
        let models: [(any ChatBackend, any ChatBackend)] = [(plain, drafted)] + zip(plain.adapters, drafted.adapters).map { ($0, $1) }
        for (plain, drafted) in models {
            let found = try drafted.generate(request)
            #expect(try found.tokens == plain.generate(request).tokens && found.end.guesses.checked > 0, "\(drafted.name)")
        }
    }

    @Test func `keys and values are not shared between adapters`() throws {
        _ = try SampleAdapters(in: folder)
        let system = String(repeating: "Be kind. ", count: 4)
        let engine = try backend { $0.sharedSystemPrompt = system }, fresh = try backend { $0.slots = 1 }
        let request = try GenerationRequest(
            .chat([.init(.system, system), .init(.user, "Hi there")]), GenerationConfig(maxTokens: 8, temperature: 0))
        let models: [any ChatBackend] = [engine] + engine.adapters
        let first = try models.map { try $0.generate(request) }
        #expect(first.map(\.start.cachedTokens) == [0, 0, 0, 0])
        let again = try models.map { try $0.generate(request) }
        #expect(again.allSatisfy { $0.start.cachedTokens > 40 } && again.map(\.text) == first.map(\.text))
        let expected = try ([fresh] + fresh.adapters as [any ChatBackend]).map { try $0.generate(request).text }
        #expect(first.map(\.text) == expected && Set(expected).count == 4)
    }

    private func refusal(_ files: [AdapterFile], checkpoint: String = "base.h5") -> String {
        do {
            _ = try LocalBackend(checkpoint: folder(checkpoint), adapters: files, .f32) { try Processor(threads: 1) }
            return "accepted"
        } catch { return "\(error)".replacing(folder.path, with: "folder") }
    }

    @Test func `a folder of PEFT is served as the checkpoint that it was written from`() throws {
        let sample = try SampleAdapters(in: folder, .qwen2), processor = try Processor(threads: 1)
        try PEFT.write(sample.adapters[0], to: folder("peft"), as: .f32, baseModel: nil, on: processor)
        let file = try ModelFile.adapter(folder("peft"), of: sample.base, at: "base.h5", on: processor)
        let (base, digest) = (sample.base, sample.base.weightsDigest)
        let updates = try [file, sample.adapters[0]].map { try $0.loraUpdates(of: base, digest: digest, on: processor) }
        let runner = try ModelRunner(of: base, over: base, adapters: updates, on: processor, precision: .float32)
        let isSame = alone(runner, prompts[0], adapter: 0) == alone(runner, prompts[0], adapter: 1)
        #expect(isSame && alone(runner, prompts[0]) != alone(runner, prompts[0], adapter: 0))
        // A name of its own, and the model's template.
        let backend = try LocalBackend(checkpoint: folder("base.h5"), adapters: [.init(name: "other", path: folder("peft"))], .f32) {
            try Processor(threads: 1)
        }
        #expect(backend.adapters.map(\.name) == ["other"])
    }

    @Test func `files that are not adapters of the model are refused`() throws {
        let sample = try SampleAdapters(in: folder), other = TemporaryFolder()
        _ = try SampleAdapters(in: other, .llama)
        let wide = AdapterFile(name: "wide", path: folder("wide.h5"))
        let digest = sample.base.weightsDigest, otherDigest = try Checkpoint(reading: other("base.h5")).weightsDigest
        #expect(
            refusal([wide, AdapterFile(name: "foreign", path: other("wide.h5"))]).replacing(other.path, with: "other")
                == "other/wide.h5: adapter/base_digest: expected \(digest), the weights of folder/base.h5, found \(otherDigest): "
                + "it was trained on another model.")
        #expect(
            refusal([AdapterFile(name: "whole", path: folder("base.h5"))])
                == "folder/base.h5: adapter: expected a LoRA adapter of folder/base.h5, found a whole model.")
        #expect(
            refusal([wide], checkpoint: "narrow.h5")
                == "folder/narrow.h5: adapter: expected a whole model, because adapters are loaded over it, found a LoRA adapter.")
        #expect(refusal([AdapterFile(name: "none", path: folder("none.h5"))]).hasPrefix("folder/none.h5: cannot be read"))
    }

    @Test func `the weights of the model are in memory once`() throws {
        let processor = try Processor(threads: 1), sample = try SampleAdapters(in: folder)
        let base = try ModelRunner(of: sample.base, on: processor, precision: .int8)
        let shared = try ModelRunner(of: sample.base, adapters: updates(sample, on: processor), on: processor, precision: .int8)
        let adapters = try [0, 1].map { try ModelRunner(of: sample.adapters[$0], on: processor, precision: .int8).weightBytes }
        #expect(shared.weightBytes > base.weightBytes && shared.weightBytes < adapters[0] + adapters[1])
    }
}
