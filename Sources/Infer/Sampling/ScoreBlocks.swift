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
    /// The largest of each 256th score: of neighbours, each is in another. A vocabulary has its frequent tokens side by side, so that the largest scores are in few
    /// blocks, but not in few of these.
    private var comb: [SIMD16<Float>] = []
    private(set) var largest = -Float.infinity

    mutating func measure(_ scores: Span<Float>) {
        maxima.removeAll(keepingCapacity: true)
        maxima.reserveCapacity(scores.count / Self.size + 1)
        comb.removeAll(keepingCapacity: true)
        for _ in 0..<16 { comb.append(.nothing) }
        largest = -.infinity
        for start in stride(from: 0, to: scores.count, by: Self.size) {
            let wide = scores.largest(in: start..<min(start + Self.size, scores.count)), maximum = wide.largestLane
            comb[start / Self.size % 16].raise(to: wide)
            maxima.append(maximum)
            if maximum > largest { largest = maximum }
        }
    }

    /// A score that at least `count` others reach, and not many more.
    func bound(forLargest count: Int) -> Float {
        guard count < 16 * comb.count, largest > -.infinity, largest < .infinity else { return Self.lowest }
        // Each tooth of the comb stands for one score at least, so that a bound that enough of them reach is one. It is looked for between one that enough reach and
        // one that too few do: counting is cheaper than sorting.
        var low = largest - 1, high = largest, step: Float = 1, reaching = teeth(atLeast: low)
        while reaching < count {
            step *= 2
            (high, low) = (low, largest - step)
            if low < Self.lowest { return Self.lowest }
            reaching = teeth(atLeast: low)
        }
        for _ in 0..<12 where reaching > count + count / 8 {
            let middle = (low + high) / 2, found = teeth(atLeast: middle)
            if found >= count { (low, reaching) = (middle, found) } else { high = middle }
        }
        return low
    }

    private func teeth(atLeast bound: Float) -> Int {
        var counts = SIMD16<Int32>(repeating: 0)
        for teeth in comb { counts = counts &+ SIMD16<Int32>(repeating: 0).replacing(with: 1, where: teeth .>= bound) }
        return Int(counts.wrappedSum())
    }

    func forEach(in scores: Span<Float>, atLeast bound: Float, _ body: (_ id: Int, _ score: Float) -> Void) {
        for (block, maximum) in maxima.enumerated() where maximum >= bound {
            let end = min((block + 1) * Self.size, scores.count)
            for start in stride(from: block * Self.size, to: end, by: 16) {
                let part = start..<min(start + 16, end)
                if scores.largest(in: part).largestLane >= bound { for id in part where scores[id] >= bound { body(id, scores[id]) } }
            }
        }
    }

    /// The first token that has the largest score; nil if no token has any.
    func best(in scores: Span<Float>) -> Int? {
        guard largest > -.infinity, let block = maxima.firstIndex(of: largest) else { return nil }
        return (block * Self.size..<min((block + 1) * Self.size, scores.count)).first { scores[$0] == largest }
    }
}

extension Span where Element == Float {
    /// The largest numbers of a range, each of every sixteenth; -∞ where there is none.
    fileprivate func largest(in range: Range<Int>) -> SIMD16<Float> {
        var i = range.lowerBound, wide = SIMD16<Float>.nothing
        let bytes = unsafe bytes
        while i + 16 <= range.upperBound {
            wide.raise(to: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: SIMD16<Float>.self))
            i += 16
        }
        var rest = SIMD16<Float>.nothing
        for i in i..<range.upperBound { rest[i % 16] = self[i] }
        if i < range.upperBound { wide.raise(to: rest) }
        return wide
    }

    /// Appends exp((score − largest) / temperature) of each, and returns their sum. What is NaN or far below counts nothing.
    func exponentials(above largest: Float, temperature: Float, into result: inout [Float]) -> Double {
        if result.count != count { result = Array(repeating: 0, count: count) }
        let bytes = unsafe bytes, scale = 1 / temperature
        var sum = 0.0, i = 0
        unsafe result.withUnsafeMutableBytes { result in
            while i + 16 <= count {
                // A few vectors are added as they are; f64 takes what they make.
                let end = Swift.min(i + 512, count - 15)
                var partial = SIMD16<Float>(repeating: 0)
                while i < end {
                    let x = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: SIMD16<Float>.self)
                    let y = ((x - largest) * scale).exponential
                    unsafe result.storeBytes(of: y, toByteOffset: 4 * i, as: SIMD16<Float>.self)
                    partial += y
                    i += 16
                }
                for lane in 0..<16 { sum += Double(partial[lane]) }
            }
        }
        while i < count {
            result[i] = SIMD16<Float>(repeating: (self[i] - largest) * scale).exponential[0]
            sum += Double(result[i])
            i += 1
        }
        return sum
    }
}

extension SIMD16<Float> {
    fileprivate static var nothing: SIMD16<Float> { SIMD16(repeating: -.infinity) }

    /// Lane by lane; to NaN never.
    fileprivate mutating func raise(to other: SIMD16<Float>) { replace(with: other, where: other .> self) }

    /// Of numbers that are no NaN.
    fileprivate var largestLane: Float {
        let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
        return two.x > two.y ? two.x : two.y
    }

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
