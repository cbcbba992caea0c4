/// Learns a vocabulary from counted words.
///
///     var settings = BPETrainer(size: 16_387)
///     settings.specialTokens = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
///     let vocabulary = settings.learn(from: counts).vocabulary
package struct BPETrainer {
    /// Tokens in all, special ones included.
    package var size: Int
    package var specialTokens: [String] = []
    /// Whether the special tokens have the first ids, or the last.
    package var specialTokensFirst = true
    package var pattern = PreTokenizationPattern.gpt2
    /// Pairs that occur less often do not become tokens.
    package var leastCount = 2
    /// No token gets longer, in bytes; nil for any length.
    package var longestToken: Int?
    /// Called with the number of tokens from time to time; false stops.
    package var progress: (_ tokens: Int) -> Bool = { _ in true }

    package init(size: Int) { self.size = size }

    package struct Learned: Sendable, Equatable {
        package let vocabulary: Vocabulary
        /// What the texts that it was learned from are in bytes, and in its tokens.
        package let bytes, tokens: Int
    }

    /// The vocabulary, for which the counts are used up: smaller than `size` where no more pairs occur often enough, never smaller than the
    /// bytes and the special tokens.
    package func learn(from words: consuming WordCounts) -> Learned {
        var vocabulary = Vocabulary()
        vocabulary.pattern = pattern
        if specialTokensFirst { vocabulary.add(specialTokens: specialTokens) }
        let base = TokenID(vocabulary.count)
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        var learner = MergeTrainer(words, base: (0..<256).map { base + $0 }, leastCount: leastCount)
        let bytes = learner.textTokens
        let target = size - (specialTokensFirst ? 0 : specialTokens.count)
        while vocabulary.count < target {
            if vocabulary.count % 256 == 0, !progress(vocabulary.count) { break }
            let lengths = { (id: TokenID) in vocabulary.tokens.range(of: Int(id)).count }
            guard let (merge, _) = learner.learn(as: TokenID(vocabulary.count), allowing: { left, right in
                longestToken.map { lengths(left) + lengths(right) <= $0 } ?? true
            }) else { break }
            vocabulary.tokens.append(Array(vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]))
            vocabulary.merges.append(merge)
        }
        if !specialTokensFirst { vocabulary.add(specialTokens: specialTokens) }
        return Learned(vocabulary: vocabulary, bytes: bytes, tokens: learner.textTokens)
    }
}

extension Vocabulary {
    /// Appends special tokens, whose ids are the next.
    package mutating func add(specialTokens texts: [String]) {
        for text in texts {
            specialTokens.append(Special(id: TokenID(tokens.count), text: text))
            tokens.append(text.utf8)
        }
    }
}
