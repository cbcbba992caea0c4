import Glibc
import Testing
import TestSupport
import Train

@Suite struct ModelComparisonTests {
    private func evaluation(bits: Double, bytes: Int) -> Evaluation {
        var result = Evaluation()
        result.nats = bits * M_LN2
        result.bytes = bytes
        result.targets = 1
        return result
    }

    /// A nearly normal number: the sum of twelve uniform ones.
    private func normal(_ noise: inout TestRandom) -> Double { noise.numbers(12).reduce(0) { $0 + Double($1) } / 2 }

    /// Evaluations of two models on conversations of 20 to 200 bytes. The second needs `difference` bits per byte less, plus noise.
    private func pairs(_ count: Int, difference: Double, _ noise: inout TestRandom) -> (a: [Evaluation], b: [Evaluation]) {
        var a: [Evaluation] = [], b: [Evaluation] = []
        for _ in 0..<count {
            let bytes = 20 + Int(noise.next() % 181), bits = 1.5 * Double(bytes) + 8 * normal(&noise)
            a.append(evaluation(bits: bits, bytes: bytes))
            b.append(evaluation(bits: bits - difference * Double(bytes) + 0.1 * Double(bytes) * normal(&noise), bytes: bytes))
        }
        return (a, b)
    }

    @Test(arguments: [8, 60]) func `the interval contains the true difference in about 95 % of cases`(conversations: Int) throws {
        var noise = TestRandom(17), contained = 0, isNoise = 0
        let rounds = 2_000
        for _ in 0..<rounds {
            let (a, b) = pairs(conversations, difference: 0.02, &noise), comparison = try ModelComparison(of: a, with: b)
            if comparison.interval.contains(0.02) { contained += 1 }
            let (c, d) = pairs(conversations, difference: 0, &noise)
            if try ModelComparison(of: c, with: d).isNoise { isNoise += 1 }
        }
        // The standard error of a share of 2,000 is half a hundredth. The ratio's distribution is not quite Student's where there are few.
        #expect((1_850...1_930).contains(contained) && (1_850...1_930).contains(isNoise), "\(contained) and \(isNoise) of \(rounds)")
    }

    /// [1, 2, 4, 5, 8, 10] bits of 10 bytes each: mean 5, standard deviation √12, and Student's t of five degrees of freedom is 2.5706.
    @Test func `for conversations of equal length it is the paired t-test`() throws {
        let a = [1.0, 2, 4, 5, 8, 10].map { evaluation(bits: 20 + $0, bytes: 10) }, b = a.map { _ in evaluation(bits: 20, bytes: 10) }
        let comparison = try ModelComparison(of: a, with: b), error = (12.0 / 6).squareRoot() / 10
        #expect(abs(comparison.difference - 0.5) < 1e-12)
        #expect(abs(comparison.standardError - error) < 1e-12)
        let reach = comparison.interval.upperBound - 0.5
        // Three terms of the expansion of Student's t: 2.5678.
        #expect(abs(reach / error - 2.567765) < 1e-5)
        #expect(!comparison.isNoise && comparison.count == 6)
        let two = try ModelComparison(of: Array(a.prefix(2)), with: Array(b.prefix(2))), wide = two.interval.upperBound - 0.15
        #expect(abs(wide - 12.7062 * 0.05) < 1e-9 && two.isNoise)
    }

    /// Values of scipy.stats.t.sf, times 2.
    @Test(arguments: [
        (12.7062, 1, 0.05), (2.570582, 5, 0.05), (1.0, 3, 0.391002), (0.2, 7, 0.8471668), (4.0, 30, 0.0003818), (1.959964, 5_000_000, 0.05),
        (-2.228139, 10, 0.05),
    ]) func `p is that of Student's distribution`(t: Double, freedom: Int, p: Double) {
        #expect(abs(StudentDistribution.tails(t, freedom) - p) < 2e-6)
    }

    @Test func `swapping the models negates the difference`() throws {
        var noise = TestRandom(5)
        let (a, b) = pairs(40, difference: 0.3, &noise), there = try ModelComparison(of: a, with: b),
            back = try ModelComparison(of: b, with: a)
        #expect(there.difference == -back.difference && abs(there.standardError - back.standardError) < 1e-12)
        #expect(!there.isNoise && there.difference > 0)
    }

    /// Without the other conversation, there would be no bytes to divide by.
    @Test func `if all bytes are of one conversation, the difference may be noise`() throws {
        let a = [evaluation(bits: 5, bytes: 0), evaluation(bits: 30, bytes: 10)]
        let b = [evaluation(bits: 4, bytes: 0), evaluation(bits: 20, bytes: 10)]
        let comparison = try ModelComparison(of: a, with: b)
        #expect(abs(comparison.difference - 1.1) < 1e-9 && comparison.isNoise)
        #expect(comparison.interval == -.infinity ... .infinity)
    }

    @Test func `one conversation, and a model compared with itself, show no difference`() throws {
        var noise = TestRandom(5)
        let (a, b) = pairs(30, difference: 3, &noise)
        #expect(try ModelComparison(of: Array(a.prefix(1)), with: Array(b.prefix(1))).isNoise)
        let same = try ModelComparison(of: a, with: a)
        #expect(same.isNoise && same.difference == 0 && same.standardError == 0)
        #expect(throws: EvaluationError.differentPieces(30, 29)) { try ModelComparison(of: a, with: Array(b.dropLast())) }
    }
}
