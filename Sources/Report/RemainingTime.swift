/// How long a piece of work will still take, from how long its last tenth took, or its last minute, where that is more: a machine that
/// others use is now
/// faster, now slower, and an evaluation shall not look like a slow step.
///
///     var pace = RemainingTime()
///     pace.note(share: 0.2, at: 100)
///     pace.note(share: 0.3, at: 300)
///     pace.left                                                // 1,400 s: seven tenths, each as slow as the last
package struct RemainingTime {
    /// A hundredth apart, or more; the first is that of a tenth and a minute ago.
    private var marks: [(share: Double, time: Double)] = []
    private var now: (share: Double, time: Double)?

    package init() {}

    package mutating func note(share: Double, at time: Double) {
        now = (share, time)
        // What was done before anybody looked, such as in a run that goes on, took no time of ours.
        if marks.isEmpty || share >= (marks.last?.share ?? 0) + 0.01 { marks.append((share, time)) }
        while marks.count > 1, marks[1].share <= share - 0.1, marks[1].time <= time - 60 { marks.removeFirst() }
    }

    /// In seconds; nil as long as nobody knows.
    package var left: Double? {
        guard let now, let first = marks.first, now.share > first.share else { return nil }
        return max(0, now.time - first.time) * max(0, 1 - now.share) / (now.share - first.share)
    }
}
