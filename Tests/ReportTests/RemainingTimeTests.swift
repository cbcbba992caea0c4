import Report
import Testing

@Suite struct RemainingTimeTests {
    @Test func `nobody knows before something was done`() {
        var pace = RemainingTime()
        #expect(pace.left == nil)
        pace.note(share: 0.5, at: 100)                   // a run that goes on
        #expect(pace.left == nil)
        pace.note(share: 0.6, at: 110)
        #expect(abs((pace.left ?? 0) - 40) < 1e-9)
    }

    @Test func `what takes ten times as long from the middle on is told after a tenth`() {
        var pace = RemainingTime(), time = 0.0
        for percent in 0...50 { pace.note(share: Double(percent) / 100, at: Double(percent) * 10) }
        #expect(abs((pace.left ?? 0) - 500) < 1e-6)
        time = 500
        for percent in 51...61 {
            time += 100
            pace.note(share: Double(percent) / 100, at: time)
        }
        #expect(abs((pace.left ?? 0) - 3_900) < 10, "\(pace.left ?? -1)")
    }

    @Test func `in short work a pause is no new pace`() {
        var pace = RemainingTime()
        for percent in 0...50 { pace.note(share: Double(percent) / 100, at: Double(percent) / 2) }
        pace.note(share: 0.51, at: 30)
        #expect(abs((pace.left ?? 0) - 30 / 51 * 49) < 1e-6, "\(pace.left ?? -1)")
    }

    @Test func `many small steps cost nothing and give the same`() {
        var pace = RemainingTime()
        for i in 0...100_000 { pace.note(share: Double(i) / 200_000, at: Double(i)) }
        #expect(abs((pace.left ?? 0) - 100_000) < 1)
        pace.note(share: 1, at: 200_000)
        #expect(pace.left == 0)
    }
}
