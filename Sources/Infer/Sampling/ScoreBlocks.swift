import Kernels

/// The largest score of each 64 in a row. Most questions about the best of a row are answered by looking at a few blocks of it.
///
///     blocks.measure(scores)
///     blocks.forEach(in: scores, atLeast: blocks.bound(forLargest: 50)) { id, score in … }
///
/// NaN is no score: it is never the largest, and never among them.
struct ScoreBlocks: Sendable {
    static let size = 64
    /// Below it there is only -∞, which no token is chosen with.
    static let lowest = -Float.greatestFiniteMagnitude
    private var maxima: [Float] = []
    private var ranked: [UInt64] = []
    private(set) var largest = -Float.infinity

    mutating func measure(_ scores: Span<Float>) {
        maxima.removeAll(keepingCapacity: true)
        maxima.reserveCapacity(scores.count / Self.size + 1)
        largest = -.infinity
        var start = 0
        while start < scores.count {
            let end = min(start + Self.size, scores.count), maximum = scores.largest(in: start..<end)
            maxima.append(maximum)
            if maximum > largest { largest = maximum }
            start = end
        }
    }

    /// A score that at least `count` others reach, and not many more.
    mutating func bound(forLargest count: Int) -> Float {
        guard count < maxima.count else { return Self.lowest }
        ranked.removeAll(keepingCapacity: true)
        for maximum in maxima { ranked.append(RankedToken(0, maximum).key) }
        ranked.moveSmallest(count)
        // The smallest of the `count` largest maxima: each of them stands for one score at least.
        return max(Self.lowest, ranked[..<count].max().map { RankedToken(key: $0).score } ?? Self.lowest)
    }

    func forEach(in scores: Span<Float>, atLeast bound: Float, _ body: (_ id: Int, _ score: Float) -> Void) {
        for (block, maximum) in maxima.enumerated() where maximum >= bound {
            for id in block * Self.size..<min((block + 1) * Self.size, scores.count) where scores[id] >= bound { body(id, scores[id]) }
        }
    }

    /// The first token that has the largest score; nil if no token has any.
    func best(in scores: Span<Float>) -> Int? {
        guard largest > -.infinity, let block = maxima.firstIndex(of: largest) else { return nil }
        return (block * Self.size..<min((block + 1) * Self.size, scores.count)).first { scores[$0] == largest }
    }
}

extension Span where Element == Float {
    /// The largest number of a range; -∞ if there is none.
    fileprivate func largest(in range: Range<Int>) -> Float {
        var i = range.lowerBound, wide = SIMD16<Float>(repeating: -.infinity)
        let bytes = unsafe bytes
        while i + 16 <= range.upperBound {
            let next = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: SIMD16<Float>.self)
            wide.replace(with: next, where: next .> wide)
            i += 16
        }
        var largest = wide.max()
        while i < range.upperBound {
            if self[i] > largest { largest = self[i] }
            i += 1
        }
        return largest
    }

    /// Appends exp((score − largest) / temperature) of each, and returns their sum. What is NaN or far below counts nothing.
    func exponentials(above largest: Float, temperature: Float, into result: inout [Float]) -> Double {
        result.removeAll(keepingCapacity: true)
        result.reserveCapacity(count)
        let bytes = unsafe bytes, scale = 1 / temperature
        var sum = 0.0, i = 0
        while i + 16 <= count {
            var x = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: SIMD16<Float>.self)
            x = (x - largest) * scale
            let y = x.exponential
            for lane in 0..<16 { result.append(y[lane]) }
            sum += Double(y.sum())
            i += 16
        }
        while i < count {
            let y = SIMD16<Float>(repeating: (self[i] - largest) * scale).exponential[0]
            result.append(y)
            sum += Double(y)
            i += 1
        }
        return sum
    }
}

extension SIMD16<Float> {
    /// eˣ for x ≤ 0, within 2 of the last place; 0 for NaN and for what is below -87.
    fileprivate var exponential: SIMD16<Float> {
        let isCounted = self .>= -87
        let x = Self(repeating: -87).replacing(with: self, where: isCounted)
        let magic: Float = 12_582_912                          // 1.5·2²³: what is added to it is rounded to a whole number, in its last bits
        let shifted = x * 1.442_695_04 + magic
        let n = shifted - magic
        let r = (x - n * 0.693_359_375) + n * 2.121_944_4e-4   // ln 2 in two parts
        var p = Self(repeating: 1.987_569_15e-4)               // Cephes' expf
        p = p * r + 1.398_199_950_7e-3
        p = p * r + 8.333_451_907_3e-3
        p = p * r + 4.166_579_589_4e-2
        p = p * r + 1.666_666_545_9e-1
        p = p * r + 5.000_000_120_1e-1
        p = p * (r * r) + r + 1
        let power = unsafe (unsafeBitCast(shifted, to: SIMD16<Int32>.self) &+ 127) &<< 23
        return unsafe Self(repeating: 0).replacing(with: p * unsafeBitCast(power, to: Self.self), where: isCounted)
    }
}
