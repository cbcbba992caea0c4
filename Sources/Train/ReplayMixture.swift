/// Newer conversations with a share of older ones among them, so that a model that learns the newer does not forget the older.
///
///     let mixture = ReplayMixture(of: chats, and: older, share: 0.2, rows: 12, context: 384)
///     mixture.batch(at: 0)                                     // 10 rows of the newer, then 2 of the older; 9 and 3 now and then
///
/// Of all rows so far, the share belongs to the older, rounded down.
package struct ReplayMixture: TrainingBatches {
    private let new, old: PackedConversations
    private let share: Double
    private let rows, context: Int

    package init(of new: PackedConversations, and old: PackedConversations, share: Double, rows: Int, context: Int) {
        self.new = new
        self.old = old
        self.share = share
        self.rows = rows
        self.context = context
    }

    /// Steps in which every newer token is learned from once.
    package var stepsPerEpoch: Double { Double(new.rowsPerEpoch) / (Double(rows) * (1 - share)) }

    package func batch(at step: Int) -> Batch {
        let first = olderRows(before: step)
        let last = olderRows(before: step + 1)
        var filler = BatchBuilder(rows: rows, context: context, padding: new.padding)
        new.fill(&filler, with: step * rows - first..<(step + 1) * rows - last)
        old.fill(&filler, with: first..<last)
        return filler.batch
    }

    private func olderRows(before step: Int) -> Int { Int((Double(step * rows) * share).rounded(.down)) }
}
