/// A line chart, written as an HTML figure with SVG.
///
///     var chart = Chart("Loss", in: "nats per token", over: .steps)
///     chart.curves = [.measured("validation set", 1, points)]
///     chart.write(to: &page)
struct Chart {
    enum Axis {
        case steps, time
        var ticks: AxisTicks.Kind { self == .time ? .time : .number }
        var title: String { self == .time ? "time" : "steps" }
    }

    struct Size {
        let width, height: Double
        /// The font size in the same unit.
        let fontSize: Double
        static let normal = Size(width: 480, height: 290, fontSize: 13)
        static let wide = Size(width: 960, height: 380, fontSize: 13)
    }

    let title, unit: String
    let axis: Axis
    var curves: [Curve] = []
    /// Points of (step, seconds) for a second x-axis above the chart.
    var times: [Curve.Point] = []
    /// Vertical lines with the event that each marks.
    var marks: [(x: Double, event: String)] = []
    /// A highlighted point with a label.
    var best: (point: Curve.Point, label: String)?
    /// Whether the y-axis includes zero.
    var startsAtZero = false

    init(_ title: String, in unit: String, over axis: Axis) {
        self.title = title
        self.unit = unit
        self.axis = axis
    }

    var isEmpty: Bool { curves.allSatisfy { $0.points.count < 2 } }
}

extension Chart {
    /// The ranges of the axes. They include all lines; bands may be clipped.
    var bounds: (x: ClosedRange<Double>, y: ClosedRange<Double>) {
        let points = curves.flatMap(\.points), xs = points.map(\.x), ys = points.map(\.y)
        let left = axis == .steps ? 0 : min(0, xs.min() ?? 0), right = max(xs.max() ?? 1, left + 1e-9)
        var low = startsAtZero ? 0 : ys.min() ?? 0, high = ys.max() ?? 1
        // The second term centers a constant line.
        let margin = max((high - low) * 0.06, high.magnitude * 1e-3, 1e-9)
        if !startsAtZero { low = max(low - margin, low < 0 ? -.infinity : 0) }
        high += margin
        return (left...right, low...high)
    }
}
