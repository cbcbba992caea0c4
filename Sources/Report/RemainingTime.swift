/// Estimates the remaining time of a task from the speed of its last tenth, or of its last minute if that is longer.
///
///     var remaining = RemainingTime()
///     remaining.update(fraction: 0.2, at: 100)
///     remaining.update(fraction: 0.3, at: 300)
///     remaining.seconds                                        // 1,400: seven tenths, each as slow as the last one
///
/// The speed of a shared machine varies, and an evaluation should not look like a slow step.
package struct RemainingTime {
    /// Measurements at least a hundredth apart; the first is about a tenth and a minute ago.
    private var samples: [(fraction: Double, time: Double)] = []
    private var latest: (fraction: Double, time: Double)?

    package init() {}

    /// - Parameters:
    ///   - fraction: the completed part of the task, from 0 to 1.
    ///   - time: the current time in seconds, from any origin.
    package mutating func update(fraction: Double, at time: Double) {
        latest = (fraction, time)
        // The first sample need not be 0: a resumed run did its earlier part before.
        if samples.isEmpty || fraction >= (samples.last?.fraction ?? 0) + 0.01 { samples.append((fraction, time)) }
        while samples.count > 1, samples[1].fraction <= fraction - 0.1, samples[1].time <= time - 60 { samples.removeFirst() }
    }

    /// The remaining seconds; nil before there are two measurements.
    package var seconds: Double? {
        guard let latest, let first = samples.first, latest.fraction > first.fraction else { return nil }
        let elapsed = max(0, latest.time - first.time)
        return elapsed * max(0, 1 - latest.fraction) / (latest.fraction - first.fraction)
    }
}
