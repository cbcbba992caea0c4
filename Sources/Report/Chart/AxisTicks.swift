/// Round numbers along an axis.
///
///     AxisTicks(from: 0, to: 930, about: 5).labels                 // 0, 200, 400, 600, 800
package struct AxisTicks: Equatable {
    package private(set) var values: [Double] = []
    package private(set) var labels: [String] = []

    package enum Kind { case number, time }

    package init(from low: Double, to high: Double, about count: Int, _ kind: Kind = .number) {
        let range = high - low
        guard low.isFinite, high.isFinite, range > 0, range >= high.magnitude * 1e-9 else { return }
        let step = kind == .number ? Self.step(atLeast: range / Double(count)) : Self.timeStep(atLeast: range / Double(count))
        for i in 0...4 * count {
            let value = ((low / step).rounded(.up) + Double(i)) * step
            if value > high + step * 1e-6 { break }
            values.append(value)
            labels.append(kind == .time ? Self.time(value, step) : Self.number(value, step, upTo: max(low.magnitude, high.magnitude)))
        }
    }

    /// 1, 2 or 5 times a power of ten.
    private static func step(atLeast least: Double) -> Double {
        var power = 1.0
        while power > least { power /= 10 }
        while power * 10 <= least { power *= 10 }
        return [1, 2, 5].map { $0 * power }.first { $0 >= least } ?? 10 * power
    }

    private static func timeStep(atLeast least: Double) -> Double {
        if least < 1 { return step(atLeast: least) }
        let steps: [Double] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400]
        return steps.first { $0 >= least } ?? step(atLeast: least / 86_400) * 86_400
    }

    /// In the unit of the step: 15 s, 5 min, 3 h, 2 d; and 1:30 h among minutes.
    private static func time(_ value: Double, _ step: Double) -> String {
        if value == 0 { return "0" }
        if value >= 3_600, 60..<3_600 ~= step {
            let minutes = Int((value / 60).rounded()) % 60
            return (value / 3_600 + 1e-6).rounded(.down).fixed(0) + (minutes == 0 ? "" : minutes < 10 ? ":0\(minutes)" : ":\(minutes)")
                + " h"
        }
        for (unit, name) in [(86_400.0, "d"), (3_600, "h"), (60, "min")] where step >= unit { return (value / unit).fixed(0) + " " + name }
        return number(value, step, upTo: value) + " s"
    }

    /// With as many digits as the step needs.
    private static func number(_ value: Double, _ step: Double, upTo largest: Double) -> String {
        if largest >= 1e4, step >= 100 {
            let (unit, name) = largest >= 1e9 ? (1e9, "B") : largest >= 1e6 ? (1e6, "M") : (1e3, "k")
            return value == 0 ? "0" : (value / unit).fixed(digits(of: step / unit)) + name
        }
        return value == 0 ? "0" : value.fixed(digits(of: step))
    }

    private static func digits(of step: Double) -> Int {
        var digits = 0, scaled = step
        while scaled < 0.999, digits < 12 {
            scaled = scaled * 10
            digits = digits + 1
        }
        // 2.5 of anything is never a step: what is above one is whole.
        return digits
    }
}
