import Kernels

/// How long choices took for the same work, in the order of preference.
package struct TuningResult: Sendable, Equatable {
    package struct Measurement: Sendable, Equatable {
        package let choice: KernelChoice
        package let seconds: Double

        package init(_ choice: KernelChoice, seconds: Double) {
            self.choice = choice
            self.seconds = seconds
        }
    }

    package let measurements: [Measurement]
    /// Whether repeated runs took about the same time: false on a busy machine.
    package let isSteady: Bool

    package init(_ measurements: [Measurement], isSteady: Bool = true) {
        self.measurements = measurements
        self.isSteady = isSteady
    }

    /// A choice must be faster than a preferred one by more than this share, so that noise does not change what a machine uses.
    private var margin: Double { isSteady ? 0.02 : 0.15 }

    /// The choice to use: the first that is nearly as fast as the fastest. nil if no choice is allowed.
    ///
    /// - Parameter isAllowed: Leaves out what options exclude.
    package func best(where isAllowed: (KernelChoice) -> Bool = { _ in true }) -> KernelChoice? {
        let allowed = measurements.filter { isAllowed($0.choice) }
        guard let fastest = allowed.map(\.seconds).min() else { return nil }
        return allowed.first { $0.seconds <= fastest * (1 + margin) }?.choice
    }

    /// How many times as long as the best a choice takes.
    package func slowdown(of choice: KernelChoice) -> Double? {
        guard let best = best(), let least = seconds(of: best), let seconds = seconds(of: choice) else { return nil }
        return seconds / least
    }

    private func seconds(of choice: KernelChoice) -> Double? { measurements.first { $0.choice == choice }?.seconds }
}
