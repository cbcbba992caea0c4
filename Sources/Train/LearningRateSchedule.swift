import Glibc

/// The learning rate of each step: a linear warmup to the peak, then a decay to a fraction of the peak.
///
///     let schedule = LearningRateSchedule(.cosine, peak: 1e-3, warmup: 100, steps: 5_000)
///     schedule.rate(at: 0)                     // about a hundredth of the peak
///     schedule.rate(at: 4_999)                 // a tenth of the peak
package struct LearningRateSchedule: Sendable, Equatable {
    /// How the rate falls after the warmup. With p from 0 to 1, it is peak·(floor + (1 − floor)·s(p)).
    package enum Shape: String, Sendable, CaseIterable {
        /// s = ½·(1 + cos πp)
        case cosine
        /// s = 1 − p
        case linear
        /// Warmup, stable, decay: s = 1 until the last fifth, then 1 − √q with q from 0 to 1 (Hägele et al. 2024). A run that was stopped
        /// before the decay can be resumed with another length: its steps so far do not depend on it.
        case wsd
        /// s = 1
        case constant

        /// The part of the steps after the warmup in which `wsd` decays.
        static let decayShare = 0.2

        func share(at p: Double) -> Double {
            switch self {
            case .cosine: 0.5 * (1 + cos(Double.pi * p))
            case .linear: 1 - p
            case .wsd: 1 - max(0, 1 - (1 - p) / Self.decayShare).squareRoot()
            case .constant: 1
            }
        }
    }

    package var shape: Shape
    package var peak: Float
    /// Steps before the peak.
    package var warmup: Int
    /// The total number of steps, after which the rate stays at its minimum.
    package var steps: Int
    /// The minimum rate as a share of the peak.
    package var floor: Float

    package init(_ shape: Shape = .cosine, peak: Float, warmup: Int, steps: Int, floor: Float = 0.1) {
        self.shape = shape
        self.peak = peak
        self.warmup = warmup
        self.steps = steps
        self.floor = floor
    }

    package func rate(at step: Int) -> Float { rate(at: step, progress: Double(step - warmup) / Double(max(1, steps - warmup))) }

    /// The rate in a run of limited time. `progress` goes from 0 after the warmup to 1.
    package func rate(at step: Int, progress: Double) -> Float {
        if step < warmup { return peak * Float(step + 1) / Float(warmup + 1) }
        let share = shape.share(at: min(1, max(0, progress)))                              // from 1 to 0
        return peak * (floor + Float(share) * (1 - floor))
    }
}
