import Kernels
import Tokenize

/// A generation that has a slot.
final class RunningSequence {
    var job: LocalBackend.Job
    let slot: Int
    /// Tokens that the model has not processed: the rest of the prompt, then each sampled token with those that must follow it.
    var pendingTokens: ArraySlice<TokenID>
    /// How many of them are part of the current step.
    var scheduledCount = 0
    /// Guesses of the tokens behind them, which the current step checks.
    var draft: [TokenID] = []
    /// The tokens of the answer that the model has processed with the draft.
    private(set) var acceptedCount = 0
    private var lookup: PromptLookup?
    private(set) var accuracy = GuessAccuracy()
    var drafting = DraftModel.Progress()
    var isFinished = false

    init(_ job: LocalBackend.Job, slot: Int, cachedCount: Int) {
        self.job = job
        self.slot = slot
        pendingTokens = (job.tokens ?? job.state.prompt)[cachedCount...]
    }

    var isPrefilling: Bool { pendingTokens.count > 1 }
    /// Whether it processes a prompt, or again what a paused generation had processed.
    var isPrompt: Bool { job.state.answerTokens == 0 || pendingTokens.count > GenerationState.longestForcedRun + 1 }
    /// Whether the current step ends with the sequence's last known token, so that its logits give the next one.
    var needsLogits: Bool { scheduledCount == pendingTokens.count }
    /// The pending tokens before the first whose logits give the log-probability of a token of the prompt; nil if none is missing.
    var unscoredCount: Int? {
        guard let scored = job.state.promptLogProbabilities, !scored.isComplete else { return nil }
        return max(0, scored.processedPositions - pendingTokens.startIndex)
    }
    /// Whether the current step computes such logits.
    var isScoring: Bool { unscoredCount == 0 }
    /// The rows of logits that the current step computes: the last token's, or of all tokens.
    var logitRows: ModelRunner.LogitRows { isScoring ? .all : .last(needsLogits ? 1 + draft.count : 0) }
    var logitRowCount: Int { logitRows.count(of: scheduledCount) }
    /// The tokens that the current step processes.
    var stepTokens: [TokenID] { pendingTokens.prefix(scheduledCount) + draft }

    /// Samples the next token and queues it as input, with those that must follow it. After the last token nothing is pending.
    ///
    /// As long as the draft has guessed the tokens, the next ones are sampled from its logits.
    ///
    /// - Parameter logits: The rows of the last scheduled token and of the draft, V numbers each.
    func sample(from logits: Buffer, vocabulary V: Int) {
        deliverPrompt()
        acceptedCount = 0
        if job.state.isPromptOnly {
            _ = job.state.finish(.length)
            return
        }
        job.guesses.checked += draft.count
        while true {
            var step = GenerationState.Step(piece: nil, nextTokens: [])
            logits[acceptedCount * V..<(acceptedCount + 1) * V].write { step = job.state.advance(&$0) }
            job.timing.sampledToken()
            if let piece = step.piece { job.deliver(.piece(piece)) }
            let next = step.nextTokens, guesses = draft[acceptedCount...]
            for id in next { lookup?.add(id, to: &accuracy) }
            let right = zip(next, guesses).prefix { $0 == $1 }.count
            acceptedCount += right
            pendingTokens = next[right...]
            if right < next.count || next.isEmpty { break }
        }
        job.guesses.right += acceptedCount
    }

    /// Guesses of the next tokens, and the probability that each of them and all before it are right.
    ///
    /// - Parameter processed: The tokens before the pending ones.
    func guesses(atMost count: Int, after processed: [TokenID]) -> (ids: [TokenID], probabilities: [Double]) {
        let lookup = lookup ?? PromptLookup(processed + pendingTokens)
        self.lookup = lookup
        let ids = lookup.guess(atMost: count), length = lookup.matchLength
        var probability = 1.0
        return (ids, ids.indices.map { i in
            probability *= accuracy.share(matchLength: length + i)
            return probability
        })
    }

    private func deliverPrompt() {
        guard let scored = job.state.promptLogProbabilities else { return }
        job.state.promptLogProbabilities = nil
        var piece = TextPiece("")
        piece.promptTokens = scored.tokens
        job.deliver(.piece(piece))
    }
}
