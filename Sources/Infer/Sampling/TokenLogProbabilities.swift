import Glibc

/// Log-probabilities of the model's own distribution, before penalties, bias and temperature, with the most likely tokens.
struct TokenLogProbabilities {
    /// Sorted from most to least likely.
    let alternatives: [Sampler.Alternative]
    /// log Σ exp(logit)
    private let logSumExp: Double

    /// - Parameters:
    ///   - count: The number of alternatives.
    ///   - blocks: Scratch space, as are `candidates` and `exponentials`.
    init(
        _ logits: Span<Float>,
        alternatives count: Int,
        _ blocks: inout LogitBlocks,
        _ candidates: inout [UInt64],
        _ exponentials: inout [Float]
    ) {
        blocks.update(from: logits)
        let largest = blocks.largest
        let logSumExp = largest.isFinite
            ? Double(largest) + log(logits.exponentials(above: largest, temperature: 1, into: &exponentials))
            : Double(largest)
        self.logSumExp = logSumExp
        candidates.removeAll(keepingCapacity: true)
        if count > 0 {
            blocks.forEach(in: logits, atLeast: blocks.threshold(forTop: count)) { candidates.append(RankedToken($0, $1).key) }
            candidates.partitionSmallest(count)
            candidates.removeLast(max(0, candidates.count - count))
            candidates.sort()
        }
        alternatives = candidates.map {
            let token = RankedToken(key: $0)
            return Sampler.Alternative(id: token.id, logProbability: Self.logProbability(token.logit, logSumExp))
        }
    }

    func logProbability(ofLogit logit: Float) -> Float { Self.logProbability(logit, logSumExp) }

    private static func logProbability(_ logit: Float, _ logSumExp: Double) -> Float {
        let value = Float(Double(logit) - logSumExp)
        return value.isNaN ? (logit == .infinity ? 0 : -.infinity) : min(0, value)
    }
}
