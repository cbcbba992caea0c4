import Tokenize

/// Small vocabularies of every kind.
enum VocabularyFixtures {
    static let text = "the other weather is there, isn't it? The theory: 日本 and 日本語, naïve façade 🙂🙂  \n\n  1234 12 123\tthe end"

    static func trained(
        _ size: Int = 300, specialTokens: [String] = [], first: Bool = true, pattern: PreTokenizationPattern = .gpt2
    ) throws -> Vocabulary {
        var trainer = BPETrainer(vocabularySize: size), counts = try WordCounts(pattern: pattern)
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

    /// A vocabulary with unused IDs at the start, between bytes and between merges.
    static func withUnusedIDs() throws -> Vocabulary {
        var sparse = try trained(270), tokens = ByteStrings()
        let newID = { (id: TokenID) in id * 2 + 3 }
        for id in sparse.tokens.indices {
            while tokens.count < newID(TokenID(id)) { tokens.append([]) }
            tokens.append(sparse.tokens[id])
        }
        sparse.tokens = tokens
        sparse.merges = sparse.merges.map { Vocabulary.Merge(newID($0.left), newID($0.right), newID($0.result)) }
        return sparse
    }

    /// Vocabularies with every property that a tokenizer.json represents.
    static func all() throws -> [(name: String, vocabulary: Vocabulary)] {
        var result = [
            ("bytes only", try trained(256)), ("merges", try trained()),
            ("special first", try trained(specialTokens: ["<|user|>", "<|eos|>"])),
            ("special last", try trained(specialTokens: ["<|user|>", "<|eos|>"], first: false)),
            ("special with escapes", try trained(specialTokens: ["\"\\\n日 \u{1}"])),
            ("unused ids", try withUnusedIDs()), ("characters", characters),
        ]
        for pattern in [PreTokenizationPattern.gpt4, .llama3, .none, .regex(#"\s+|\S+?(?=\d)|日"#)] {
            var vocabulary = try trained(specialTokens: ["<|eos|>"], pattern: pattern)
            result.append(("\(pattern)", vocabulary))
            vocabulary.prefixSpace = pattern == .none ? .always : .never
            vocabulary.ignoresMerges = true
            result.append(("\(pattern) without merges of whole words", vocabulary))
        }
        var prefixed = try trained()
        prefixed.prefixSpace = .always
        result.append(("gpt2 with a prefix space", prefixed))
        var split = characters
        split.pattern = .gpt2
        result.append(("characters with a pattern", split))
        for prefix in Vocabulary.PrefixSpace.allCases {
            for pattern in [PreTokenizationPattern.none, .spaces] {
                result.append(("SentencePiece, \(prefix), \(pattern)", sentencePiece(prefix, pattern)))
            }
        }
        var added = try trained(specialTokens: ["<|eos|>"], pattern: .qwen2)
        added.normalization = .nfc
        let next = TokenID(added.count)
        added.addedTokens = [.init(id: next, text: "<think>"), .init(id: next + 1, text: "  ", [.normalized, .wholeWord, .stripsRight])]
        for token in added.addedTokens { added.tokens.append(token.text.utf8) }
        added.textPrefix = [0]
        added.textSuffix = [0, next]
        result.append(("added tokens and NFC", added))
        added.pattern = .sequence([.smollm, .regex("a+"), .gpt2])
        result.append(("a sequence of patterns", added))
        return result
    }

    /// A SentencePiece vocabulary: <unk>, <s>, the 256 bytes, the characters of `text` but for a few, and merges.
    static func sentencePiece(_ prefix: Vocabulary.PrefixSpace, _ pattern: PreTokenizationPattern = .none) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.pattern = pattern
        vocabulary.prefixSpace = prefix
        vocabulary.marksSpaces = true
        vocabulary.add(specialTokens: ["<unk>", "<s>"])
        vocabulary.unknownToken = 0
        vocabulary.fusesUnknown = true
        vocabulary.textPrefix = [1]
        for byte in UInt8.min...UInt8.max {
            vocabulary.byteTokens.append(TokenID(vocabulary.count))
            vocabulary.tokens.append([byte])
        }
        for character in Set(text.unicodeScalars).sorted() where !"🙂\n\t本".unicodeScalars.contains(character) {
            vocabulary.tokens.append(String(character).utf8)
        }
        // Each token with the halves that make it; "the" has two.
        for (left, right) in [
            ("t", "h"), ("th", "e"), (" ", "the"), (" ", "t"), (" ", " "), (" t", "he"), ("h", "e"), ("t", "he"), (" t", "h"),
            (" th", "e"), ("日", "語"),
        ] {
            func id(_ text: String) -> TokenID? {
                vocabulary.tokens.indices.dropFirst(258).first { vocabulary.tokens[$0].elementsEqual(text.utf8) }.map { TokenID($0) }
            }
            if id(left + right) == nil { vocabulary.tokens.append((left + right).utf8) }
            guard let first = id(left), let second = id(right), let result = id(left + right) else { continue }
            vocabulary.merges.append(.init(first, second, result))
        }
        return vocabulary
    }
}
