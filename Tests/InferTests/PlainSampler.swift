import Glibc
import Infer
import Kernels
import Tokenize
import Random

/// The sampler a second time: everything sorted, in f64.
struct PlainSampler {
    let config: GenerationConfig
    let vocabulary: Int
    let banned: [TokenID]
    let prompt: [TokenID]
    private var answer: [TokenID] = []

    init(_ config: GenerationConfig, vocabulary: Int, banned: [TokenID], prompt: [TokenID]) {
        (self.config, self.vocabulary, self.banned, self.prompt) = (config, vocabulary, banned, prompt)
    }

    /// Which tokens may come, with their weights, in the order in which they are drawn from.
    func candidates(_ scores: [Float]) -> [(id: Int, weight: Double)] {
        var scores = scores
        if config.repetitionPenalty != 1 {
            for id in Set(prompt + answer) where id < scores.count {
                let s = scores[Int(id)], p = Float(config.repetitionPenalty)
                scores[Int(id)] = s > 0 ? s / p : s * p
            }
        }
        for id in Set(answer) where id < scores.count {
            scores[Int(id)] -= Float(answer.count { $0 == id }) * Float(config.frequencyPenalty) + Float(config.presencePenalty)
        }
        for (id, bias) in config.logitBias where id < scores.count { scores[Int(id)] += bias }
        for id in banned where id < scores.count { scores[Int(id)] = -.infinity }
        let allowed = scores.prefix(vocabulary).enumerated().filter { $0.element > -.infinity }.map { (id: $0.offset, score: Double($0.element)) }
        var sorted = allowed.sorted { ($1.score, $0.id) < ($0.score, $1.id) }
        guard let best = sorted.first?.score else { return [] }
        if config.temperature == 0 { return [(sorted[0].id, 1)] }
        func excess(_ score: Double) -> Double { score == best ? 0 : score - best }
        let isCut = config.topK != 0 && config.topK < min(vocabulary, scores.count) || config.topP < 1 || config.minP > 0
        if config.topK != 0 { sorted = Array(sorted.prefix(config.topK)) }
        if config.topP < 1 {
            let sum = sorted.reduce(0) { $0 + exp(excess($1.score)) }
            var mass = 0.0, count = 0
            while count < sorted.count, count == 0 || mass < config.topP * sum {
                mass += exp(excess(sorted[count].score))
                count += 1
            }
            sorted = Array(sorted.prefix(count))
        }
        if config.minP > 0 { sorted = sorted.filter { excess($0.score) >= log(config.minP) } }
        let weights = sorted.map { (id: $0.id, weight: exp(excess($0.score) / config.temperature)) }
        return isCut || best == .infinity ? weights : weights.sorted { $0.id < $1.id }
    }

    /// The token, and how far the draw is from choosing its neighbour: so near, rounding decides.
    mutating func next(_ scores: [Float]) -> (id: TokenID, margin: Double)? {
        let candidates = candidates(scores), index = UInt64(answer.count)
        guard !candidates.isEmpty else { return nil }
        var random = CountedRandom(seed: config.seed ?? 0, stream: index)
        let sum = candidates.reduce(0) { $0 + $1.weight }, target = random.share() * sum
        var mass = 0.0, chosen = candidates.count - 1, margin = Double.infinity
        for (i, token) in candidates.enumerated() {
            mass += token.weight
            margin = min(margin, abs(mass - target) / sum)
            if mass > target { chosen = i; break }
        }
        return (TokenID(candidates[chosen].id), candidates.count == 1 ? 1 : margin)
    }

    mutating func add(_ id: TokenID) { answer.append(id) }
}
