package import Checkpoint
import Model
import Synchronization
import Threads
package import Tokenize

/// Runs a model on this machine and serves many generations at once (continuous batching): all of them share each step of the
/// model, and join and leave between steps.
///
///     let backend = try LocalBackend { (info, try ModelRunner(of: checkpoint, on: try Processor(), precision: .int8), draft: nil) }
///
/// An answer does not depend on the other generations of the batch. LoRA adapters of the model share its weights, its slots and its
/// batches: ``adapters``. One thread runs the model, with the worker pool of its
/// processor; it ends when the backend is released.
package final class LocalBackend: ChatBackend {
    package struct Limits: Sendable {
        /// Generations that run at the same time. Each slot has a KV cache for the whole context.
        package var slots = 16
        /// Requests that wait for a slot.
        package var waiting = 64
        /// Prompt tokens prefilled per step while other generations run.
        package var sharedPrefillChunk = 64
        /// Prompt tokens prefilled per step while no other generation runs.
        package var solePrefillChunk = 512
        /// Bytes that the KV caches of running and finished generations may use together; generations that need more wait. nil: half of the
        /// memory that this process may use besides the weights.
        package var kvMemory: Int?
        /// Bytes of KV caches beyond which those of finished generations are reused or evicted. nil: half the size of the
        /// weights, but at least 32 MB.
        package var cacheBudget: Int?
        /// A system prompt whose keys and values are shared by all owners of prompts, like those of the chat template's beginning.
        package var sharedSystemPrompt: String?

        package var speculation = Speculation.auto

        package init() {}
    }

    /// The current load of the engine.
    package struct Status: Sendable, Equatable {
        package var running = 0
        package var waiting = 0
        /// Memory in use by KV caches, of running and of finished generations.
        package var cacheBytes = 0
        /// The same, with what running generations have reserved.
        package var reservedBytes = 0
        /// The most that `reservedBytes` has been.
        package var mostReservedBytes = 0
    }

    /// The tokenizer and the chat template of the model.
    package let model: ModelInfo
    /// What the KV caches may use.
    package let memory: KVMemory
    private let limits: Limits
    private let inbox: Mailbox<Message>
    private let queueStatus: RequestQueueStatus

    package var name: String { model.name }
    package var context: Int? { model.context }
    package var samplingDefaults: SamplingDefaults { model.samplingDefaults }
    package var status: Status { queueStatus.status }
    package let embeddingWidth: Int?
    package let weightBytes: Int?
    package var kvMemoryUse: KVMemoryUse? {
        let status = status
        return KVMemoryUse(used: status.cacheBytes, reserved: status.reservedBytes, limit: memory.limit + memory.draftLimit)
    }

    /// - Parameter open: Opens the model, and a draft model. Runs on the thread that will run them.
    package init(limits: Limits = Limits(), _ open: @escaping @Sendable () throws -> (ModelInfo, ModelRunner, draft: ModelRunner?)) throws {
        let inbox = Mailbox<Message>(), queueStatus = RequestQueueStatus()
        let opened = Mailbox<Result<(model: ModelInfo, memory: KVMemory, width: Int, weightBytes: Int), any Error>>()
        try BackgroundThread.run {
            do {
                let (model, runner, draft) = try open()
                let shared = try ([model] + model.adapters).map { try SharedPrefixes(of: $0, systemPrompt: limits.sharedSystemPrompt) }
                let scheduler = Scheduler(runner, draft: draft, limits, shared, queueStatus)
                opened.put(.success((model, scheduler.memory, runner.model.configuration.width, runner.weightBytes)))
                scheduler.run(receiving: inbox)
            } catch { opened.put(.failure(error)) }
        }
        self.limits = limits
        self.inbox = inbox
        self.queueStatus = queueStatus
        (model, memory, embeddingWidth, weightBytes) = try opened.take().get()
    }

    deinit { inbox.put(.stop) }

    package func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        try start(request, adapter: nil, deliver: deliver)
    }

    /// - Parameter adapter: The index of a LoRA adapter; nil for the model alone.
    func start(
        _ request: GenerationRequest, adapter: Int?, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let model = adapter.map { self.model.adapters[$0] } ?? self.model
        var state = try GenerationState(request, for: model)
        try memory.fit(&state)
        let control = GenerationControl(inbox)
        try queueStatus.enter(limit: limits.waiting + limits.slots)
        let job = Job(
            owner: request.owner, adapter: adapter, state: state, control: control, timing: TimingRecorder(), deliver: deliver)
        inbox.put(.generate(job))
        return control
    }

    package func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        try embed(texts, adapter: nil, deliver: deliver)
    }

    func embed(
        _ texts: [[TokenID]], adapter: Int?, deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let model = adapter.map { self.model.adapters[$0] } ?? self.model
        if texts.isEmpty { throw .emptyPrompt }
        for (index, ids) in texts.enumerated() {
            try ids.checkEmbeddable(at: index, vocabulary: model.tokenizer.vocabulary.tokens.count, context: model.context)
            try memory.checkFit(ids.count)
        }
        let control = GenerationControl(inbox)
        try queueStatus.enter(limit: limits.waiting + limits.slots)
        inbox.put(.embed(EmbeddingJob(texts: texts, adapter: adapter, control: control, deliver: deliver)))
        return control
    }

    package var canPause: Bool { true }

    /// The thread that runs the model answers between two steps.
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) { inbox.put(.probe(completion)) }

    /// A message to the thread that runs the model.
    enum Message: Sendable {
        case generate(Job)
        case embed(EmbeddingJob)
        case probe(@Sendable (Bool) -> Void)
        /// A paused generation was resumed or canceled.
        case wake
        case stop
    }

    /// A generation with what the scheduler needs to run it.
    struct Job: Sendable {
        let owner: String
        let adapter: Int?
        var state: GenerationState
        /// The prompt and what was generated, of a generation that was paused.
        var tokens: [TokenID]?
        let control: GenerationControl
        var timing: TimingRecorder
        var guesses = GuessCounts()
        let deliver: @Sendable (GenerationEvent) -> Void
    }

    /// Texts whose embeddings were requested together.
    struct EmbeddingJob: Sendable {
        let texts: [[TokenID]]
        let adapter: Int?
        let control: GenerationControl
        let deliver: @Sendable (EmbeddingResult) -> Void
    }

    /// Limits the number of unfinished requests, and holds the status. Shared by all threads.
    final class RequestQueueStatus: Sendable {
        private let state = Mutex((unfinished: 0, status: Status()))

        var status: Status {
            state.withLock { state in
                var status = state.status
                status.waiting = max(0, state.unfinished - status.running)
                return status
            }
        }

        /// Admits a request, or throws `GenerationError.busy`.
        func enter(limit: Int) throws(GenerationError) {
            let refusedAt = state.withLock { state -> Int? in
                if state.unfinished >= limit { return state.unfinished }
                state.unfinished += 1
                return nil
            }
            if let refusedAt { throw .busy(waiting: refusedAt) }
        }

        /// A request is finished.
        func leave() { state.withLock { $0.unfinished -= 1 } }
        func update(_ body: (inout Status) -> Void) { state.withLock { body(&$0.status) } }
    }
}
