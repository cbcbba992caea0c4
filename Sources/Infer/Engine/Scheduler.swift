import Autograd
import Kernels
import Model
import Threads
import Tokenize

/// Schedules steps of the model (continuous batching). A step decodes the next token of every running generation, and prefills a
/// chunk of the prompts that are not yet processed.
final class Scheduler {
    /// Consecutive positions of a prompt whose logits the current step has computed.
    private final class ScoredPositions {
        let sequence: RunningSequence
        let positions: Range<Int>
        /// The first of their rows of logits.
        let row: Int
        var tokens: [GeneratedToken] = []

        init(of sequence: RunningSequence, _ positions: Range<Int>, row: Int) {
            self.sequence = sequence
            self.positions = positions
            self.row = row
        }
    }

    /// The most positions that one item of the worker pool scores.
    private static let scoredTogether = 16

    /// Positions of an answer that memory is reserved for. A longer one reserves more when it has used them: most answers end long before
    /// the most tokens that they may have.
    private static let reservedAnswer = 1_024

    private let runner: ModelRunner
    private let limits: LocalBackend.Limits
    private let queueStatus: LocalBackend.RequestQueueStatus
    /// The prefixes of the model alone, then of each adapter.
    private let sharedPrefixes: [SharedPrefixes]
    private var slots: SlotPool
    let memory: KVMemory
    private var running: [RunningSequence] = []
    /// Includes generations that are paused.
    private var waiting: [LocalBackend.Job] = []
    private var embeddings: EmbeddingQueue
    private var guesser: Guesser
    private var isStopping = false

    /// - Parameter draft: A draft model, which gets an eighth of the memory of KV caches.
    init(
        _ runner: ModelRunner, draft: ModelRunner?, _ limits: LocalBackend.Limits, _ sharedPrefixes: [SharedPrefixes],
        _ queueStatus: LocalBackend.RequestQueueStatus
    ) {
        self.runner = runner
        self.limits = limits
        self.sharedPrefixes = sharedPrefixes
        self.queueStatus = queueStatus
        let whole = limits.kvMemory ?? Self.defaultKVMemory(besides: runner.weightBytes + (draft?.weightBytes ?? 0))
        let draftMemory = draft == nil ? 0 : whole / 8, draftAddresses = draft == nil ? 0 : runner.cacheAddresses / 8
        slots = SlotPool(
            capacity: limits.slots, cacheBudget: limits.cacheBudget ?? max(32 << 20, runner.weightBytes / 2),
            memoryLimit: whole - draftMemory, addresses: runner.cacheAddresses - draftAddresses
        ) { runner.makeKVCache() }
        memory = KVMemory(limit: whole - draftMemory, draft: draftMemory, slots.cacheSize)
        guesser = Guesser(limits.speculation, draft: draft.map {
            DraftModel($0, sharedPrefixes, slots: limits.slots, memoryLimit: draftMemory, addresses: draftAddresses)
        })
        embeddings = EmbeddingQueue(slots: limits.slots, queueStatus)
        recordMemory()
    }

    /// Half of what this process may use besides the weights: a model that replaces this one, and other programs, need memory, too.
    private static func defaultKVMemory(besides weights: Int) -> Int {
        max(64 << 20, min(CPU.memoryBytes - weights, CPU.availableMemory ?? .max) / 2)
    }

    func run(receiving inbox: Mailbox<LocalBackend.Message>) {
        while !isStopping {
            if running.isEmpty, waiting.allSatisfy(\.control.isPaused), embeddings.isPaused { receive(inbox.take()) }
            while let message = inbox.takeIfAvailable() { receive(message) }
            removeCanceled()
            removePaused()
            embed()
            admit()
            step()
        }
        for job in waiting { cancelWaiting(job) }
        for sequence in running { end(sequence.job, because: .canceled) }
        embeddings.cancelAll()
    }

    private func receive(_ message: LocalBackend.Message) {
        switch message {
        case .generate(let job): waiting.append(job)
        case .embed(let job): embeddings.add(job)
        case .probe(let completion): completion(true)
        case .wake: break
        case .stop: isStopping = true
        }
    }

    private func removeCanceled() {
        for sequence in running where sequence.job.control.isCancelled { finish(sequence, because: .canceled) }
        // A job may be canceled at any moment, so each is looked at once.
        var canceled: [LocalBackend.Job] = []
        waiting.removeAll { job in
            guard job.control.isCancelled else { return false }
            canceled.append(job)
            return true
        }
        for job in canceled { cancelWaiting(job) }
        removeFinished()
    }

    /// Takes the slots of generations that are paused. Their keys and values stay cached while there is room; what is lost is computed
    /// again after `resume`.
    private func removePaused() {
        for sequence in running where sequence.job.control.isPaused { waiting.append(suspend(sequence)) }
        removeFinished()
    }

    /// Takes the slot of a generation, which can be continued later.
    private func suspend(_ sequence: RunningSequence) -> LocalBackend.Job {
        sequence.isFinished = true
        sequence.job.tokens = slots[sequence.slot].ids + sequence.pendingTokens
        slots.release(sequence.slot)
        guesser.draft?.release(sequence)
        queueStatus.update { $0.running -= 1 }
        return sequence.job
    }

    /// Reserves memory for answers that have used up theirs, the oldest first. If there is none, the newest generations wait until there
    /// is: the oldest one always goes on.
    private func reserveMemory() {
        for sequence in running {
            let tokens = slots[sequence.slot].ids.count + sequence.pendingTokens.count
            if tokens <= slots[sequence.slot].reservedPositions ?? 0 { continue }
            while !sequence.isFinished, !slots.reserve(positions(of: sequence.job, tokens: tokens), in: sequence.slot) {
                guard let newest = running.last(where: { !$0.isFinished }) else { break }
                waiting.insert(suspend(newest), at: 0)
            }
        }
        removeFinished()
    }

    /// The positions to reserve for a generation with so many tokens: those, and at most `reservedAnswer` of its answer.
    private func positions(of job: LocalBackend.Job, tokens: Int) -> Int {
        tokens + min(job.state.tokensLeft, Self.reservedAnswer)
    }

    /// Gives free slots to waiting jobs, first come, first served: one that needs much memory is not overtaken.
    private func admit() {
        while let index = waiting.firstIndex(where: { !$0.control.isPaused }) {
            let job = waiting[index]
            let tokens = job.tokens ?? job.state.prompt
            let slot = slots.acquire(
                for: tokens, of: job.owner, adapter: job.adapter,
                sharing: sharedPrefixes.length(in: tokens, adapter: job.adapter),
                upTo: job.state.promptLogProbabilities?.processedPositions ?? .max,
                positions: positions(of: job, tokens: tokens.count))
            guard let slot else { return }
            waiting.remove(at: index)
            let sequence = RunningSequence(job, slot: slot, cachedCount: slots[slot].ids.count)
            running.append(sequence)
            queueStatus.update { $0.running += 1 }
            if job.tokens != nil { continue }
            sequence.job.timing.leftQueue()
            var start = job.state.start
            start.cachedTokens = slots[slot].ownCachedCount
            job.deliver(.began(start))
        }
    }

    /// Processes a chunk of the texts of one request for embeddings, before slots are given to waiting jobs.
    private func embed() {
        embeddings.removeCanceledAndPaused(&slots)
        let most = running.isEmpty ? limits.solePrefillChunk : limits.sharedPrefillChunk
        let segments = embeddings.schedule(most: most, &slots)
        if segments.isEmpty { return }
        recordMemory()
        embeddings.add(runner.hiddenStates(for: segments), &slots)
        recordMemory()
    }

    private func step() {
        reserveMemory()
        schedule()
        // Rows with the same adapter are multiplied together, so they are neighbors.
        let scheduled = running.filter { $0.scheduledCount > 0 }.sorted { ($0.job.adapter ?? -1) < ($1.job.adapter ?? -1) }
        if scheduled.isEmpty { return }
        let segments = scheduled.map { sequence in
            let slot = slots[sequence.slot]
            return ModelRunner.Segment(
                slot.cache, from: slot.ids.count, ids: sequence.stepTokens, logits: sequence.logitRows, adapter: sequence.job.adapter)
        }
        let begin = ContinuousClock.now, logits = runner.logits(for: segments)
        let seconds = (ContinuousClock.now - begin).inSeconds, isDecoding = !scheduled.contains(where: \.isPrefilling)
        var row = 0
        let sampled = scheduled.compactMap { sequence in
            row += sequence.logitRowCount
            return sequence.needsLogits ? (sequence, row: row - 1 - sequence.draft.count) : nil
        }
        score(scheduled, from: logits.elements)
        for sequence in scheduled {
            slots.append(sequence.stepTokens[...], to: sequence.slot)
            sequence.pendingTokens.removeFirst(sequence.scheduledCount)
        }
        sample(sampled, from: logits.elements)
        guesser.add(scheduled, rows: segments.reduce(0) { $0 + $1.ids.count }, seconds: seconds, isDecoding: isDecoding)
        recordMemory()
        removeFinished()
    }

    private func recordMemory() {
        let used = slots.cacheBytes + (guesser.draft?.cacheBytes ?? 0), reserved = slots.reservedBytes + (guesser.draft?.reservedBytes ?? 0)
        queueStatus.update { status in
            status.cacheBytes = used
            status.reservedBytes = reserved
            status.mostReservedBytes = max(status.mostReservedBytes, reserved)
        }
    }

    /// Sets the number of tokens of each sequence in this step: the next token of those that decode, and a chunk of the prompts.
    /// The shortest prompts come first, which minimizes the mean wait; but the oldest prompt gets a quarter of the chunk, so that
    /// a long one is not delayed forever.
    private func schedule() {
        for sequence in running {
            sequence.scheduledCount = sequence.isPrefilling ? 0 : 1
            sequence.draft = []
            sequence.drafting.wanted = 0
        }
        let prefilling = running.filter(\.isPrefilling)
        // A step that processes prompts has no guesses.
        if prefilling.isEmpty { guesser.guess(for: running, in: slots) }
        // A generation with forced tokens is no prompt.
        guard let oldest = prefilling.first(where: \.isPrompt) ?? prefilling.first else { return }
        var left = running.count == 1 ? limits.solePrefillChunk : limits.sharedPrefillChunk
        // All positions of these have logits, which take much more memory than the rest of the step.
        var scoredLeft = Self.mostScored(vocabulary: runner.model.configuration.vocabulary)
        func assign(_ sequence: RunningSequence, most: Int) {
            let isScoring = sequence.isScoring, scheduled = sequence.scheduledCount
            let limit = isScoring ? scoredLeft : sequence.unscoredCount.map { $0 - scheduled } ?? .max
            let count = min(sequence.pendingTokens.count - scheduled, most, limit)
            sequence.scheduledCount += count
            left -= count
            if isScoring { scoredLeft -= count }
        }
        assign(oldest, most: max(1, left / 4))
        for sequence in prefilling.sorted(by: { $0.pendingTokens.count < $1.pendingTokens.count }) { assign(sequence, most: left) }
    }

    /// The most positions of one step that have logits because prompts are scored: 64 MB.
    private static func mostScored(vocabulary V: Int) -> Int { max(16, (16 << 20) / V) }

    /// Computes the log-probabilities of the prompts' tokens that the step has processed, on the worker pool.
    private func score(_ scheduled: [RunningSequence], from logits: Buffer) {
        let V = runner.model.configuration.vocabulary
        var parts: [ScoredPositions] = [], row = 0
        for sequence in scheduled {
            defer { row += sequence.logitRowCount }
            guard sequence.isScoring, let scored = sequence.job.state.promptLogProbabilities else { continue }
            let start = slots[sequence.slot].ids.count, positions = scored.positions(in: start..<start + sequence.scheduledCount)
            for first in stride(from: positions.lowerBound, to: positions.upperBound, by: Self.scoredTogether) {
                let part = first..<min(first + Self.scoredTogether, positions.upperBound)
                parts.append(ScoredPositions(of: sequence, part, row: row + first - start))
            }
        }
        runner.processor.parallelFor(parts.count) { i, _ in
            let part = parts[i], rows = part.row..<part.row + part.positions.count
            guard let scored = part.sequence.job.state.promptLogProbabilities else { return }
            part.tokens = logits[rows.lowerBound * V..<rows.upperBound * V].read { scored.score($0, at: part.positions) }
        }
        for part in parts { part.sequence.job.state.promptLogProbabilities?.add(part.tokens) }
    }

    /// Samples a token for each row of logits and delivers its text. Both run on the worker pool: with many clients, writing JSON
    /// and taking locks costs as much as sampling.
    private func sample(_ sequences: [(RunningSequence, row: Int)], from logits: Buffer) {
        let V = runner.model.configuration.vocabulary
        runner.processor.parallelFor(sequences.count) { i, _ in
            let (sequence, row) = sequences[i]
            sequence.sample(from: logits[row * V..<(row + 1 + sequence.draft.count) * V], vocabulary: V)
        }
        // The keys and values of wrong guesses are overwritten.
        for (sequence, _) in sequences { slots.removeLast(sequence.draft.count - sequence.acceptedCount, from: sequence.slot) }
        for (sequence, _) in sequences where sequence.pendingTokens.isEmpty { finish(sequence, because: nil) }
    }

    private func finish(_ sequence: RunningSequence, because reason: FinishReason?) {
        sequence.isFinished = true
        slots.release(sequence.slot)
        guesser.draft?.release(sequence)
        queueStatus.update { $0.running -= 1 }
        recordMemory()
        end(sequence.job, because: reason)
    }

    /// Ends a job that never got a slot.
    private func cancelWaiting(_ job: LocalBackend.Job) {
        if job.tokens == nil { job.deliver(.began(job.state.start)) }
        end(job, because: .canceled)
    }

    private func end(_ job: LocalBackend.Job, because reason: FinishReason?) {
        var job = job
        if let reason, let piece = job.state.finish(reason).piece { job.deliver(.piece(piece)) }
        queueStatus.leave()
        job.deliver(.ended(job.state.end(job.timing.timings, guesses: job.guesses)))
    }

    private func removeFinished() { running.removeAll(where: \.isFinished) }
}
