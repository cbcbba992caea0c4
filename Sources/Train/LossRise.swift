/// Notices, soon after the start of a run, that its training loss rises instead of falling: the learning rate is too high, or dropout is on
/// in a model that was trained without it.
///
///     var rise = LossRise()
///     rise.evaluated(3.81)                     // before the first step, without dropout
///     if let loss = rise.step(7.52) { … }      // the mean of the last five steps, once
package struct LossRise: Sendable {
    /// The loss per token before the first step; nil until something has been measured.
    package private(set) var start: Double?
    private var recent: [Double] = []
    private var hasRisen = false

    /// Losses of single batches differ by less than this from each other, as a rule.
    private static let factor = 1.2
    private static let window = 5

    package init() {}

    /// Takes the loss of an evaluation on training data. Only the first one counts.
    package mutating func evaluated(_ loss: Double) {
        if start == nil, loss.isFinite { start = loss }
    }

    /// Takes the loss of a training step. Returns the mean of the last five steps when it exceeds the loss at the start for the first time.
    package mutating func step(_ loss: Double) -> Double? {
        evaluated(loss)
        recent = Array((recent + [loss]).suffix(Self.window))
        let mean = recent.reduce(0, +) / Double(recent.count)
        guard !hasRisen, recent.count == Self.window, let start, mean > Self.factor * start else { return nil }
        hasRisen = true
        return mean
    }
}
