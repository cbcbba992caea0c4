package import Corpus
package import Kernels
import Model

extension TrainingRun {
    /// Begins with what counting knows of the text, where the plan says so and nothing has been learned yet. The time it takes is part of the plan's.
    ///
    /// - Parameters:
    ///   - clock: seconds since whenever.
    ///   - progress: how much of the work is done.
    package func initializeFromNGrams(of tokens: TokenFile, on processor: Processor, precision: DataType, clock: () -> Double,
                                 progress: (_ share: Double) -> Void = { _ in }, _ report: (Event) throws -> Void) throws {
        guard plan.nGramContexts > 0, state.step == 0 else { return }
        let begin = clock(), seed = UInt64(bitPattern: Int64(plan.seed))
        guard let start = try NGramInitialization(trainer.model.configuration, counting: tokens, contexts: plan.nGramContexts, on: processor, precision: precision,
                                         seed: seed, progress: progress) else { return }
        start.write(into: trainer.parameters)
        state.seconds = clock() - begin
        try report(.counted(pairs: start.pairs, contexts: plan.nGramContexts, state: state))
    }
}
