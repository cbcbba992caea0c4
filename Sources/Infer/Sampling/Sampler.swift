import Glibc
import Kernels
package import Tokenize
import Random

/// Samples each token of one answer from the model's logits.
///
///     var sampler = Sampler(config, vocabulary: tokenizer.vocabulary.count, banned: rules.banned, prompt: ids)
///     let choice = sampler.sample(&logits)                     // modifies the logits
///
/// The steps, in order: repetition, frequency and presence penalties; logit bias; banned tokens; a filter; at temperature 0 the most likely
/// token; otherwise top-k, top-p and min-p, each applied to what the previous one left and with the probabilities at temperature
/// 1; temperature; one random draw. So the set of possible tokens does not depend on the temperature (as in llama.cpp): a high
/// temperature varies the answer without admitting very unlikely tokens.
///
/// The repetition penalty covers prompt and answer; the other two cover the answer only, as in OpenAI's API. The random number of
/// token i depends only on the seed and i. Ties go to the smaller id. A NaN logit is never chosen, a logit of +∞ always is.
package struct Sampler: Sendable {
    package struct Choice: Sendable, Equatable {
        package let id: TokenID
        /// From the model's own distribution, before anything modifies it; nil if not requested.
        package let logProbability: Float?
        /// Sorted from most to least likely; includes banned tokens.
        package let alternatives: [Alternative]

        package init(_ id: TokenID, logProbability: Float? = nil, alternatives: [Alternative] = []) {
            self.id = id
            self.logProbability = logProbability
            self.alternatives = alternatives
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
    private var blocks = LogitBlocks()
    /// `RankedToken` keys, best first.
    private var candidates: [UInt64] = []
    private var weights: [Double] = []
    private var exponentials: [Float] = []
    /// A copy of the unmodified logits, if log-probabilities are requested.
    private var original: [Float] = []
    private var index: UInt64 = 0

    /// - Parameters:
    ///   - vocabulary: Only smaller ids are sampled; a model may have more logits (padding).
    ///   - banned: Never sampled, whatever their bias.
    package init(_ config: GenerationConfig, vocabulary: Int, banned: [TokenID] = [], prompt: [TokenID] = []) {
        self.config = config
        self.vocabulary = vocabulary
        seed = config.seed ?? .random(in: 0 ... .max)
        penalties = Penalties(config, banned: banned, prompt: prompt)
    }

    /// Samples the next token. nil if every logit is NaN or -∞: the model is broken.
    package mutating func sample(_ logits: inout MutableSpan<Float>) -> Choice? {
        var noFilter: AnswerFilter?
        return sample(&logits, restrictedBy: &noFilter)
    }

    /// Samples one of the tokens that a filter allows. nil if every logit of these is NaN or -∞.
    mutating func sample(_ logits: inout MutableSpan<Float>, restrictedBy filter: inout AnswerFilter?) -> Choice? {
        let logProbabilities = config.logProbabilities.map {
            TokenLogProbabilities(logits.span, alternatives: $0, &blocks, &candidates, &exponentials)
        }
        if logProbabilities != nil { copyOriginal(logits.span) }
        penalties.apply(to: &logits)
        filter?.restrict(&logits)
        let allowed = logits.span.extracting(first: vocabulary)
        blocks.update(from: allowed)
        guard let best = blocks.argmax(in: allowed) else { return nil }
        let sampled = config.isGreedy ? TokenID(best) : randomToken(from: allowed), id = filter?.affordable(sampled) ?? sampled
        index += 1
        penalties.add(id)
        return Choice(
            id,
            logProbability: logProbabilities.map { $0.logProbability(ofLogit: original[Int(id)]) },
            alternatives: logProbabilities?.alternatives ?? []
        )
    }

    /// Takes a token that needs no logits, because a filter allows no other. nil if its log-probability is requested.
    mutating func take(_ id: TokenID) -> Choice? {
        if config.logProbabilities != nil { return nil }
        index += 1
        penalties.add(id)
        return Choice(id)
    }

    private mutating func copyOriginal(_ logits: Span<Float>) {
        original.removeAll(keepingCapacity: true)
        unsafe logits.withUnsafeBufferPointer { unsafe original.append(contentsOf: $0) }
    }

    private mutating func randomToken(from logits: Span<Float>) -> TokenID {
        var random = SeededRandom(seed: seed, stream: index)
        let u = random.uniform()
        let count = config.topK == 0 ? logits.count : min(config.topK, logits.count)
        if count == logits.count, config.topP == 1, config.minP == 0 { return sampleFromAll(logits, u) }
        if count < logits.count || config.topP == 1 {
            rankTop(count, of: logits, atLeast: blocks.threshold(forTop: count))
            applyTopP(sum: nil)
        } else {
            rankTopP(logits)
        }
        applyMinP()
        let temperature = config.temperature
        return sampleFromCandidates(u) { exp($0 / temperature) }
    }

    /// Fills `candidates` with the `count` largest logits that reach a threshold.
    private mutating func rankTop(_ count: Int, of logits: Span<Float>, atLeast threshold: Float) {
        let floor = config.minP > 0 && config.topP == 1 ? max(threshold, minPThreshold) : threshold
        candidates.removeAll(keepingCapacity: true)
        blocks.forEach(in: logits, atLeast: floor) { candidates.append(RankedToken($0, $1).key) }
        if candidates.count > count {
            candidates.partitionSmallest(count)
            candidates.removeLast(candidates.count - count)
        }
        candidates.sort()
    }

    /// The smallest logit that passes min-p. If the largest is infinite, so is this.
    private var minPThreshold: Float { max(LogitBlocks.lowest, blocks.largest + Float(log(config.minP))) }

    /// The distance of a candidate's logit from the largest: 0 or negative.
    private func relativeLogit(_ key: UInt64) -> Double {
        let logit = RankedToken(key: key).logit
        return logit == blocks.largest ? 0 : Double(logit) - Double(blocks.largest)
    }

    /// - Parameter sum: Σ exp(relative logit) over all tokens that top-p refers to; nil for the candidates only.
    private mutating func applyTopP(sum: Double?) {
        guard config.topP < 1 else { return }
        weights.removeAll(keepingCapacity: true)
        for key in candidates { weights.append(exp(relativeLogit(key))) }
        let target = config.topP * (sum ?? weights.reduce(0, +))
        var mass = 0.0, count = 0
        while count < weights.count, mass < target {
            mass += weights[count]
            count += 1
        }
        candidates.removeLast(candidates.count - max(1, count))
    }

    /// Applies top-p to the whole vocabulary, but ranks only as many tokens as have that share.
    private mutating func rankTopP(_ logits: Span<Float>) {
        let sum = blocks.largest == .infinity
            ? Double.infinity
            : logits.exponentials(above: blocks.largest, temperature: 1, into: &exponentials)
        var depth: Float = 3
        while true {
            let threshold = max(LogitBlocks.lowest, blocks.largest == .infinity ? .infinity : blocks.largest - depth)
            var mass = 0.0
            candidates.removeAll(keepingCapacity: true)
            blocks.forEach(in: logits, atLeast: threshold) { id, logit in candidates.append(RankedToken(id, logit).key) }
            if blocks.largest == .infinity { break }
            for key in candidates { mass += Double(exponentials[Int(RankedToken(key: key).id)]) }
            if mass >= config.topP * sum || depth > 90 { break }
            depth *= 1.5
        }
        candidates.sort()
        applyTopP(sum: sum.isFinite ? sum : nil)
    }

    private mutating func applyMinP() {
        guard config.minP > 0 else { return }
        let least = log(config.minP)
        while candidates.count > 1, let last = candidates.last, relativeLogit(last) < least { candidates.removeLast() }
    }

    /// - Parameter weight: The unnormalized probability of a relative logit.
    private mutating func sampleFromCandidates(_ u: Double, _ weight: (Double) -> Double) -> TokenID {
        weights.removeAll(keepingCapacity: true)
        for key in candidates { weights.append(weight(relativeLogit(key))) }
        var rest = u * weights.reduce(0, +), i = 0
        while i + 1 < weights.count, rest >= weights[i] {
            rest -= weights[i]
            i += 1
        }
        return RankedToken(key: candidates[i]).id
    }

    /// Samples from the whole row without sorting: tokens in the order of their ids.
    private mutating func sampleFromAll(_ logits: Span<Float>, _ u: Double) -> TokenID {
        if blocks.largest == .infinity {
            rankTop(logits.count, of: logits, atLeast: .infinity)
            return sampleFromCandidates(u) { _ in 1 }
        }
        let sum = logits.exponentials(above: blocks.largest, temperature: Float(config.temperature), into: &exponentials)
        var rest = u * sum, last = 0
        for (id, weight) in exponentials.enumerated() where weight > 0 {
            last = id
            rest -= Double(weight)
            if rest < 0 { break }
        }
        return TokenID(last)
    }
}
