import Train

extension TrainingRun {
    /// Trains to the end, or until a step, with a clock that stands still.
    @discardableResult
    func train(until stop: Int = .max, _ report: (Event) throws -> Void = { _ in }) throws -> Ending {
        try run(clock: { 0 }, shouldStop: { $0.step >= stop }, report)
    }
}
