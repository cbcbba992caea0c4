import Tokenize

/// Changes to the logits before sampling: repetition, frequency and presence penalties, bias, and banned tokens.
struct Penalties: Sendable {
    private let repetition: Float
    private let frequency: Float
    private let presence: Float
    private let biases: [(id: Int, bias: Float)]
    private let banned: [Int]
    /// The distinct tokens of prompt and answer, in the order of their first occurrence.
    private var seen: [Int] = []
    private var isSeen: Set<TokenID> = []
    /// The number of occurrences of each token in the answer.
    private var answerCounts: [TokenID: Int] = [:]

    init(_ config: GenerationConfig, banned: [TokenID], prompt: [TokenID]) {
        repetition = Float(config.repetitionPenalty)
        frequency = Float(config.frequencyPenalty)
        presence = Float(config.presencePenalty)
        biases = config.logitBias.map { (Int($0.key), $0.value) }
        self.banned = banned.map { Int($0) }
        if repetition != 1 { for id in prompt { markSeen(id) } }
    }

    private mutating func markSeen(_ id: TokenID) {
        if id >= 0, isSeen.insert(id).inserted { seen.append(Int(id)) }
    }

    /// Adds a sampled token to the answer.
    mutating func add(_ id: TokenID) {
        if repetition != 1 { markSeen(id) }
        if frequency != 0 || presence != 0 { answerCounts[id, default: 0] += 1 }
    }

    func apply(to logits: inout MutableSpan<Float>) {
        let V = logits.count
        for id in seen where id < V { logits[id] = logits[id] > 0 ? logits[id] / repetition : logits[id] * repetition }
        for (id, count) in answerCounts where id < V { logits[Int(id)] -= Float(count) * frequency + presence }
        for (id, bias) in biases where id < V { logits[id] += bias }
        for id in banned where id < V { logits[id] = -.infinity }
    }
}
