import Glibc

/// Linear warmup, then cosine decay to a fraction of the peak.
///
///     let schedule = LearningRateSchedule(peak: 1e-3, warmup: 100, steps: 5_000)
///     schedule.rate(at: 0)                     // about a hundredth of the peak
///     schedule.rate(at: 4_999)                 // a tenth of the peak
package struct LearningRateSchedule: Sendable, Equatable {
    package var peak: Float
    /// Steps before the peak.
    package var warmup: Int
    /// The total number of steps, after which the rate stays at its minimum.
    package var steps: Int
    /// The minimum rate as a share of the peak.
    package var floor: Float

    package init(peak: Float, warmup: Int, steps: Int, floor: Float = 0.1) {
        self.peak = peak
        self.warmup = warmup
        self.steps = steps
        self.floor = floor
    }

    package func rate(at step: Int) -> Float { rate(at: step, progress: Double(step - warmup) / Double(max(1, steps - warmup))) }

    /// The rate in a run of limited time. `progress` goes from 0 after the warmup to 1.
    package func rate(at step: Int, progress: Double) -> Float {
        if step < warmup { return peak * Float(step + 1) / Float(warmup + 1) }
        let share = 0.5 * (1 + cos(Double.pi * min(1, max(0, progress))))                  // from 1 to 0
        return peak * (floor + Float(share) * (1 - floor))
    }
}
