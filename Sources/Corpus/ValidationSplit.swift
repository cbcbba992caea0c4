import Random

/// The rule that splits conversations into a training set and a validation set.
///
/// Each conversation gets a random number from the seed and its index in the corpus. It is in the validation set if the number is below the
/// share. So its set does not depend on the other conversations: when a chat history grows between two fine-tuning runs, the old chats stay
/// in their sets, and a model never trains on a chat that an earlier run validated on. Sampling an exact tenth of all conversations would
/// redistribute all of them. The rule also works on a stream of any length.
///
///     ValidationSplit(seed: 1, share: 0.1).isInValidationSet(7)
package struct ValidationSplit: Sendable, Equatable {
    package let seed: UInt64
    /// The expected share of the validation set.
    package let share: Double

    package init(seed: UInt64, share: Double) {
        self.seed = seed
        self.share = share
    }

    /// - Parameter index: The index of the conversation in the corpus.
    package func isInValidationSet(_ index: Int) -> Bool { number(index) < share }

    private func number(_ index: Int) -> Double {
        var random = SeededRandom(seed: seed, stream: UInt64(index))
        return random.uniform()
    }

    /// This split, or the split with the nearest share that leaves no set of `count` conversations empty.
    ///
    /// A single conversation is for training.
    package func adjusted(to count: Int) -> ValidationSplit {
        let numbers = (0..<count).map(number)
        guard share > 0, share < 1, let least = numbers.min(), let greatest = numbers.max() else { return self }
        if count > 1, least >= share { return ValidationSplit(seed: seed, share: least.nextUp) }
        return greatest < share ? ValidationSplit(seed: seed, share: greatest) : self
    }
}
