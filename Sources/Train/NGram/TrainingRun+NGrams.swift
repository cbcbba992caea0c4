import Checkpoint
package import Corpus
import Distributed
package import Kernels
import Model

extension TrainingRun {
    /// Initializes the model from n-gram counts of the training text, if the plan asks for it and no step has been taken.
    /// Its time counts towards the time limit.
    ///
    /// A run that is stopped meanwhile stores the work in its checkpoint and continues it when it is resumed.
    ///
    /// - Parameters:
    ///   - clock: Monotonic seconds.
    ///   - shouldStop: Called several times a second.
    ///   - progress: Called with the share of the work that is done.
    package func initializeFromNGrams(
        of tokens: TokenFile, on processor: Processor, precision: DataType, clock: () -> Double, shouldStop: () -> Bool,
        progress: (_ share: Double) -> Void = { _ in }, _ report: (Event) throws -> Void
    ) throws {
        // The ranks share the counting. Every rank does the rest of the work, which has the same result on all.
        guard let ranks else { return try initialize(from: tokens, processor, precision, clock, shouldStop, progress, report) }
        try initialize(
            from: tokens, processor, precision, { ranks.fromFirst(clock()) }, { ranks.any(shouldStop()) }, progress,
            { event in if ranks.isFirst { try report(event) } })
    }

    private func initialize(
        from tokens: TokenFile, _ processor: Processor, _ precision: DataType, _ clock: () -> Double, _ shouldStop: () -> Bool,
        _ progress: (_ share: Double) -> Void, _ report: (Event) throws -> Void
    ) throws {
        guard plan.nGramContexts > 0, state.step == 0 else { return }
        if let pairs = state.nGramPairs {
            return try report(.initializedFromNGrams(pairs: pairs, contexts: plan.nGramContexts, state: state))
        }
        let preparation = NGramPreparation(
            trainer.model.configuration, of: tokens, contexts: plan.nGramContexts, on: processor, precision: precision,
            seed: plan.randomSeed
        )
        guard var preparation else { return }
        let begin = clock() - state.seconds
        if let nGramProgress { try preparation.restore(nGramProgress) }
        let initialization = try preparation.run(of: tokens, over: ranks, shouldStop: shouldStop, progress: progress)
        state.seconds = clock() - begin
        guard let initialization else {
            var progress = Checkpoint(trainer.model.configuration, weights: [:])
            progress.training = preparation.values
            nGramProgress = progress
            return
        }
        initialization.write(into: trainer.parameters)
        nGramProgress = nil
        state.nGramPairs = initialization.pairs
        try report(.initializedFromNGrams(pairs: initialization.pairs, contexts: plan.nGramContexts, state: state))
        // The work of minutes: a run that is killed does not repeat it.
        try save("last.h5", report)
    }
}
