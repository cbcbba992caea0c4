import Random

/// Batches of preferences. Sequences of about the same length are packed into micro-batches that hold both answers of a pair.
package struct PreferenceBatches: TrainingBatches {
    package let data: PreferenceData
    package let objective: PreferenceObjective
    /// The log-probability of each sequence by the reference model.
    let reference: [Double]
    /// Examples per batch.
    private let rows: Int
    private let seed: UInt64

    package init(_ data: PreferenceData, _ objective: PreferenceObjective, reference: [Double], rows: Int, seed: UInt64) {
        self.data = data
        self.objective = objective
        self.reference = reference
        self.rows = rows
        self.seed = seed
    }

    package var stepsPerEpoch: Double { Double(data.training.count) / Double(rows) }

    /// The mean number of tokens of a batch.
    package var tokensPerStep: Int {
        max(1, Int((Double(data.tokens(of: data.training)) * Double(rows) / Double(data.training.count)).rounded()))
    }

    /// The examples of a step. Each epoch has another order.
    func examples(at step: Int) -> [Int] {
        (step * rows..<(step + 1) * rows).map { i in
            let (epoch, index) = i.quotientAndRemainder(dividingBy: data.training.count)
            return data.training[Shuffle(count: data.training.count, seed: seed &+ UInt64(epoch))[index]]
        }
    }

    func score(_ sequence: Int, _ logProbability: Double) -> AnswerScore {
        AnswerScore(
            logProbability: logProbability, logRatio: logProbability - reference[sequence], tokens: data.sequences[sequence].answerTokens)
    }

    /// The sequences of a step as one batch, to estimate time and to check that the weights give a finite loss.
    package func batch(at step: Int) -> Batch {
        PackedSequences(examples(at: step).flatMap { data.examples[$0].sequences }, of: data, sharesRows: false).batch
    }

    /// The held-out examples; nil if there are none.
    package var validationSet: PreferenceSet? { data.validation.isEmpty ? nil : PreferenceSet(self, data.validation, estimatesKL: true) }

    /// The examples that are trained on, to evaluate on them.
    var trainingSet: PreferenceSet { PreferenceSet(self, data.training, estimatesKL: objective.method == .kto) }
}

/// Preferences to evaluate on.
package struct PreferenceSet: HeldOutSet {
    private let batches: PreferenceBatches
    /// In an order that depends on the data alone.
    private let examples: [Int]
    private let estimatesKL: Bool
    package let tokens: Int

    init(_ batches: PreferenceBatches, _ examples: [Int], estimatesKL: Bool) {
        self.batches = batches
        let order = Shuffle(count: examples.count, seed: 1)
        self.examples = examples.indices.map { examples[order[$0]] }
        self.estimatesKL = estimatesKL
        tokens = batches.data.tokens(of: examples)
    }

    package func part(of tokens: Int) -> ValidationSet.Part {
        var sum = 0, count = 0
        while count < examples.count, sum < tokens || count == 0 {
            sum += batches.data.tokens(of: [examples[count]])
            count += 1
        }
        let digest = batches.data.digest(of: Array(examples[..<count]))
        return ValidationSet.Part(
            count: count, tokens: sum, isWhole: count == examples.count, fingerprint: "\(digest.prefix(16))-\(count)")
    }

    package func pieces(
        of part: ValidationSet.Part, by trainer: Trainer, progress: (_ tokens: Int) throws -> Void
    ) rethrows -> [Evaluation] {
        let data = batches.data
        let examples = self.examples[..<part.count].map { data.examples[$0] }
        let mismatched = estimatesKL ? examples.compactMap(\.mismatched) : []
        let logProbabilities = try data.logProbabilities(
            of: examples.flatMap(\.sequences) + mismatched, tokens: trainer.microBatchTokens, over: trainer.groups?.ranks,
            progress: { try progress(min($0, part.tokens)) }, trainer.tokenLosses(of:))
        func score(_ sequence: Int) -> AnswerScore { batches.score(sequence, logProbabilities[sequence] ?? .nan) }
        var divergence = PreferenceMetrics()
        divergence.mismatched = mismatched.count
        divergence.mismatchedLogRatios = mismatched.reduce(0) { $0 + score($1).logRatio }
        let kl = divergence.kl ?? 0
        return [Evaluation(divergence)] + examples.map { example in
            var metrics = PreferenceMetrics()
            _ = metrics.add(example.answers, batches.objective, kl: kl, score: score)
            return Evaluation(metrics)
        }
    }
}
