import Testing
import Tokenize
import TestSupport

@Suite struct LearningTests {
    /// Texts of a kind each: few letters (many ties and runs), words again and again, many languages, bytes.
    static let corpora: [(name: String, text: [UInt8])] = {
        var random = Noise(7)
        let letters = (0..<4_000).map { _ in "aab ".utf8.randomElement(using: &random) ?? 0 }
        let syllables = ["ka", "lo", "mi", "the", "ing", "ed", " ", " ", "\n", "'s", "ß", "日本", "👩‍🚀", "12", "!"]
        let words = (0..<3_000).flatMap { _ in (syllables.randomElement(using: &random) ?? "").utf8 }
        let bytes = (0..<2_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        return [("letters", letters), ("syllables", words), ("bytes", bytes), ("one letter", Array(repeating: 97, count: 999)), ("nothing", [])]
    }()

    @Test(arguments: corpora.map(\.name), [WordPattern.gpt2, .gpt4, .none])
    func `merges are those of the blackboard, in the same order`(name: String, pattern: WordPattern) throws {
        let text = try #require(Self.corpora.first { $0.name == name }?.text)
        var counts = try WordCounts(cutting: pattern), words: [[UInt8]: Int] = [:]
        try counts.add(text.span)
        counts.forEach { word, count in words[Array(word), default: 0] += count }
        #expect(words.map { $0.key.count * $0.value }.reduce(0, +) == text.count)
        for (leastCount, specials) in [(1, []), (3, ["<|eos|>", "<|pad|>"])] {
            var learner = VocabularyLearner(size: 420)
            (learner.leastCount, learner.specials, learner.pattern) = (leastCount, specials, pattern)
            var again = try WordCounts(cutting: pattern)
            try again.add(text.span)
            let vocabulary = learner.learn(from: again).vocabulary
            let expected = Naive.merges(of: words, upTo: 420, leastCount: leastCount, base: specials.count)
            let firstDifference = zip(vocabulary.merges, expected).first { $0 != $1 }
            #expect(firstDifference == nil)
            #expect(vocabulary.count == specials.count + 256 + expected.count)
        }
    }

    @Test func `the order of words and the threads that counted them do not matter`() throws {
        let text = Self.corpora[1].text, half = try #require(text.firstIndex(of: 0x0A))
        var whole = try WordCounts(cutting: .gpt2), first = try WordCounts(cutting: .gpt2), second = try WordCounts(cutting: .gpt2)
        try whole.add(text.span)
        try first.add(text.span.extracting(half + 1..<text.count))
        try second.add(text.span.extracting(0..<half + 1))
        second.add(first)
        let learner = VocabularyLearner(size: 500), expected = learner.learn(from: whole).vocabulary, together = learner.learn(from: second).vocabulary
        #expect(expected == together)
    }

    @Test func `special tokens come first or last and count within the size`() throws {
        for first in [true, false] {
            var learner = VocabularyLearner(size: 300), counts = try WordCounts(cutting: .gpt2)
            learner.specials = ["<|user|>", "<|eos|>"]
            (learner.specialsComeFirst, learner.leastCount) = (first, 1)
            let text = Self.corpora[0].text
            try counts.add(text.span)
            let vocabulary = learner.learn(from: counts).vocabulary
            #expect(vocabulary.count <= 300)
            #expect(vocabulary.specials.map(\.id) == (first ? [0, 1] : [TokenID(vocabulary.count) - 2, TokenID(vocabulary.count) - 1]))
            #expect(vocabulary.specials.map(\.text) == learner.specials)
        }
    }

    @Test func `no token is longer than allowed`() throws {
        var learner = VocabularyLearner(size: 1_000), counts = try WordCounts(cutting: .gpt2)
        (learner.longestToken, learner.leastCount) = (3, 1)
        let text = Self.corpora[1].text
        try counts.add(text.span)
        let vocabulary = learner.learn(from: counts).vocabulary
        #expect(vocabulary.tokens.indices.map { vocabulary.tokens.range(of: $0).count }.max() == 3)
        #expect(vocabulary.count > 260)
    }

    @Test func `a text in pieces is counted as the whole text`() throws {
        var random = Noise(3)
        for (_, text) in Self.corpora {
            for pattern in [WordPattern.gpt2, .gpt4, .llama3] {
                var whole = try WordCounts(cutting: pattern), pieces = try WordCounts(cutting: pattern), kept: [UInt8] = []
                try whole.add(text.span)
                var at = 0
                while at < text.count {
                    let end = min(text.count, at + Int.random(in: 1...90, using: &random))
                    kept += text[at..<end]
                    kept.removeFirst(try pieces.add(kept.span, isLast: end == text.count))
                    at = end
                }
                var a: [[UInt8]: Int] = [:], b: [[UInt8]: Int] = [:]
                whole.forEach { a[Array($0), default: 0] += $1 }
                pieces.forEach { b[Array($0), default: 0] += $1 }
                #expect(a == b && kept.isEmpty)
            }
        }
    }
}
