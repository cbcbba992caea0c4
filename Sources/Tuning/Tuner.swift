/// Measures choices against each other.
package enum Tuner {
    private static let leastRounds = 4, mostRounds = 30
    /// Rounds end after this many seconds of runs, even if they are not steady.
    private static let budget = 2.0
    /// After three rounds, choices that take longer than this many times the fastest are not run again.
    private static let cutoff = 1.25
    /// The two shortest runs of a choice may differ by this factor.
    private static let steadiness = 1.04

    private struct Candidate {
        let choice: KernelChoice
        let run: () -> Double
        var seconds: [Double] = []

        var least: Double { seconds.min() ?? 0 }
        var isSteady: Bool { seconds.count > 1 && seconds.sorted()[1] <= least * steadiness }
    }

    /// Runs all choices in turn, so that a slow moment of the machine hits each of them, and keeps the least time of each.
    ///
    /// - Parameters:
    ///   - pause: Called before each run: lets the threads of the run before fall asleep.
    ///   - prepare: Makes a function that does the work with a choice and returns the seconds; nil if the machine cannot run it.
    package static func measure(
        _ choices: [KernelChoice], pause: () -> Void, prepare: (KernelChoice) -> (() -> Double)?
    ) -> TuningResult {
        var candidates = choices.compactMap { choice in prepare(choice).map { Candidate(choice: choice, run: $0) } }
        for candidate in candidates {
            pause()
            _ = candidate.run()                  // allocates memory and loads caches
        }
        var total = 0.0
        var running = Array(candidates.indices)
        for round in 1...mostRounds {
            for i in running {
                pause()
                let seconds = candidates[i].run()
                candidates[i].seconds.append(seconds)
                total += seconds
            }
            let limit = (candidates.map(\.least).min() ?? 0) * cutoff
            if round >= leastRounds - 1 { running.removeAll { candidates[$0].least > limit } }
            if round >= leastRounds, total > budget || running.allSatisfy({ candidates[$0].isSteady }) { break }
        }
        return TuningResult(
            candidates.map { TuningResult.Measurement($0.choice, seconds: $0.least) },
            isSteady: running.allSatisfy { candidates[$0].isSteady })
    }
}
