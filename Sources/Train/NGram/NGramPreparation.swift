package import Checkpoint
package import Corpus
package import Distributed
package import Kernels
package import Model

/// The work towards an ``NGramInitialization``: counting, then fitting. It can be stopped within a second, stored and continued.
package struct NGramPreparation {
    private enum Phase {
        case counting(NGramCounting)
        case fitting(NGramTableFit)
    }

    private let configuration: GPTConfiguration
    private let settings: NGramTableFit.Settings
    private let processor: Processor
    private let precision: DataType
    private let seed: UInt64
    private let bits: Int
    private var phase: Phase

    /// The part of the work that is counting.
    private static let countingShare = 0.1

    /// nil if the model does not meet the requirements.
    ///
    /// - Parameter contexts: The number of training examples of the table.
    package init?(
        _ configuration: GPTConfiguration, of text: TokenFile, contexts: Int, on processor: Processor, precision: DataType, seed: UInt64
    ) {
        guard NGramInitialization.isPossible(for: configuration) else { return nil }
        self.configuration = configuration
        self.processor = processor
        self.precision = precision
        self.seed = seed
        settings = .init(rows: contexts)
        let counting = NGramCounting(of: text, vocabulary: configuration.vocabulary)
        bits = counting.bits
        phase = .counting(counting)
    }

    /// Does the rest of the work. nil if it was stopped.
    ///
    /// - Parameters:
    ///   - text: The same as at the beginning.
    ///   - ranks: Processes that share the counting. All of them call this, and stop together.
    ///   - shouldStop: Called several times a second.
    ///   - progress: Called with the share of the work that is done.
    package mutating func run(
        of text: TokenFile, over ranks: RankGroup? = nil, shouldStop: () -> Bool, progress: (_ share: Double) -> Void = { _ in }
    ) throws(CorpusError) -> NGramInitialization? {
        while true {
            if shouldStop() {
                if case .counting(var counting) = phase {
                    counting.merge(over: ranks)
                    phase = .counting(counting)
                }
                return nil
            }
            switch phase {
            case .counting(var counting):
                progress(Self.countingShare * counting.share)
                if counting.share < 1 {
                    try counting.countNext(of: text, over: ranks)
                    phase = .counting(counting)
                    continue
                }
                counting.merge(over: ranks)
                phase = .counting(counting)
                let counts = NGramCounts(
                    of: counting, vocabulary: configuration.vocabulary, pairs: NGramInitialization.maxPairs(of: configuration),
                    shouldStop: shouldStop
                )
                guard let counts else { return nil }
                phase = .fitting(fit(to: counts))
            case .fitting(var fit):
                progress(Self.countingShare + (1 - Self.countingShare) * fit.share)
                if fit.share == 1 { return NGramInitialization(configuration, fit, seed: seed) }
                fit.advance()
                phase = .fitting(fit)
            }
        }
    }

    private func fit(to counts: NGramCounts) -> NGramTableFit {
        NGramTableFit(
            of: counts, vocabulary: configuration.vocabulary, width: NGramInitialization.Channels(configuration).embedding, settings,
            on: processor, precision: precision, seed: seed
        )
    }
}

extension NGramPreparation {
    /// Whether a checkpoint holds the values of a preparation.
    static func isStored(in checkpoint: Checkpoint) -> Bool { checkpoint.training["ngrams/phase"] != nil }

    /// The work that is done, as fields of a checkpoint.
    package var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [:]
        func add(_ more: OrderedDictionary<CheckpointValue>) { for (name, value) in more { values[name] = value } }
        switch phase {
        case .counting(let counting): add(["ngrams/phase": "counting"]); add(counting.values)
        case .fitting(let fit): add(["ngrams/phase": "fitting"]); add(fit.counts.values); add(fit.values)
        }
        return values
    }

    /// Continues from the stored values of a preparation for the same model and text.
    package mutating func restore(_ checkpoint: Checkpoint) throws(CheckpointError) {
        switch (try checkpoint.text("ngrams/phase"), phase) {
        case ("counting", .counting(var counting)):
            try counting.restore(checkpoint)
            phase = .counting(counting)
        case ("fitting", _):
            var fit = fit(to: try NGramCounts(from: checkpoint, vocabulary: configuration.vocabulary, bits: bits))
            try fit.restore(checkpoint)
            phase = .fitting(fit)
        case (let found, _):
            throw .mismatch(path: checkpoint.name, name: "ngrams/phase", expected: "counting or fitting", found: found)
        }
    }
}
