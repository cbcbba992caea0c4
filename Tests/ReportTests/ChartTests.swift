import Report
import TestSupport
import Testing

@Suite struct ChartTests {
    @Test(
        arguments: [
            (0.0, 930.0, 5, ["0", "200", "400", "600", "800"]), (0, 20_000, 5, ["0", "5k", "10k", "15k", "20k"]),
            (4.02, 7.1, 5, ["5", "6", "7"]),
            (4.3, 4.52, 5, ["4.30", "4.35", "4.40", "4.45", "4.50"]), (0, 0.001, 4, ["0", "0.0005", "0.0010"]),
            (0, 2.5e6, 5, ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
            (1, 1, 5, []), (.nan, 1, 5, []), (0, .infinity, 5, []),
        ] as [(Double, Double, Int, [String])])
    func `ticks are round numbers with few digits`(low: Double, high: Double, count: Int, labels: [String]) {
        #expect(AxisTicks(from: low, to: high, about: count).labels == labels)
    }

    @Test(arguments: [(16.0, ["0", "5 s", "10 s", "15 s"]), (600, ["0", "2 min", "4 min", "6 min", "8 min", "10 min"]),
                      (9_000, ["0", "30 min", "1 h", "1:30 h", "2 h", "2:30 h"]), (40_000, ["0", "3 h", "6 h", "9 h"]),
                      (400_000, ["0", "1 d", "2 d", "3 d", "4 d"])] as [(Double, [String])])
    func `times have units of seconds, minutes, hours or days`(most: Double, labels: [String]) {
        #expect(AxisTicks(from: 0, to: most, about: 5, .time).labels == labels)
    }

    @Test func `ticks of any range are inside it, increasing, few and distinct`() {
        var random = TestRandom(3)
        for _ in 0..<fuzzRounds(default: 2_000) {
            let size = Double.random(in: -9...12, using: &random), low = Double.random(in: -1...1, using: &random) * size.power,
                high = low + Double.random(in: 1e-3...1, using: &random) * size.power
            for kind in [AxisTicks.Kind.number, .time] {
                let ticks = AxisTicks(from: low, to: high, about: 5, kind), slack = (high - low) * 1e-5
                #expect(ticks.values.count <= 12 && zip(ticks.values, ticks.values.dropFirst()).allSatisfy { $0 < $1 })
                #expect(ticks.values.allSatisfy { low - slack <= $0 && $0 <= high + slack })
                if kind == .number { #expect(Set(ticks.labels).count == ticks.labels.count, "\(low) \(high) \(ticks.labels)") }
            }
        }
    }

    @Test func `a smoothed line has moving averages, and its band the raw range`() {
        let points = (0..<1_000).map { Curve.Point(Double($0), Double($0 % 2)) }, curve = Curve.smoothed("a", 0, points)
        #expect(curve.points.count <= Curve.maximumPoints + 1 && curve.points.first?.x == 0 && curve.points.last?.x == 999)
        #expect(curve.points.dropFirst(20).allSatisfy { abs($0.y - 0.5) < 0.03 })
        #expect(curve.band.allSatisfy { $0.low == 0 && $0.high == 1 } && !curve.hasDots)
        let line = Curve.smoothed("a", 0, (0..<1_000).map { .init(Double($0), 1_000 - Double($0)) })
        // A straight line is unchanged, without lag, except at the very end.
        #expect(line.points.filter { $0.x < 970 }.allSatisfy { abs($0.y - (1_000 - $0.x)) < 1e-6 })
    }

    @Test func `a curve of few measurements keeps all points and has dots`() {
        let points = (0..<20).map { Curve.Point(Double($0), 1) }
        let curve = Curve.measured("a", 0, points)
        #expect(curve.points == points && curve.hasDots && curve.band.isEmpty)
        #expect(Curve.smoothed("a", 0, []).points.isEmpty)
    }

    @Test func `text and attributes are escaped`() {
        var page = HTMLBuilder()
        page.element("p", ["title": "\"<'>&"]) { $0.text("<script>&amp;\u{0}\u{1F}\u{FFFF}\r</p>é\n") }
        #expect(page.html == "<p title=\"&quot;&lt;'&gt;&amp;\">&lt;script&gt;&amp;amp;\u{FFFD}\u{FFFD}\u{FFFD}&lt;/p&gt;é\n</p>")
    }
}

extension Double {
    fileprivate var power: Double { (0..<Int(magnitude)).reduce(1) { power, _ in self < 0 ? power / 10 : power * 10 } }
}
