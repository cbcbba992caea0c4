package import Corpus
package import Kernels
import Model

extension TrainingRun {
    /// Initializes the model from n-gram counts of the training text, if the plan asks for it and no step has been taken.
    /// Its time counts towards the time limit.
    ///
    /// - Parameters:
    ///   - clock: Monotonic seconds.
    ///   - progress: Called with the share of the work that is done.
    package func initializeFromNGrams(
        of tokens: TokenFile, on processor: Processor, precision: DataType, clock: () -> Double,
        progress: (_ share: Double) -> Void = { _ in }, _ report: (Event) throws -> Void
    ) rethrows {
        guard plan.nGramContexts > 0, state.step == 0 else { return }
        let begin = clock()
        let initialization = NGramInitialization(
            trainer.model.configuration, counting: tokens, contexts: plan.nGramContexts, on: processor, precision: precision,
            seed: UInt64(bitPattern: Int64(plan.seed)), progress: progress
        )
        guard let initialization else { return }
        initialization.write(into: trainer.parameters)
        state.seconds = clock() - begin
        try report(.initializedFromNGrams(pairs: initialization.pairs, contexts: plan.nGramContexts, state: state))
    }
}
