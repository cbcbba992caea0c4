import Autograd
import Kernels
import Model
import Tokenize

/// A small model of the same vocabulary that guesses the next tokens of answers (speculative decoding with a draft model).
///
///     if draft.prepare(for: sequence, after: processed, insteadOf: 0, in: step) { sequence.drafting.wanted = 3 }
///     draft.guess(for: [sequence])                             // three tokens in sequence.draft, which the model checks in one step
///     draft.add([sequence], seconds: seconds, alone: alone)    // what that has cost and saved
///
/// It has a KV cache for each sequence, which is cut back to the tokens that the model has confirmed. Where its guesses are not used, the
/// cache falls behind the answer, and the missing tokens are processed before the next guess. If they are many, that is an investment, for
/// which there is a ``DraftBudget``.
final class DraftModel {
    /// The state of a sequence in the draft model.
    struct Progress {
        fileprivate var slot: Int?
        /// The number of known tokens when the cache was last cut back. Those behind them are guesses.
        fileprivate var confirmedCount = 0
        /// The known tokens that are not in the cache.
        fileprivate(set) var input: [TokenID] = []
        fileprivate(set) var accuracy = DraftAccuracy()
        /// How many tokens to guess for the current step.
        var wanted = 0
    }

    /// The step of the model that would check the guesses.
    struct Step {
        /// The tokens that are decoded anyway: one of each sequence.
        let rows: Int
        /// The measured time without guesses.
        let seconds: Double
        let costs: StepCosts

        var secondsPerToken: Double { seconds / Double(rows) }
    }

    /// More sequences at once have no guesses of the draft model: their steps are limited by computation, so that rows cost most.
    static let mostSequences = 8
    /// The most tokens that are guessed at once.
    static let mostGuesses = 8
    /// Missing tokens after which a sequence gets another try: its text may have changed.
    private static let retryAfter = 256
    /// The most missing tokens that are processed before a step, so that no answer waits long.
    private static let chunk = 256
    /// Positions of an answer that memory is reserved for at once.
    private static let reservedAnswer = 1_024

    private let runner: ModelRunner
    private let sharedPrefixes: [SharedPrefixes]
    private var slots: SlotPool
    private var costs = StepCosts()
    /// The time of a token among many that are processed at once.
    private var prefillSeconds: Double
    private var budget = DraftBudget()
    /// The time that the current step's guesses and missing tokens have taken so far.
    private var spent = 0.0
    /// Whether many missing tokens of a sequence were processed before the current step. Other sequences wait for the next step.
    private var hasCaughtUp = false

    /// - Parameters:
    ///   - memoryLimit: Bytes of all of its KV caches.
    ///   - addresses: Bytes of addresses that they may take.
    init(_ runner: ModelRunner, _ sharedPrefixes: [SharedPrefixes], slots: Int, memoryLimit: Int, addresses: Int) {
        self.runner = runner
        self.sharedPrefixes = sharedPrefixes
        self.slots = SlotPool(
            capacity: min(slots, Self.mostSequences), cacheBudget: max(8 << 20, runner.weightBytes / 2), memoryLimit: memoryLimit,
            addresses: addresses
        ) { runner.makeKVCache() }
        // The first steps pack the weights, so that no answer waits for that. The last ones are measured.
        let cache = runner.makeKVCache(), most = min(runner.context, 64)
        func measure(_ count: Int) -> Double {
            measureSeconds { _ = runner.logits(for: [.init(cache, from: 0, ids: Array(repeating: 0, count: count))]) }
        }
        for _ in 0...runner.unpackedBytes >> 26 { _ = measure(1) }
        prefillSeconds = measure(most) / Double(most)
        costs.add(rows: 1, seconds: measure(1))
    }

    var cacheBytes: Int { slots.cacheBytes }
    var reservedBytes: Int { slots.reservedBytes }

    /// The time of one of its steps.
    func seconds(rows: Int) -> Double { rows == 0 ? 0 : costs.seconds(rows: rows) }

    // MARK: Whether to guess

    /// Prepares to guess the next tokens of a sequence: processes many missing tokens, if that is likely to pay.
    ///
    /// - Parameters:
    ///   - processed: The tokens before the pending one.
    ///   - probability: That another guess is right, which costs nothing.
    ///   - step: nil if guesses may cost any time.
    /// - Returns: Whether it is worth more than the other guess, and has processed enough.
    func prepare(
        for sequence: RunningSequence, after processed: [TokenID], insteadOf probability: Double, in step: Step?
    ) -> Bool {
        let known = processed + sequence.pendingTokens
        guard known.count + Self.mostGuesses <= runner.context else { return false }
        cutBack(sequence, to: known)
        let cached = sequence.drafting.slot.map { slots[$0].ids.count } ?? 0
        if known.count - cached >= Self.retryAfter { sequence.drafting.accuracy = DraftAccuracy() }
        guard isBetter(sequence.drafting.accuracy.share, than: probability, in: step), let slot = slot(for: sequence, known) else {
            return false
        }
        var missing = known[slots[slot].ids.count...]
        if missing.count > Self.mostGuesses + 1 {
            guard !hasCaughtUp, mayCatchUp(sequence, missing.count, in: step) else { return false }
            let chunk = missing.dropLast().prefix(Self.chunk)
            process(chunk, in: slot)
            missing = missing.dropFirst(chunk.count)
        }
        sequence.drafting.input = Array(missing)
        return missing.count <= Self.mostGuesses + 1
    }

    /// Removes guesses that were wrong from the cache.
    private func cutBack(_ sequence: RunningSequence, to known: [TokenID]) {
        guard let slot = sequence.drafting.slot else { return }
        let ids = slots[slot].ids
        // The last token is always processed, because its logits give the first guess.
        let most = min(ids.count, known.count - 1)
        var count = min(most, sequence.drafting.confirmedCount)
        while count < most, ids[count] == known[count] { count += 1 }
        slots.removeLast(ids.count - count, from: slot)
        sequence.drafting.confirmedCount = known.count
    }

    /// A right guess saves the time of a token, so the time of a guess lowers its value.
    private func isBetter(_ share: Double, than probability: Double, in step: Step?) -> Bool {
        guard let step else { return share > probability }
        return budget.allowsGuesses(step: step.seconds) && share - seconds(rows: 1) / step.secondsPerToken > probability
    }

    /// Whether `count` missing tokens may be processed: guesses pay after them, the answer may become long enough, and there is a budget.
    private func mayCatchUp(_ sequence: RunningSequence, _ count: Int, in step: Step?) -> Bool {
        guard let step else { return true }
        let cost = prefillSeconds * Double(count)
        let probabilities = sequence.drafting.accuracy.probabilities(count: Self.mostGuesses)
        let prices = probabilities.map { _ in seconds(rows: 1) }
        return budget.allows(catchingUp: cost, step: step.seconds)
            && cost < Double(sequence.job.state.tokensLeft) * step.secondsPerToken / 4
            && step.costs.worthwhile(probabilities, prices: prices, besides: step.rows) > 0
    }

    /// The slot of a sequence, which has room for its guesses; nil if there is none.
    private func slot(for sequence: RunningSequence, _ known: [TokenID]) -> Int? {
        let job = sequence.job
        let positions = min(runner.context, known.count + Self.mostGuesses + min(job.state.tokensLeft, Self.reservedAnswer))
        if let slot = sequence.drafting.slot {
            let isEnough = known.count + Self.mostGuesses <= slots[slot].reservedPositions ?? 0
            return isEnough || slots.reserve(positions, in: slot) ? slot : nil
        }
        // Its keys and values do not depend on the adapter of the model.
        sequence.drafting.slot = slots.acquire(
            for: known, of: job.owner, adapter: nil, sharing: sharedPrefixes.length(in: known, adapter: job.adapter), positions: positions)
        sequence.drafting.confirmedCount = known.count
        return sequence.drafting.slot
    }

    private func process(_ ids: ArraySlice<TokenID>, in slot: Int) {
        let seconds = measureSeconds {
            _ = runner.logits(for: [.init(slots[slot].cache, from: slots[slot].ids.count, ids: Array(ids), logits: .last(0))])
        }
        slots.append(ids, to: slot)
        if ids.count >= 16 { prefillSeconds = (prefillSeconds + seconds / Double(ids.count)) / 2 }
        spent += seconds
        hasCaughtUp = true
    }

    // MARK: Guessing

    /// The guesses for a sequence in the current step.
    private final class Draft {
        let sequence: RunningSequence
        let slot: Int
        var input: [TokenID]
        private var state: GenerationState

        init(for sequence: RunningSequence, slot: Int) {
            self.sequence = sequence
            self.slot = slot
            input = sequence.drafting.input
            state = sequence.job.state
        }

        var isComplete: Bool { input.isEmpty || sequence.draft.count == sequence.drafting.wanted }

        /// Guesses a token as the answer samples its own: with a copy of its state, so with the same penalties and the same grammar, and
        /// with the same random number, which depends on seed and index alone (coupled sampling). The same number mostly gives the same
        /// token where the distributions are similar. The most likely token would be right only as often as the model samples it.
        func sample(from logits: inout MutableSpan<Float>) {
            let next = state.advance(&logits).nextTokens.prefix(sequence.drafting.wanted - sequence.draft.count)
            sequence.draft += next
            input = Array(next)
        }
    }

    /// Guesses as many tokens for the sequences as are wanted: fewer where the answer would end.
    func guess(for sequences: [RunningSequence]) {
        let V = runner.model.configuration.vocabulary
        var drafts = sequences.compactMap { sequence in sequence.drafting.slot.map { Draft(for: sequence, slot: $0) } }
        while !drafts.isEmpty {
            let current = drafts, rows = current.reduce(0) { $0 + $1.input.count }
            let seconds = measureSeconds {
                let logits = runner.logits(for: current.map { .init(slots[$0.slot].cache, from: slots[$0.slot].ids.count, ids: $0.input) })
                for draft in current { slots.append(draft.input[...], to: draft.slot) }
                runner.processor.parallelFor(current.count) { i, _ in
                    logits.elements[i * V..<(i + 1) * V].write { current[i].sample(from: &$0) }
                }
            }
            costs.add(rows: rows, seconds: seconds)
            spent += seconds
            drafts.removeAll(where: \.isComplete)
        }
    }

    // MARK: Results

    /// Adds the times of a step, and which guesses were right.
    ///
    /// - Parameter alone: The time of the step without guesses.
    func add(_ sequences: [RunningSequence], seconds: Double, alone: Double) {
        var all = 0, checked = 0, right = 0
        for sequence in sequences {
            all += sequence.draft.count
            if sequence.drafting.wanted == 0 { continue }
            checked += sequence.draft.count
            right += sequence.acceptedCount
            sequence.drafting.accuracy.add(right: sequence.acceptedCount, of: sequence.draft.count)
        }
        // Without guesses, the right ones would have been sampled in steps of their own.
        var saved = Double(right) * alone / Double(max(1, sequences.count)) - spent
        if checked > 0 { saved -= max(0, seconds - alone) * Double(checked) / Double(all) }
        budget.add(step: seconds, saved: saved)
        spent = 0
        hasCaughtUp = false
    }

    /// A sequence has ended, or is suspended. Its keys and values stay cached while there is room.
    func release(_ sequence: RunningSequence) {
        if let slot = sequence.drafting.slot { slots.release(slot) }
        sequence.drafting.slot = nil
    }
}
