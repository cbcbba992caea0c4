import Testing
import Tokenize
import TestSupport

@Suite struct BPETrainerTests {
    /// Few letters (many ties and runs), repeated words, several scripts, random bytes.
    static let corpora: [(name: String, text: [UInt8])] = {
        var random = TestRandom(7)
        let letters = (0..<4_000).map { _ in "aab ".utf8.randomElement(using: &random) ?? 0 }
        let syllables = ["ka", "lo", "mi", "the", "ing", "ed", " ", " ", "\n", "'s", "ß", "日本", "👩‍🚀", "12", "!"]
        let words = (0..<3_000).flatMap { _ in (syllables.randomElement(using: &random) ?? "").utf8 }
        let bytes = (0..<2_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        return [
            ("letters", letters), ("syllables", words), ("bytes", bytes), ("one letter", Array(repeating: 97, count: 999)), ("nothing", []),
        ]
    }()

    @Test(arguments: corpora.map(\.name), [PreTokenizationPattern.gpt2, .gpt4, .none])
    func `merges are those of naive BPE, in the same order`(name: String, pattern: PreTokenizationPattern) throws {
        let text = try #require(Self.corpora.first { $0.name == name }?.text)
        var counts = try WordCounts(pattern: pattern), words: [[UInt8]: Int] = [:]
        try counts.add(text.span)
        counts.forEach { word, count in words[Array(word), default: 0] += count }
        #expect(words.map { $0.key.count * $0.value }.reduce(0, +) == text.count)
        for (minFrequency, specialTokens) in [(1, []), (3, ["<|eos|>", "<|pad|>"])] {
            var trainer = BPETrainer(vocabularySize: 420)
            trainer.minFrequency = minFrequency
            trainer.specialTokens = specialTokens
            trainer.pattern = pattern
            var again = try WordCounts(pattern: pattern)
            try again.add(text.span)
            let vocabulary = trainer.train(on: again).vocabulary
            let expected = NaiveBPE.merges(of: words, upTo: 420, minFrequency: minFrequency, base: specialTokens.count)
            let firstDifference = zip(vocabulary.merges, expected).first { $0 != $1 }
            #expect(firstDifference == nil)
            #expect(vocabulary.count == specialTokens.count + 256 + expected.count)
        }
    }

    @Test func `the vocabulary does not depend on the order of words or on which thread counted them`() throws {
        let text = Self.corpora[1].text, half = try #require(text.firstIndex(of: 0x0A))
        var whole = try WordCounts(pattern: .gpt2), first = try WordCounts(pattern: .gpt2), second = try WordCounts(pattern: .gpt2)
        try whole.add(text.span)
        try first.add(text.span.extracting(half + 1..<text.count))
        try second.add(text.span.extracting(0..<half + 1))
        second.add(first)
        let trainer = BPETrainer(vocabularySize: 500)
        let expected = trainer.train(on: whole).vocabulary
        let summed = trainer.train(on: second).vocabulary
        #expect(expected == summed)
    }

    @Test func `special tokens are first or last and count towards the size`() throws {
        for first in [true, false] {
            var trainer = BPETrainer(vocabularySize: 300), counts = try WordCounts(pattern: .gpt2)
            trainer.specialTokens = ["<|user|>", "<|eos|>"]
            trainer.specialTokensFirst = first
            trainer.minFrequency = 1
            let text = Self.corpora[0].text
            try counts.add(text.span)
            let vocabulary = trainer.train(on: counts).vocabulary
            #expect(vocabulary.count <= 300)
            #expect(vocabulary.specialTokens.map(\.id) == (first ? [0, 1] : [TokenID(vocabulary.count) - 2, TokenID(vocabulary.count) - 1]))
            #expect(vocabulary.specialTokens.map(\.text) == trainer.specialTokens)
        }
    }

    @Test func `no token exceeds the maximum length`() throws {
        var trainer = BPETrainer(vocabularySize: 1_000), counts = try WordCounts(pattern: .gpt2)
        trainer.maxTokenLength = 3
        trainer.minFrequency = 1
        let text = Self.corpora[1].text
        try counts.add(text.span)
        let vocabulary = trainer.train(on: counts).vocabulary
        #expect(vocabulary.tokens.indices.map { vocabulary.tokens.range(of: $0).count }.max() == 3)
        #expect(vocabulary.count > 260)
    }

    @Test func `a text in pieces has the counts of the whole text`() throws {
        var random = TestRandom(3)
        for (_, text) in Self.corpora {
            for pattern in [PreTokenizationPattern.gpt2, .gpt4, .llama3] {
                var whole = try WordCounts(pattern: pattern), pieces = try WordCounts(pattern: pattern), pending: [UInt8] = []
                try whole.add(text.span)
                var at = 0
                while at < text.count {
                    let end = min(text.count, at + Int.random(in: 1...90, using: &random))
                    pending += text[at..<end]
                    pending.removeFirst(try pieces.add(pending.span, isLast: end == text.count))
                    at = end
                }
                var a: [[UInt8]: Int] = [:], b: [[UInt8]: Int] = [:]
                whole.forEach { a[Array($0), default: 0] += $1 }
                pieces.forEach { b[Array($0), default: 0] += $1 }
                #expect(a == b && pending.isEmpty)
            }
        }
    }
}
