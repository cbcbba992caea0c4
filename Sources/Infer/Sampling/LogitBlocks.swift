import Kernels

/// The largest logit of each block of 64, so that a search for the top logits of a row reads only a few blocks of it.
///
///     blocks.update(from: logits)
///     blocks.forEach(in: logits, atLeast: blocks.threshold(forTop: 50)) { id, logit in … }
///
/// NaN is ignored: it is never the largest, and never passed to `forEach`.
struct LogitBlocks: Sendable {
    static let size = 64
    /// Only -∞ is smaller, and a token with that logit is never chosen.
    static let lowest = -Float.greatestFiniteMagnitude
    private var maxima: [Float] = []
    /// Maxima over logits 256 apart, so that neighbors belong to different ones. Frequent tokens have neighboring ids in most
    /// vocabularies: their logits lie in few blocks, but in many of these.
    private var stridedMaxima: [SIMD16<Float>] = []
    private(set) var largest = -Float.infinity

    mutating func update(from logits: Span<Float>) {
        maxima.removeAll(keepingCapacity: true)
        maxima.reserveCapacity(logits.count / Self.size + 1)
        stridedMaxima.removeAll(keepingCapacity: true)
        for _ in 0..<16 { stridedMaxima.append(.negativeInfinity) }
        largest = -.infinity
        for start in stride(from: 0, to: logits.count, by: Self.size) {
            let lanes = logits.largest(in: start..<min(start + Self.size, logits.count)), maximum = lanes.largestLane
            stridedMaxima[start / Self.size % 16].raise(to: lanes)
            maxima.append(maximum)
            if maximum > largest { largest = maximum }
        }
    }

    /// A logit that at least `count` logits reach, and not many more.
    func threshold(forTop count: Int) -> Float {
        guard count < 16 * stridedMaxima.count, largest > -.infinity, largest < .infinity else { return Self.lowest }
        // Each strided maximum is the logit of at least one token, so a threshold that `count` maxima reach is reached by `count`
        // logits. Bisects between a threshold that enough maxima reach and one that too few do: counting is cheaper than sorting.
        var low = largest - 1, high = largest, step: Float = 1, reached = maximaCount(atLeast: low)
        while reached < count {
            step *= 2
            high = low
            low = largest - step
            if low < Self.lowest { return Self.lowest }
            reached = maximaCount(atLeast: low)
        }
        for _ in 0..<12 where reached > count + count / 8 {
            let middle = (low + high) / 2, found = maximaCount(atLeast: middle)
            if found >= count {
                low = middle
                reached = found
            } else {
                high = middle
            }
        }
        return low
    }

    private func maximaCount(atLeast threshold: Float) -> Int {
        var counts = SIMD16<Int32>(repeating: 0)
        for lanes in stridedMaxima { counts = counts &+ SIMD16<Int32>(repeating: 0).replacing(with: 1, where: lanes .>= threshold) }
        return Int(counts.wrappedSum())
    }

    func forEach(in logits: Span<Float>, atLeast threshold: Float, _ body: (_ id: Int, _ logit: Float) -> Void) {
        for (block, maximum) in maxima.enumerated() where maximum >= threshold {
            let end = min((block + 1) * Self.size, logits.count)
            for start in stride(from: block * Self.size, to: end, by: 16) {
                let part = start..<min(start + 16, end)
                if logits.largest(in: part).largestLane >= threshold {
                    for id in part where logits[id] >= threshold { body(id, logits[id]) }
                }
            }
        }
    }

    /// The first token with the largest logit; nil if every logit is NaN or -∞.
    func argmax(in logits: Span<Float>) -> Int? {
        guard largest > -.infinity, let block = maxima.firstIndex(of: largest) else { return nil }
        return (block * Self.size..<min((block + 1) * Self.size, logits.count)).first { logits[$0] == largest }
    }
}

extension Span where Element == Float {
    /// The largest numbers of a range, by index modulo 16; -∞ in lanes without a number.
    fileprivate func largest(in range: Range<Int>) -> SIMD16<Float> {
        var i = range.lowerBound, lanes = SIMD16<Float>.negativeInfinity
        let bytes = unsafe bytes
        while i + 16 <= range.upperBound {
            lanes.raise(to: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: SIMD16<Float>.self))
            i += 16
        }
        var rest = SIMD16<Float>.negativeInfinity
        for i in i..<range.upperBound { rest[i % 16] = self[i] }
        if i < range.upperBound { lanes.raise(to: rest) }
        return lanes
    }

    /// Writes exp((logit − largest) / temperature) of each element to `result`, and returns the sum. NaN, and what is far below,
    /// counts as 0.
    func exponentials(above largest: Float, temperature: Float, into result: inout [Float]) -> Double {
        if result.count != count { result = Array(repeating: 0, count: count) }
        let bytes = unsafe bytes, scale = 1 / temperature
        var sum = 0.0, i = 0
        unsafe result.withUnsafeMutableBytes { result in
            while i + 16 <= count {
                // Up to 32 vectors are added in f32, and their sum in f64.
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
    fileprivate static var negativeInfinity: SIMD16<Float> { SIMD16(repeating: -.infinity) }

    /// The maximum of each lane. NaN in `other` is ignored.
    fileprivate mutating func raise(to other: SIMD16<Float>) { replace(with: other, where: other .> self) }

    /// Requires lanes without NaN.
    fileprivate var largestLane: Float {
        let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
        return two.x > two.y ? two.x : two.y
    }

    /// eˣ for x ≤ 0, within 2 units in the last place; 0 for NaN and for x below -87.
    fileprivate var exponential: SIMD16<Float> {
        let isInRange = self .>= -87
        let x = Self(repeating: -87).replacing(with: self, where: isInRange)
        let magic: Float = 12_582_912                          // 1.5·2²³: adding it rounds to an integer, held in the lowest bits
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
        return unsafe Self(repeating: 0).replacing(with: p * unsafeBitCast(power, to: Self.self), where: isInRange)
    }
}
