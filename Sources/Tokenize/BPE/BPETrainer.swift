/// Trains a byte-level BPE vocabulary on counted words.
///
///     var trainer = BPETrainer(vocabularySize: 16_387)
///     trainer.specialTokens = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
///     let vocabulary = trainer.train(on: counts).vocabulary
package struct BPETrainer {
    /// The number of tokens, including special tokens.
    package var vocabularySize: Int
    package var specialTokens: [String] = []
    /// Whether special tokens get the first IDs, or the last.
    package var specialTokensFirst = true
    package var pattern = PreTokenizationPattern.gpt2
    /// Pairs that occur less often are not merged.
    package var minFrequency = 2
    /// The maximum length of a token in bytes; nil for no limit.
    package var maxTokenLength: Int?
    /// Called from time to time with the number of tokens so far. Training stops if it returns false.
    package var progress: (_ tokens: Int) -> Bool = { _ in true }

    package init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

    package struct TrainedVocabulary: Sendable, Equatable {
        package let vocabulary: Vocabulary
        /// The length of the training texts in bytes, and in tokens of the vocabulary.
        package let bytes, tokens: Int
    }

    /// Trains the vocabulary and frees the counts. It is smaller than `vocabularySize` if too few pairs are frequent enough, but always
    /// contains all bytes and special tokens.
    package func train(on words: consuming WordCounts) -> TrainedVocabulary {
        var vocabulary = Vocabulary()
        vocabulary.pattern = pattern
        if specialTokensFirst { vocabulary.add(specialTokens: specialTokens) }
        let base = TokenID(vocabulary.count)
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        var merges = MergeTrainer(words, base: (0..<256).map { base + $0 }, minFrequency: minFrequency)
        let bytes = merges.tokenCount
        let target = vocabularySize - (specialTokensFirst ? 0 : specialTokens.count)
        while vocabulary.count < target {
            if vocabulary.count % 256 == 0, !progress(vocabulary.count) { break }
            let length = { (id: TokenID) in vocabulary.tokens.range(of: Int(id)).count }
            let next = merges.mergeNext(into: TokenID(vocabulary.count)) { left, right in
                maxTokenLength.map { length(left) + length(right) <= $0 } ?? true
            }
            guard let merge = next?.merge else { break }
            vocabulary.tokens.append(Array(vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]))
            vocabulary.merges.append(merge)
        }
        if !specialTokensFirst { vocabulary.add(specialTokens: specialTokens) }
        return TrainedVocabulary(vocabulary: vocabulary, bytes: bytes, tokens: merges.tokenCount)
    }
}
