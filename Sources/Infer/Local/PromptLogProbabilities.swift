import Tokenize

/// Collects the log-probabilities of a prompt's tokens while the model processes the prompt in parts.
///
///     var collected = PromptLogProbabilities(of: prompt, vocabulary, alternatives: 5)
///     collected.add(tokens)                                    // of one part
///     collected.tokens                                         // the first has no log-probability
struct PromptLogProbabilities: Sendable {
    private let prompt: [TokenID]
    private let first: Int
    private let vocabulary: Vocabulary
    private let alternatives: Int
    private(set) var tokens: [GeneratedToken]

    /// - Parameter first: The first token whose log-probability is collected.
    init(of prompt: [TokenID], from first: Int = 0, _ vocabulary: Vocabulary, alternatives: Int) {
        self.prompt = prompt
        self.first = min(first, prompt.count - 1)
        self.vocabulary = vocabulary
        self.alternatives = alternatives
        tokens = first > 0 ? [] : prompt.prefix(1).map { GeneratedToken($0, vocabulary.bytes(of: $0)) }
    }

    var isComplete: Bool { first + tokens.count == prompt.count }
    /// The positions whose logits are not needed, or not any more.
    var processedPositions: Int { first + tokens.count - 1 }

    mutating func add(_ next: [GeneratedToken]) { tokens += next }

    /// The positions among `range`, which the model processes in one step, whose logits give tokens that are missing.
    func positions(in range: Range<Int>) -> Range<Int> {
        let end = min(range.upperBound, prompt.count - 1)
        return min(max(range.lowerBound, processedPositions), end)..<end
    }

    /// The tokens after consecutive positions.
    ///
    /// - Parameter logits: The logits at these positions.   [positions, V]
    func score(_ logits: Span<Float>, at positions: Range<Int>) -> [GeneratedToken] {
        var blocks = LogitBlocks(), candidates: [UInt64] = [], exponentials: [Float] = []
        let V = logits.count / max(1, positions.count)
        return positions.enumerated().map { row, position in
            let logits = logits.extracting(row * V..<(row + 1) * V), id = prompt[position + 1], logit = logits[Int(id)]
            let scored = TokenLogProbabilities(logits, alternatives: alternatives, &blocks, &candidates, &exponentials)
            var rank = 1
            for i in logits.indices where logits[i] > logit { rank += 1 }
            return GeneratedToken(
                id,
                vocabulary.bytes(of: id),
                logProbability: scored.logProbability(ofLogit: logit),
                rank: rank,
                alternatives: scored.alternatives.map { .init($0.id, vocabulary.bytes(of: $0.id), $0.logProbability) }
            )
        }
    }
}

extension Vocabulary {
    /// The bytes of a token; none for an id without a token: a model may have more logits (padding).
    func bytes(of id: TokenID) -> [UInt8] { tokens.indices.contains(Int(id)) ? Array(tokens[Int(id)]) : [] }
}
