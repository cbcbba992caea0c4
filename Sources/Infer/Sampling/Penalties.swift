import Tokenize

/// What changes scores before a token is chosen: repetition, frequency, presence, bias, and tokens that may not come.
struct Penalties: Sendable {
    private let repetition, frequency, presence: Float
    private let biases: [(id: Int, bias: Float)]
    private let banned: [Int]
    /// Of prompt and answer, each once.
    private var seen: [Int] = []
    private var isSeen: Set<TokenID> = []
    /// How often each token stands in the answer.
    private var drawn: [TokenID: Int] = [:]

    init(_ config: GenerationConfig, banned: [TokenID], prompt: [TokenID]) {
        repetition = Float(config.repetitionPenalty)
        (frequency, presence) = (Float(config.frequencyPenalty), Float(config.presencePenalty))
        biases = config.logitBias.map { (Int($0.key), $0.value) }
        self.banned = banned.map { Int($0) }
        if repetition != 1 { for id in prompt { note(id) } }
    }

    private mutating func note(_ id: TokenID) {
        if id >= 0, isSeen.insert(id).inserted { seen.append(Int(id)) }
    }

    /// `id` was chosen.
    mutating func add(_ id: TokenID) {
        if repetition != 1 { note(id) }
        if frequency != 0 || presence != 0 { drawn[id, default: 0] += 1 }
    }

    func apply(to scores: inout MutableSpan<Float>) {
        let count = scores.count
        for id in seen where id < count { scores[id] = scores[id] > 0 ? scores[id] / repetition : scores[id] * repetition }
        for (id, times) in drawn where id < count { scores[Int(id)] -= Float(times) * frequency + presence }
        for (id, bias) in biases where id < count { scores[id] += bias }
        for id in banned where id < count { scores[id] = -.infinity }
    }
}
