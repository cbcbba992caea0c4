import Report
import Testing

@Suite struct RemainingTimeTests {
    @Test func `there is no estimate before two measurements`() {
        var remaining = RemainingTime()
        #expect(remaining.seconds == nil)
        remaining.update(fraction: 0.5, at: 100)                   // a resumed run
        #expect(remaining.seconds == nil)
        remaining.update(fraction: 0.6, at: 110)
        #expect(abs((remaining.seconds ?? 0) - 40) < 1e-9)
    }

    @Test func `a tenfold slowdown shows in the estimate after a tenth of the task`() {
        var remaining = RemainingTime(), time = 0.0
        for percent in 0...50 { remaining.update(fraction: Double(percent) / 100, at: Double(percent) * 10) }
        #expect(abs((remaining.seconds ?? 0) - 500) < 1e-6)
        time = 500
        for percent in 51...61 {
            time += 100
            remaining.update(fraction: Double(percent) / 100, at: time)
        }
        #expect(abs((remaining.seconds ?? 0) - 3_900) < 10, "\(remaining.seconds ?? -1)")
    }

    @Test func `a pause in a short task does not change the estimate`() {
        var remaining = RemainingTime()
        for percent in 0...50 { remaining.update(fraction: Double(percent) / 100, at: Double(percent) / 2) }
        remaining.update(fraction: 0.51, at: 30)
        #expect(abs((remaining.seconds ?? 0) - 30 / 51 * 49) < 1e-6, "\(remaining.seconds ?? -1)")
    }

    @Test func `many small steps give the same estimate`() {
        var remaining = RemainingTime()
        for i in 0...100_000 { remaining.update(fraction: Double(i) / 200_000, at: Double(i)) }
        #expect(abs((remaining.seconds ?? 0) - 100_000) < 1)
        remaining.update(fraction: 1, at: 200_000)
        #expect(remaining.seconds == 0)
    }
}
