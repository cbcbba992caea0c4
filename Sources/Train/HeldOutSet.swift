/// Data that a run evaluates on: texts, or preferences.
package protocol HeldOutSet: Sendable {
    /// The number of tokens of the whole set.
    var tokens: Int { get }

    /// The part with at least `tokens` tokens, or the whole set.
    func part(of tokens: Int) -> ValidationSet.Part

    /// The metrics of each conversation, of each piece of a plain text, or of each preference.
    ///
    /// - Parameter progress: Called with the number of tokens done.
    func pieces(
        of part: ValidationSet.Part, by trainer: Trainer, progress: (_ tokens: Int) throws -> Void
    ) throws -> [Evaluation]
}

extension HeldOutSet {
    /// - Parameter progress: Called with the number of tokens done.
    func evaluation(
        of part: ValidationSet.Part, by trainer: Trainer, progress: (_ tokens: Int) throws -> Void
    ) throws -> Evaluation {
        try pieces(of: part, by: trainer, progress: progress).reduce(into: Evaluation(), +=)
    }
}

extension ValidationSet: HeldOutSet {
    package func pieces(of part: Part, by trainer: Trainer, progress: (_ tokens: Int) throws -> Void) throws -> [Evaluation] {
        try pieces(of: part, by: trainer.evaluator, progress: progress)
    }
}
