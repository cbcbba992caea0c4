/// A diagram of curves, as a figure of HTML with SVG in it.
///
///     var chart = Chart("Loss", in: "nats a token", over: .steps)
///     chart.curves = [.measured("validation", 1, points)]
///     chart.write(to: &page, size: .usual)
struct Chart {
    enum Axis {
        case steps, time
        var ticks: AxisTicks.Kind { self == .time ? .time : .number }
        var title: String { self == .time ? "time" : "steps" }
    }

    struct Size {
        let width, height: Double
        /// How large a letter is, in the same unit.
        let letters: Double
        static let usual = Size(width: 480, height: 290, letters: 13)
        static let wide = Size(width: 960, height: 380, letters: 13)
    }

    let title, unit: String
    let axis: Axis
    var curves: [Curve] = []
    /// When steps were taken, for a second axis above: steps against seconds.
    var times: [Curve.Point] = []
    /// Places on the axis with what happened there.
    var marks: [(x: Double, what: String)] = []
    /// A point with a word beside it.
    var best: (point: Curve.Point, label: String)?
    /// Whether zero belongs to it.
    var startsAtZero = false

    init(_ title: String, in unit: String, over axis: Axis) {
        self.title = title
        self.unit = unit
        self.axis = axis
    }

    var isEmpty: Bool { curves.allSatisfy { $0.points.count < 2 } }
}

extension Chart {
    /// What the axes have to reach: bands may be cut off, lines not.
    var bounds: (x: ClosedRange<Double>, y: ClosedRange<Double>) {
        let points = curves.flatMap(\.points), xs = points.map(\.x), ys = points.map(\.y)
        let left = axis == .steps ? 0 : min(0, xs.min() ?? 0), right = max(xs.max() ?? 1, left + 1e-9)
        var low = startsAtZero ? 0 : ys.min() ?? 0, high = ys.max() ?? 1
        // A line that does not move stands in the middle.
        let room = max((high - low) * 0.06, high.magnitude * 1e-3, 1e-9)
        if !startsAtZero { low = max(low - room, low < 0 ? -.infinity : 0) }
        high += room
        return (left...right, low...high)
    }
}
