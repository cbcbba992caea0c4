import Tokenize

/// Small vocabularies of every kind.
enum Fixture {
    static let text = "the other weather is there, isn't it? The theory: 日本 and 日本語, naïve façade 🙂🙂  \n\n  1234 12 123\tthe end"

    static func learned(
        _ size: Int = 300, specialTokens: [String] = [], first: Bool = true, pattern: PreTokenizationPattern = .gpt2
    ) throws -> Vocabulary {
        var trainer = BPETrainer(size: size), counts = try WordCounts(pattern: pattern)
        trainer.specialTokens = specialTokens
        trainer.specialTokensFirst = first
        trainer.pattern = pattern
        trainer.minFrequency = 1
        try counts.add(Array(text.utf8).span)
        return trainer.train(on: counts).vocabulary
    }

    static var characters: Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.pattern = .none
        vocabulary.add(specialTokens: ["<|eos|>"])
        for character in Set(text.unicodeScalars).sorted() { vocabulary.tokens.append(String(character).utf8) }
        return vocabulary
    }

    /// Numbers without a token, at the beginning, in the middle, and between bytes and merges.
    static func withGaps() throws -> Vocabulary {
        var sparse = try learned(270), tokens = ByteStrings()
        let place = { (id: TokenID) in id * 2 + 3 }
        for id in sparse.tokens.indices {
            while tokens.count < place(TokenID(id)) { tokens.append([]) }
            tokens.append(sparse.tokens[id])
        }
        sparse.tokens = tokens
        sparse.merges = sparse.merges.map { Vocabulary.Merge(place($0.left), place($0.right), place($0.result)) }
        return sparse
    }

    /// All that a tokenizer.json can hold.
    static func all() throws -> [(name: String, vocabulary: Vocabulary)] {
        var result = [
            ("bytes alone", try learned(256)), ("merges", try learned()),
            ("special first", try learned(specialTokens: ["<|user|>", "<|eos|>"])),
            ("special last", try learned(specialTokens: ["<|user|>", "<|eos|>"], first: false)),
            ("special in odd letters", try learned(specialTokens: ["\"\\\n日 \u{1}"])),
            ("gaps", try withGaps()), ("characters", characters),
        ]
        for pattern in [PreTokenizationPattern.gpt4, .llama3, .none, .regex(#"\s+|\S+?(?=\d)|日"#)] {
            var vocabulary = try learned(specialTokens: ["<|eos|>"], pattern: pattern)
            result.append(("\(pattern)", vocabulary))
            vocabulary.addsPrefixSpace = pattern == .none
            vocabulary.ignoresMerges = true
            result.append(("\(pattern) with whole words", vocabulary))
        }
        var prefixed = try learned()
        prefixed.addsPrefixSpace = true
        result.append(("gpt2 with a space first", prefixed))
        var cut = characters
        cut.pattern = .gpt2
        result.append(("characters in words", cut))
        return result
    }
}
