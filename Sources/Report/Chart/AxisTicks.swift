/// Round numbers along an axis, with labels.
///
///     AxisTicks(from: 0, to: 930, about: 5).labels             // 0, 200, 400, 600, 800
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
            labels.append(kind == .time ? Self.time(value, step) : Self.number(value, step, largest: max(low.magnitude, high.magnitude)))
        }
    }

    /// The smallest step of the form 1, 2 or 5 times a power of ten.
    private static func step(atLeast minimum: Double) -> Double {
        var power = 1.0
        while power > minimum { power /= 10 }
        while power * 10 <= minimum { power *= 10 }
        return [1, 2, 5].map { $0 * power }.first { $0 >= minimum } ?? 10 * power
    }

    private static func timeStep(atLeast minimum: Double) -> Double {
        if minimum < 1 { return step(atLeast: minimum) }
        let steps: [Double] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
        ]
        return steps.first { $0 >= minimum } ?? step(atLeast: minimum / 86_400) * 86_400
    }

    /// Formats a time in the unit of the step: 15 s, 5 min, 3 h, 2 d; and 1:30 h for steps of minutes.
    private static func time(_ value: Double, _ step: Double) -> String {
        if value == 0 { return "0" }
        if value >= 3_600, 60..<3_600 ~= step {
            let hours = (value / 3_600 + 1e-6).rounded(.down).fixed(0)
            let minutes = Int((value / 60).rounded()) % 60
            return hours + (minutes == 0 ? "" : minutes < 10 ? ":0\(minutes)" : ":\(minutes)") + " h"
        }
        for (unit, name) in [(86_400.0, "d"), (3_600, "h"), (60, "min")] where step >= unit { return (value / unit).fixed(0) + " " + name }
        return number(value, step, largest: value) + " s"
    }

    /// Formats a number with as many decimals as the step needs.
    private static func number(_ value: Double, _ step: Double, largest: Double) -> String {
        if value == 0 { return "0" }
        guard largest >= 1e4, step >= 100 else { return value.fixed(decimals(of: step)) }
        let (unit, name) = largest >= 1e9 ? (1e9, "B") : largest >= 1e6 ? (1e6, "M") : (1e3, "k")
        return (value / unit).fixed(decimals(of: step / unit)) + name
    }

    /// The decimals of a step. Steps above 1 are whole, because 2.5 is never a step.
    private static func decimals(of step: Double) -> Int {
        var decimals = 0, scaled = step
        while scaled < 0.999, decimals < 12 {
            scaled *= 10
            decimals += 1
        }
        return decimals
    }
}
