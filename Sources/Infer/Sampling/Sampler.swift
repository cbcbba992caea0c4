import Glibc
import Kernels
package import Tokenize
import Random

/// Chooses each token of one answer from the model's scores.
///
///     var sampler = Sampler(config, vocabulary: tokenizer.vocabulary.count, banned: rules.banned, prompt: ids)
///     let choice = sampler.next(&scores)                       // spoils the scores
///
/// In this order: repetition, frequency and presence penalty; bias; tokens that may not come; then, at temperature 0, the likeliest; else top-k, top-p and min-p,
/// each on what the one before has left, with the shares that the model itself gives; temperature last, and a draw. So which tokens may come does not depend on
/// the temperature (as in llama.cpp): a warm answer is varied, but not made of tokens that the model finds absurd, as it would be if temperature came first.
///
/// The repetition penalty sees prompt and answer, the other two the answer alone, as with OpenAI. What token i of an answer draws depends on the seed and on i
/// alone. Of equal scores the smaller id counts as the better. NaN is never chosen, +∞ always.
package struct Sampler: Sendable {
    package struct Choice: Sendable, Equatable {
        package let id: TokenID
        /// Of what the model says, before anything changes it; nil if nobody asked.
        package let logProbability: Float?
        /// The likeliest first; also those that may not come.
        package let alternatives: [Alternative]

        package init(_ id: TokenID, logProbability: Float? = nil, alternatives: [Alternative] = []) {
            (self.id, self.logProbability, self.alternatives) = (id, logProbability, alternatives)
        }
    }

    package struct Alternative: Sendable, Equatable {
        package let id: TokenID
        package let logProbability: Float
    }

    package let seed: UInt64
    private let config: GenerationConfig
    private let vocabulary: Int
    private var penalties: Penalties
    private var blocks = ScoreBlocks()
    /// Keys of `RankedToken`, the best first.
    private var candidates: [UInt64] = []
    private var weights: [Double] = []
    private var exponentials: [Float] = []
    /// The scores as the model gave them, where log-probabilities are asked for.
    private var original: [Float] = []
    private var index: UInt64 = 0

    /// - Parameters:
    ///   - vocabulary: The ids that may come are below it; a model may have scores for more.
    ///   - banned: These may not come whatever their bias.
    package init(_ config: GenerationConfig, vocabulary: Int, banned: [TokenID] = [], prompt: [TokenID] = []) {
        (self.config, self.vocabulary) = (config, vocabulary)
        seed = config.seed ?? .random(in: 0 ... .max)
        penalties = Penalties(config, banned: banned, prompt: prompt)
    }

    /// nil if no token has a score: the model is broken.
    package mutating func next(_ scores: inout MutableSpan<Float>) -> Choice? {
        let truth = config.logProbabilities.map { Truth(scores.span, alternatives: $0, &blocks, &candidates, &exponentials) }
        if truth != nil { keep(scores.span) }
        penalties.apply(to: &scores)
        let allowed = scores.span.extracting(first: vocabulary)
        blocks.measure(allowed)
        guard let best = blocks.best(in: allowed) else { return nil }
        let id = config.isGreedy ? TokenID(best) : draw(from: allowed)
        index += 1
        penalties.add(id)
        return Choice(id, logProbability: truth.map { $0.logProbability(original[Int(id)]) }, alternatives: truth?.alternatives ?? [])
    }

    private mutating func keep(_ scores: Span<Float>) {
        original.removeAll(keepingCapacity: true)
        unsafe scores.withUnsafeBufferPointer { unsafe original.append(contentsOf: $0) }
    }

    private mutating func draw(from scores: Span<Float>) -> TokenID {
        var random = CountedRandom(seed: seed, stream: index)
        let share = random.share()
        let count = config.topK == 0 ? scores.count : min(config.topK, scores.count)
        if count == scores.count, config.topP == 1, config.minP == 0 { return drawFromAll(scores, share) }
        if count < scores.count || config.topP == 1 {
            rank(scores, most: count, atLeast: blocks.bound(forLargest: count))
            cutToTopP(sum: nil)
        } else {
            rankTopP(scores)
        }
        cutToMinP()
        let temperature = config.temperature
        return drawFromCandidates(share) { exp($0 / temperature) }
    }

    /// The best of the scores that reach a bound.
    private mutating func rank(_ scores: Span<Float>, most count: Int, atLeast bound: Float) {
        let floor = config.minP > 0 && config.topP == 1 ? max(bound, minimum) : bound
        candidates.removeAll(keepingCapacity: true)
        blocks.forEach(in: scores, atLeast: floor) { candidates.append(RankedToken($0, $1).key) }
        if candidates.count > count {
            candidates.moveSmallest(count)
            candidates.removeLast(candidates.count - count)
        }
        candidates.sort()
    }

    /// The score that min-p asks for. Where the best is infinite, that is it.
    private var minimum: Float { max(ScoreBlocks.lowest, blocks.largest + Float(log(config.minP))) }

    private func excess(_ key: UInt64) -> Double {
        let score = RankedToken(key: key).score
        return score == blocks.largest ? 0 : Double(score) - Double(blocks.largest)
    }

    /// - Parameter sum: Of exp(excess) over all that the share is one of; nil for that of the candidates.
    private mutating func cutToTopP(sum: Double?) {
        guard config.topP < 1 else { return }
        weights.removeAll(keepingCapacity: true)
        for key in candidates { weights.append(exp(excess(key))) }
        let wanted = config.topP * (sum ?? weights.reduce(0, +))
        var mass = 0.0, count = 0
        while count < weights.count, mass < wanted {
            mass += weights[count]
            count += 1
        }
        candidates.removeLast(candidates.count - max(1, count))
    }

    /// Top-p of all tokens, of which as few are looked at as have that share.
    private mutating func rankTopP(_ scores: Span<Float>) {
        let sum = blocks.largest == .infinity ? Double.infinity : scores.exponentials(above: blocks.largest, temperature: 1, into: &exponentials)
        var depth: Float = 3
        while true {
            let bound = max(ScoreBlocks.lowest, blocks.largest == .infinity ? .infinity : blocks.largest - depth)
            var mass = 0.0
            candidates.removeAll(keepingCapacity: true)
            blocks.forEach(in: scores, atLeast: bound) { id, score in candidates.append(RankedToken(id, score).key) }
            if blocks.largest == .infinity { break }
            for key in candidates { mass += Double(exponentials[Int(RankedToken(key: key).id)]) }
            if mass >= config.topP * sum || depth > 90 { break }
            depth *= 1.5
        }
        candidates.sort()
        cutToTopP(sum: sum.isFinite ? sum : nil)
    }

    private mutating func cutToMinP() {
        guard config.minP > 0 else { return }
        let least = log(config.minP)
        while candidates.count > 1, let last = candidates.last, excess(last) < least { candidates.removeLast() }
    }

    private mutating func drawFromCandidates(_ share: Double, _ weight: (Double) -> Double) -> TokenID {
        weights.removeAll(keepingCapacity: true)
        for key in candidates { weights.append(weight(excess(key))) }
        var rest = share * weights.reduce(0, +), i = 0
        while i + 1 < weights.count, rest >= weights[i] {
            rest -= weights[i]
            i += 1
        }
        return RankedToken(key: candidates[i]).id
    }

    /// From the whole row: its tokens in the order of their ids.
    private mutating func drawFromAll(_ scores: Span<Float>, _ share: Double) -> TokenID {
        if blocks.largest == .infinity {
            rank(scores, most: scores.count, atLeast: .infinity)
            return drawFromCandidates(share) { _ in 1 }
        }
        let sum = scores.exponentials(above: blocks.largest, temperature: Float(config.temperature), into: &exponentials)
        var rest = share * sum, last = 0
        for (id, weight) in exponentials.enumerated() where weight > 0 {
            last = id
            rest -= Double(weight)
            if rest < 0 { break }
        }
        return TokenID(last)
    }
}
