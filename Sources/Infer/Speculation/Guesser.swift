import Tokenize

/// Chooses the guesses that a step checks: the tokens that followed before in the text (prompt lookup), or those of a draft model.
///
///     guesser.guess(for: running, in: slots)                   // fills the drafts of the sequences
///     guesser.add(scheduled, rows: 9, seconds: 0.02, isDecoding: true)
///
/// All guesses compete for the rows of the step: those are checked that give the most expected tokens per second, with the measured times
/// of steps, of the model and of the draft model.
struct Guesser {
    /// A guess that may be checked.
    private struct Candidate {
        let sequence: RunningSequence
        /// nil for a guess that the draft model has not made yet.
        var id: TokenID?
        /// That it, and all before it in its answer, are right.
        let probability: Double
        /// Its position among the guesses of its answer, from 0.
        let depth: Int
    }

    /// The most tokens that are guessed at once.
    private static let longestDraft = 24

    /// nil if none is loaded.
    let draft: DraftModel?
    private let speculation: Speculation
    private var costs = StepCosts()

    init(_ speculation: Speculation, draft: DraftModel?) {
        self.speculation = speculation
        self.draft = draft
    }

    /// Guesses the next tokens of sequences of which each decodes one token, as far as checking them pays.
    func guess(for running: [RunningSequence], in slots: SlotPool) {
        let alone = costs.measured(rows: running.count)
        if speculation == .never || speculation == .auto && alone == nil { return }
        let step = speculation == .always ? nil : alone.map { DraftModel.Step(rows: running.count, seconds: $0, costs: costs) }
        var candidates: [Candidate] = []
        for sequence in running where !sequence.isScoring {
            let slot = slots[sequence.slot]
            let most = min(Self.longestDraft, sequence.job.state.tokensLeft - 1, (slot.reservedPositions ?? 0) - slot.ids.count - 1)
            if most > 0 { candidates += self.candidates(for: sequence, atMost: most, after: slot.ids, beside: running.count, in: step) }
        }
        // The sort is stable, and probabilities fall along a draft, so its beginning stays together.
        candidates.sort { $0.probability > $1.probability }
        let count = speculation == .always
            ? StepCosts.mostRows - running.count
            : costs.worthwhile(candidates.map(\.probability), prices: prices(of: candidates), besides: running.count)
        for candidate in candidates.prefix(max(0, count)) {
            if let id = candidate.id { candidate.sequence.draft.append(id) } else { candidate.sequence.drafting.wanted += 1 }
        }
        draft?.guess(for: running.filter { $0.drafting.wanted > 0 })
    }

    /// The guesses for one sequence, from the source whose next guess is worth more.
    private func candidates(
        for sequence: RunningSequence, atMost count: Int, after processed: [TokenID], beside rows: Int, in step: DraftModel.Step?
    ) -> [Candidate] {
        let found = sequence.guesses(atMost: count, after: processed)
        if let draft, rows <= DraftModel.mostSequences,
            draft.prepare(for: sequence, after: processed, insteadOf: found.probabilities.first ?? 0, in: step) {
            let probabilities = sequence.drafting.accuracy.probabilities(count: min(count, DraftModel.mostGuesses))
            return probabilities.enumerated().map { Candidate(sequence: sequence, id: nil, probability: $1, depth: $0) }
        }
        return found.ids.indices.map {
            Candidate(sequence: sequence, id: found.ids[$0], probability: found.probabilities[$0], depth: $0)
        }
    }

    /// The seconds that each guess takes in the draft model if those before it are made. One step of it gives a guess for each sequence.
    private func prices(of candidates: [Candidate]) -> [Double] {
        guard let draft else { return [] }
        var rows = [Int](repeating: 0, count: DraftModel.mostGuesses)          // of each step of the draft model
        return candidates.map { candidate in
            if candidate.id != nil { return 0 }
            let before = draft.seconds(rows: rows[candidate.depth])
            rows[candidate.depth] += candidate.depth == 0 ? candidate.sequence.drafting.input.count : 1
            return draft.seconds(rows: rows[candidate.depth]) - before
        }
    }

    /// Adds a step.
    ///
    /// - Parameters:
    ///   - rows: The tokens that it has processed.
    ///   - isDecoding: Whether it has processed no prompt.
    mutating func add(_ sequences: [RunningSequence], rows: Int, seconds: Double, isDecoding: Bool) {
        let alone = costs.measured(rows: sequences.count) ?? seconds
        if isDecoding { costs.add(rows: rows, seconds: seconds) }
        // A step that was disturbed says nothing about guesses.
        draft?.add(sequences, seconds: isDecoding ? costs.measured(rows: rows) ?? seconds : seconds, alone: alone)
    }
}
