package import Random
package import Tokenize

/// What an embedding model is trained on: questions with the passages that answer them, and passages alone.
///
///     var examples = EmbeddingExamples()
///     examples.add(question: [17, 4], passage: [4, 99, 3])
///     examples.add(passage: [4, 99, 3, …])
///     examples.pair(0, at: .random(&random))
package struct EmbeddingExamples: Sendable {
    /// A question and a passage, as tokens.
    package struct Pair: Sendable, Equatable {
        package let question, passage: [TokenID]
    }

    private enum Example: Sendable {
        case pair(Pair)
        /// A part of it is the question (the inverse cloze task: Lee, Chang and Toutanova 2019).
        case passage([TokenID])
    }

    private var examples: [Example] = []

    /// The tokens of a question that is a part of a passage, at most half of it.
    private static let partTokens = 4...24
    /// The share of such questions that the passage keeps, so that words themselves still count.
    private static let keptShare = 0.1

    package init() {}

    package var count: Int { examples.count }

    /// Leaves out a pair without tokens on one side.
    package mutating func add(question: [TokenID], passage: [TokenID]) {
        if !question.isEmpty, !passage.isEmpty { examples.append(.pair(Pair(question: question, passage: passage))) }
    }

    /// Leaves out a passage that is too short to have a part.
    package mutating func add(passage: [TokenID]) {
        if passage.count >= 2 * Self.partTokens.lowerBound { examples.append(.passage(passage)) }
    }

    /// An example as a pair: with a random part as its question, if it has none.
    package func pair(_ index: Int, _ random: inout SeededRandom) -> Pair {
        switch examples[index] {
        case .pair(let pair): return pair
        case .passage(let tokens):
            let most = min(Self.partTokens.upperBound, tokens.count / 2)
            let length = Int.random(in: Self.partTokens.lowerBound...most, using: &random)
            let start = Int.random(in: 0...tokens.count - length, using: &random)
            let isKept = random.uniform() < Self.keptShare
            return Pair(
                question: Array(tokens[start..<start + length]),
                passage: isKept ? tokens : Array(tokens[..<start] + tokens[(start + length)...]))
        }
    }

    /// How often each token occurs in at least one text of an example.
    func documentCounts(vocabulary: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: vocabulary)
        for example in examples {
            let tokens = switch example { case .pair(let pair): pair.question + pair.passage; case .passage(let tokens): tokens }
            for token in Set(tokens) { counts[Int(token)] += 1 }
        }
        return counts
    }

    /// Moves some examples, chosen at random, to a set of their own.
    mutating func split(_ count: Int, _ random: inout SeededRandom) -> EmbeddingExamples {
        examples.shuffle(using: &random)
        var others = EmbeddingExamples()
        others.examples = Array(examples.suffix(count))
        examples.removeLast(count)
        return others
    }
}
