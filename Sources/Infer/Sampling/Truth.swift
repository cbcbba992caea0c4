import Glibc

/// What the model itself says: the log-probability of any score, and the likeliest tokens.
struct Truth {
    let alternatives: [Sampler.Alternative]
    private let base: Double

    init(_ scores: Span<Float>, alternatives count: Int, _ blocks: inout ScoreBlocks, _ candidates: inout [UInt64], _ exponentials: inout [Float]) {
        blocks.measure(scores)
        let largest = blocks.largest
        let base = largest.isFinite ? Double(largest) + log(scores.exponentials(above: largest, temperature: 1, into: &exponentials)) : Double(largest)
        self.base = base
        candidates.removeAll(keepingCapacity: true)
        if count > 0 {
            blocks.forEach(in: scores, atLeast: blocks.bound(forLargest: count)) { candidates.append(RankedToken($0, $1).key) }
            candidates.moveSmallest(count)
            candidates.removeLast(max(0, candidates.count - count))
            candidates.sort()
        }
        alternatives = candidates.map {
            let token = RankedToken(key: $0)
            return Sampler.Alternative(id: token.id, logProbability: Self.logProbability(token.score, base))
        }
    }

    func logProbability(_ score: Float) -> Float { Self.logProbability(score, base) }

    private static func logProbability(_ score: Float, _ base: Double) -> Float {
        let value = Float(Double(score) - base)
        return value.isNaN ? (score == .infinity ? 0 : -.infinity) : min(0, value)
    }
}
