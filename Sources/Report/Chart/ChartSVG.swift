extension Chart {
    /// Writes the chart as a figure with title and legend. A wide chart also has a narrow version for small screens.
    func write(to page: inout HTMLBuilder, isWide: Bool = false) {
        if isEmpty { return }
        page.element("figure", ["class": isWide ? "wide" : "normal"]) { page in
            page.element("figcaption") { page in
                page.element("b", title)
                page.element("span", ["class": "unit"], unit)
                if curves.count > 1 {
                    for curve in curves { page.element("span", ["class": "key c\(curve.color)"], curve.name) }
                }
            }
            if isWide { ChartSVG(self, .wide).write(to: &page) }
            ChartSVG(self, .normal).write(to: &page)
        }
    }
}

/// Draws a chart as SVG at a given size. Colors come from the style sheet, which has a light and a dark mode.
struct ChartSVG {
    private let chart: Chart
    private let size: Chart.Size
    private let x, y: ClosedRange<Double>
    private let left, right, top, bottom: Double

    init(_ chart: Chart, _ size: Chart.Size) {
        self.chart = chart
        self.size = size
        (x, y) = chart.bounds
        left = size.fontSize * 3.9
        right = size.width - size.fontSize * 1.2
        top = size.fontSize * (chart.times.isEmpty ? 0.9 : 2.2)
        bottom = size.height - size.fontSize * 1.9
    }

    func write(to page: inout HTMLBuilder) {
        let label = [chart.title, chart.unit].filter { !$0.isEmpty }.joined(separator: ", ")
        page.element(
            "svg",
            [
                "viewBox": "0 0 \(coordinate(size.width)) \(coordinate(size.height))", "role": "img",
                "class": size.width > 500 ? "large" : "small", "aria-label": "\(label), over \(chart.axis.title)",
            ]
        ) { page in
            drawAxes(in: &page)
            // The inner svg clips marks and bands to the plot area.
            let area = [left, top, right - left, bottom - top].map(coordinate)
            page.element(
                "svg", ["x": area[0], "y": area[1], "width": area[2], "height": area[3], "viewBox": area.joined(separator: " ")]
            ) { page in
                for mark in chart.marks { drawMark(mark.x, mark.event, in: &page) }
                for curve in chart.curves { drawBand(curve, in: &page) }
            }
            for curve in chart.curves { draw(curve, in: &page) }
            if let best = chart.best { drawBest(best.point, best.label, in: &page) }
        }
    }

    private func drawAxes(in page: inout HTMLBuilder) {
        let rows = AxisTicks(from: y.lowerBound, to: y.upperBound, about: 5)
        for (value, label) in zip(rows.values, rows.labels) {
            let lineY = yCoordinate(value)
            page.leaf("line", ["class": "grid", "x1": coordinate(left), "x2": coordinate(right), "y1": lineY, "y2": lineY])
            let x = coordinate(left - size.fontSize * 0.6), y = coordinate(yPosition(value) + size.fontSize * 0.35)
            page.element("text", ["x": x, "y": y, "text-anchor": "end"], label)
        }
        drawAxisLine(y: bottom, in: &page)
        let columns = AxisTicks(from: x.lowerBound, to: x.upperBound, about: size.width > 500 ? 9 : 5, chart.axis.ticks)
        for (value, label) in zip(columns.values, columns.labels) {
            drawTick(x: xPosition(value), from: bottom, to: bottom + 4, in: &page)
            drawLabel(label, at: xPosition(value), bottom + size.fontSize * 1.4, in: &page)
        }
        drawAxisTitle(chart.axis.title, bottom + size.fontSize * 1.4, in: &page)
        drawTimeAxis(in: &page)
    }

    /// Draws the time axis above the plot.
    private func drawTimeAxis(in page: inout HTMLBuilder) {
        guard let first = chart.times.first, let last = chart.times.last else { return }
        let ticks = AxisTicks(from: min(0, first.y), to: last.y, about: size.width > 500 ? 7 : 4, .time)
        var nextFree = left - 1
        for (seconds, label) in zip(ticks.values, ticks.labels) {
            let x = xPosition(step(at: seconds))
            guard x >= nextFree, x <= right + 1 else { continue }
            drawTick(x: x, from: top - 4, to: top, in: &page)
            drawLabel(label, at: x, top - size.fontSize * 0.65, in: &page)
            nextFree = x + size.fontSize * 3.6
        }
        drawAxisLine(y: top, in: &page)
        drawAxisTitle("time", top - size.fontSize * 0.65, in: &page)
    }

    /// Interpolates the step at a time.
    private func step(at seconds: Double) -> Double {
        var before = Curve.Point(0, 0)
        for point in chart.times {
            if point.y >= seconds {
                guard point.y > before.y else { return point.x }
                return before.x + (point.x - before.x) * (seconds - before.y) / (point.y - before.y)
            }
            before = point
        }
        return before.x
    }

    private func drawAxisLine(y: Double, in page: inout HTMLBuilder) {
        let y = coordinate(y)
        page.leaf("line", ["class": "axis", "x1": coordinate(left), "x2": coordinate(right), "y1": y, "y2": y])
    }

    private func drawTick(x: Double, from start: Double, to end: Double, in page: inout HTMLBuilder) {
        let x = coordinate(x)
        page.leaf("line", ["class": "axis", "x1": x, "x2": x, "y1": coordinate(start), "y2": coordinate(end)])
    }

    private func drawLabel(_ label: String, at x: Double, _ y: Double, in page: inout HTMLBuilder) {
        let halfWidth = Double(label.count) * size.fontSize * 0.28
        let anchor = x + halfWidth > size.width ? "end" : "middle"
        let position = anchor == "end" ? min(x + halfWidth, size.width - 1) : x
        page.element("text", ["x": coordinate(position), "y": coordinate(y), "text-anchor": anchor], label)
    }

    /// Writes the axis title before the first label.
    private func drawAxisTitle(_ title: String, _ y: Double, in page: inout HTMLBuilder) {
        let x = coordinate(left - size.fontSize)
        page.element("text", ["class": "name", "x": x, "y": coordinate(y), "text-anchor": "end"], title)
    }

    private func drawMark(_ x: Double, _ event: String, in page: inout HTMLBuilder) {
        page.element(
            "line", ["class": "mark", "x1": xCoordinate(x), "x2": xCoordinate(x), "y1": coordinate(top), "y2": coordinate(bottom)]
        ) { $0.element("title", event) }
    }

    private func drawBand(_ curve: Curve, in page: inout HTMLBuilder) {
        guard curve.band.count > 1 else { return }
        let upper = curve.band.map { "\(xCoordinate($0.x)) \(yCoordinate($0.high))" }
        let lower = curve.band.reversed().map { "\(xCoordinate($0.x)) \(yCoordinate($0.low))" }
        page.leaf("path", ["class": "band c\(curve.color)", "d": "M" + (upper + lower).joined(separator: "L") + "Z"])
    }

    private func draw(_ curve: Curve, in page: inout HTMLBuilder) {
        let points = curve.points.map { "\(xCoordinate($0.x)) \(yCoordinate($0.y))" }
        page.leaf("path", ["class": "line c\(curve.color)", "d": "M" + points.joined(separator: "L")])
        guard curve.hasDots else { return }
        for point in curve.points {
            page.element(
                "circle", ["class": "dot c\(curve.color)", "cx": xCoordinate(point.x), "cy": yCoordinate(point.y), "r": "2.6"]
            ) {
                let x = chart.axis == .time ? "after \(point.x.duration)" : "at step \(point.x.fixed(0))"
                $0.element("title", "\(curve.name): \(point.y.fixed(4)) \(x)")
            }
        }
    }

    private func drawBest(_ point: Curve.Point, _ label: String, in page: inout HTMLBuilder) {
        page.leaf("circle", ["class": "best", "cx": xCoordinate(point.x), "cy": yCoordinate(point.y), "r": "5"])
        // The label goes above the point, toward the middle of the chart.
        let isRight = xPosition(point.x) > (left + right) / 2
        let x = coordinate(xPosition(point.x) + (isRight ? 4 : -4)), y = coordinate(yPosition(point.y) - size.fontSize * 0.9)
        page.element("text", ["class": "best", "x": x, "y": y, "text-anchor": isRight ? "end" : "start"], label)
    }

    private func xPosition(_ value: Double) -> Double { left + (right - left) * (value - x.lowerBound) / (x.upperBound - x.lowerBound) }
    private func yPosition(_ value: Double) -> Double { bottom - (bottom - top) * (value - y.lowerBound) / (y.upperBound - y.lowerBound) }
    private func xCoordinate(_ value: Double) -> String { coordinate(xPosition(value)) }
    private func yCoordinate(_ value: Double) -> String { coordinate(yPosition(value)) }

    /// Formats a coordinate with one decimal, clamped to what SVG viewers can handle.
    private func coordinate(_ position: Double) -> String {
        let tenths = Int((max(-1e5, min(1e5, position)) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
