/// Whether the next tokens of an answer are guessed, from its prompt and its beginning or by a draft model, and checked together in one
/// step (speculative decoding). The answers are the same, bit for bit.
package enum Speculation: String, Sendable, CaseIterable {
    /// As many guesses as the measured times of steps and of a draft model, and the shares of right guesses, make worthwhile.
    case auto
    /// All guesses.
    case always
    case never
}

/// The guesses that the model has checked for an answer.
package struct GuessCounts: Sendable, Equatable {
    package var checked = 0
    package var right = 0

    package init() {}
}
