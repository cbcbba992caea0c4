import Testing
import TestSupport
import Train

/// The smoothing of n-gram counts.
@Suite struct KneserNeyTests {
    /// A float counts to 2^24 and no further: 2^24 + 1 is 2^24.
    @Test func `counts above 2^24 are exact`() {
        var counts = SortedCounts([3 << 4 | 1, 3 << 4 | 2], bits: 8)
        for _ in 0..<24 { counts.add(counts) }
        counts.add(SortedCounts([3 << 4 | 1], bits: 8))
        let model = KneserNeyModel(counts, bits: 4)
        #expect(model.totals == [1 << 25 + 1])
    }

    @Test func `the probabilities after a context and its backoff mass add up to 1`() {
        var noise = TestRandom(2)
        let model = KneserNeyModel(
            SortedCounts((0..<4_000).map { _ in noise.next() % 40 << 5 | (noise.next() % 32) * (noise.next() % 32) / 32 }, bits: 16),
            bits: 5)
        #expect(model.contexts == Array(0..<40))
        for i in model.contexts.indices {
            var sum = model.backoff[i]
            model.forEach(after: i) { _, probability in
                #expect(probability > 0)
                sum += probability
            }
            #expect(abs(sum - 1) < 1e-5)
        }
    }

    /// Eight n-grams with count 1, four with 2, two with 3 and one with 4: y = 8 / (8 + 2·4) = 0.5.
    @Test func `discounts are those of Chen and Goodman`() {
        let occurrences = [Int](repeating: 1, count: 8) + [2, 2, 2, 2, 3, 3, 4]
        let numbers = occurrences.enumerated().flatMap { token, count in [UInt64](repeating: 1 << 4 | UInt64(token), count: count) }
        let model = KneserNeyModel(SortedCounts(numbers, bits: 5), bits: 4)
        // 1 - 2y·4/8, 2 - 3y·2/4, 3 - 4y·1/2
        let discounts: [Float] = [0, 0.5, 1.25, 2, 2]
        var found: [Float] = []
        model.forEach(after: 0) { found.append($1) }
        #expect(zip(found, occurrences).allSatisfy { abs($0 - (Float($1) - discounts[$1]) / 26) < 1e-6 } && found.count == 15)
        #expect(abs(model.backoff[0] - (8 * 0.5 + 4 * 1.25 + 3 * 2) / 26) < 1e-6)
    }

    /// The estimates are 1 − 2y·1/40 = 0.95, 2 − 3y·1/1 = −0.86 and 3 − 4y·0 = 3 with y = 40/42.
    @Test func `discounts leave a tenth of a count, and take a tenth`() {
        let occurrences = [Int](repeating: 1, count: 40) + [2, 3]
        let numbers = occurrences.enumerated().flatMap { token, count in [UInt64](repeating: 1 << 6 | UInt64(token), count: count) }
        var found: [Float] = []
        KneserNeyModel(SortedCounts(numbers, bits: 7), bits: 6).forEach(after: 0) { found.append($1) }
        expectClose(found, [Float](repeating: 0.1 / 45, count: 40) + [1.9 / 45, 0.1 / 45], within: .forward)
    }

    @Test(arguments: [[2, 3, 4], [1, 3, 4], [1, 2, 4]])
    func `discounts are three quarters if the counts are too few for an estimate`(occurrences: [Int]) {
        let numbers = occurrences.enumerated().flatMap { token, count in [UInt64](repeating: 1 << 4 | UInt64(token), count: count) }
        let model = KneserNeyModel(SortedCounts(numbers, bits: 5), bits: 4), total = Float(occurrences.reduce(0, +))
        var found: [Float] = []
        model.forEach(after: 0) { found.append($1) }
        expectClose(found, occurrences.map { (Float($0) - 0.75) / total }, within: .forward)
        expectClose(model.backoff, [3 * 0.75 / total], within: .forward)
    }
}
