import Glibc
import Infer
import Kernels
import Tokenize
import Random

/// A reference for `Sampler` that sorts the whole vocabulary and computes in f64.
struct PlainSampler {
    let config: GenerationConfig
    let vocabulary: Int
    let banned: [TokenID]
    let prompt: [TokenID]
    private var answer: [TokenID] = []

    init(_ config: GenerationConfig, vocabulary: Int, banned: [TokenID], prompt: [TokenID]) {
        self.config = config
        self.vocabulary = vocabulary
        self.banned = banned
        self.prompt = prompt
    }

    /// The possible tokens with their weights, in the order in which one is sampled.
    func candidates(_ logits: [Float]) -> [(id: Int, weight: Double)] {
        var logits = logits
        if config.repetitionPenalty != 1 {
            for id in Set(prompt + answer) where id < logits.count {
                let logit = logits[Int(id)], penalty = Float(config.repetitionPenalty)
                logits[Int(id)] = logit > 0 ? logit / penalty : logit * penalty
            }
        }
        for id in Set(answer) where id < logits.count {
            logits[Int(id)] -= Float(answer.count { $0 == id }) * Float(config.frequencyPenalty) + Float(config.presencePenalty)
        }
        for (id, bias) in config.logitBias where id < logits.count { logits[Int(id)] += bias }
        for id in banned where id < logits.count { logits[Int(id)] = -.infinity }
        let allowed = logits.prefix(vocabulary).enumerated().filter { $0.element > -.infinity }
        var sorted = allowed.map { (id: $0.offset, logit: Double($0.element)) }.sorted { ($1.logit, $0.id) < ($0.logit, $1.id) }
        guard let best = sorted.first?.logit else { return [] }
        if config.temperature == 0 { return [(sorted[0].id, 1)] }
        func relative(_ logit: Double) -> Double { logit == best ? 0 : logit - best }
        let isFiltered = config.topK != 0 && config.topK < min(vocabulary, logits.count) || config.topP < 1 || config.minP > 0
        if config.topK != 0 { sorted = Array(sorted.prefix(config.topK)) }
        if config.topP < 1 {
            let sum = sorted.reduce(0) { $0 + exp(relative($1.logit)) }
            var mass = 0.0, count = 0
            while count < sorted.count, count == 0 || mass < config.topP * sum {
                mass += exp(relative(sorted[count].logit))
                count += 1
            }
            sorted = Array(sorted.prefix(count))
        }
        if config.minP > 0 { sorted = sorted.filter { relative($0.logit) >= log(config.minP) } }
        let weights = sorted.map { (id: $0.id, weight: exp(relative($0.logit) / config.temperature)) }
        return isFiltered || best == .infinity ? weights : weights.sorted { $0.id < $1.id }
    }

    /// The sampled token, and the distance of the random number from the boundary to a neighbor. If it is tiny, rounding decides.
    mutating func sample(_ logits: [Float]) -> (id: TokenID, margin: Double)? {
        let candidates = candidates(logits), index = UInt64(answer.count)
        guard !candidates.isEmpty else { return nil }
        var random = SeededRandom(seed: config.seed ?? 0, stream: index)
        let sum = candidates.reduce(0) { $0 + $1.weight }, target = random.uniform() * sum
        var mass = 0.0, chosen = candidates.count - 1, margin = Double.infinity
        for (i, token) in candidates.enumerated() {
            mass += token.weight
            margin = min(margin, abs(mass - target) / sum)
            if mass > target {
                chosen = i
                break
            }
        }
        return (TokenID(candidates[chosen].id), candidates.count == 1 ? 1 : margin)
    }

    mutating func add(_ id: TokenID) { answer.append(id) }
}
