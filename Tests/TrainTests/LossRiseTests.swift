import Testing
import Train

@Suite struct LossRiseTests {
    /// The steps after which a rise is reported, and the reported losses.
    private func reports(start: Double?, _ losses: [Double]) -> [Int: Double] {
        var rise = LossRise(), result: [Int: Double] = [:]
        if let start { rise.evaluated(start) }
        for (i, loss) in losses.enumerated() { result[i + 1] = rise.step(loss) }
        return result
    }

    @Test func `a loss that is above the evaluated one from the first step on is reported after five steps, once`() {
        #expect(reports(start: 3.8, [7.5, 7.4, 7.6, 7.5, 7.5, 7.5, 7.4]) == [5: 7.5])
    }

    @Test func `a loss that rises step by step is reported within ten steps`() {
        let steps = reports(start: nil, (0..<10).map { 3 * (1 + 0.06 * Double($0)) }).keys
        #expect(steps.count == 1 && steps.allSatisfy { $0 <= 10 })
    }

    @Test func `a loss that falls, or differs between batches, is not reported`() {
        #expect(reports(start: 10.8, (0..<50).map { 10.8 - 0.1 * Double($0) }).isEmpty)
        #expect(reports(start: 3, (0..<50).map { 3 + ($0 % 2 == 0 ? 0.5 : -0.5) }).isEmpty)
    }

    @Test func `losses that are not finite do not hide the start`() {
        var rise = LossRise()
        rise.evaluated(.nan)
        #expect(rise.start == nil)
        rise.evaluated(2)
        rise.evaluated(1)
        #expect(rise.start == 2)
    }
}
