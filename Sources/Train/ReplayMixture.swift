package import Corpus

/// New conversations mixed with a share of older ones (experience replay), to reduce forgetting during fine-tuning.
///
///     let mixture = ReplayMixture(of: chats, and: older, share: 0.2, rows: 12, context: 384)
///     try mixture.batch(at: 0)                                  // 10 new rows, then 2 older ones; in some batches 9 and 3
///
/// Mixes rows of older chats in. Their share of all rows up to any step is exact, rounded down.
package struct ReplayMixture: TrainingBatches {
    private let new, old: PackedConversations
    let share: Double
    private let rows, context: Int

    package init(of new: PackedConversations, and old: PackedConversations, share: Double, rows: Int, context: Int) {
        self.new = new
        self.old = old
        self.share = share
        self.rows = rows
        self.context = context
    }

    /// The number of steps in which each new token is used once.
    package var stepsPerEpoch: Double { Double(new.rowsPerEpoch) / (Double(rows) * (1 - share)) }

    package func batch(at step: Int) throws(CorpusError) -> Batch {
        let first = olderRows(before: step)
        let last = olderRows(before: step + 1)
        var builder = BatchBuilder(rows: rows, context: context, padding: new.padding)
        try new.fill(&builder, with: step * rows - first..<(step + 1) * rows - last)
        try old.fill(&builder, with: first..<last)
        return builder.batch
    }

    private func olderRows(before step: Int) -> Int { Int((Double(step * rows) * share).rounded(.down)) }
}
