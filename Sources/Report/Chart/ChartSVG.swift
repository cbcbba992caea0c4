extension Chart {
    /// A figure with its title and legend. Where a screen is narrow, a wide chart is drawn again for it.
    func write(to page: inout HTMLBuilder, isWide: Bool = false) {
        if isEmpty { return }
        page.element("figure", ["class": isWide ? "wide" : "usual"]) { page in
            page.element("figcaption") { page in
                page.element("b", title)
                page.element("span", ["class": "unit"], unit)
                if curves.count > 1 {
                    for curve in curves { page.element("span", ["class": "key c\(curve.colour)"], curve.name) }
                }
            }
            if isWide { ChartSVG(self, .wide).write(to: &page) }
            ChartSVG(self, .usual).write(to: &page)
        }
    }
}

/// A chart at a size, as SVG. Colours are the style sheet's, so that a page can be light and dark.
struct ChartSVG {
    private let chart: Chart
    private let size: Chart.Size
    private let x, y: ClosedRange<Double>
    private let left, right, top, bottom: Double

    init(_ chart: Chart, _ size: Chart.Size) {
        self.chart = chart
        self.size = size
        (x, y) = chart.bounds
        left = size.letters * 3.9
        right = size.width - size.letters * 1.2
        top = size.letters * (chart.times.isEmpty ? 0.9 : 2.2)
        bottom = size.height - size.letters * 1.9
    }

    func write(to page: inout HTMLBuilder) {
        page.element(
            "svg",
            [
                "viewBox": "0 0 \(short(size.width)) \(short(size.height))", "role": "img", "class": size.width > 500 ? "large" : "small",
                "aria-label": "\(chart.title), \(chart.unit), against \(chart.axis.title)",
            ]
        ) { page in
            drawAxes(in: &page)
            // What leaves the frame is cut off, as a window cuts off a view.
            page.element("svg", ["x": short(left), "y": short(top), "width": short(right - left), "height": short(bottom - top),
                                 "viewBox": "\(short(left)) \(short(top)) \(short(right - left)) \(short(bottom - top))"]) { page in
                for mark in chart.marks { drawMark(mark.x, mark.what, in: &page) }
                for curve in chart.curves { drawBand(curve, in: &page) }
            }
            for curve in chart.curves { draw(curve, in: &page) }
            if let best = chart.best { drawBest(best.point, best.label, in: &page) }
        }
    }

    private func drawAxes(in page: inout HTMLBuilder) {
        let rows = AxisTicks(from: y.lowerBound, to: y.upperBound, about: 5)
        for (value, label) in zip(rows.values, rows.labels) {
            page.leaf("line", ["class": "grid", "x1": short(left), "x2": short(right), "y1": across(value), "y2": across(value)])
            page.element(
                "text", ["x": short(left - size.letters * 0.6), "y": short(vertical(value) + size.letters * 0.35), "text-anchor": "end"],
                label)
        }
        page.leaf("line", ["class": "axis", "x1": short(left), "x2": short(right), "y1": short(bottom), "y2": short(bottom)])
        let columns = AxisTicks(from: x.lowerBound, to: x.upperBound, about: size.width > 500 ? 9 : 5, chart.axis.ticks)
        for (value, label) in zip(columns.values, columns.labels) {
            page.leaf("line", ["class": "axis", "x1": along(value), "x2": along(value), "y1": short(bottom), "y2": short(bottom + 4)])
            drawLabel(label, at: horizontal(value), bottom + size.letters * 1.4, in: &page)
        }
        drawTitle(chart.axis.title, bottom + size.letters * 1.4, in: &page)
        drawTimes(in: &page)
    }

    /// The axis above: when those steps were taken.
    private func drawTimes(in page: inout HTMLBuilder) {
        guard let first = chart.times.first, let last = chart.times.last else { return }
        let ticks = AxisTicks(from: min(0, first.y), to: last.y, about: size.width > 500 ? 7 : 4, .time)
        var free = left - 1
        for (seconds, label) in zip(ticks.values, ticks.labels) {
            let x = horizontal(step(at: seconds))
            guard x >= free, x <= right + 1 else { continue }
            page.leaf("line", ["class": "axis", "x1": short(x), "x2": short(x), "y1": short(top - 4), "y2": short(top)])
            drawLabel(label, at: x, top - size.letters * 0.65, in: &page)
            free = x + size.letters * 3.6
        }
        page.leaf("line", ["class": "axis", "x1": short(left), "x2": short(right), "y1": short(top), "y2": short(top)])
        drawTitle("time", top - size.letters * 0.65, in: &page)
    }

    /// The step that was being taken at a time.
    private func step(at seconds: Double) -> Double {
        var before = Curve.Point(0, 0)
        for point in chart.times {
            if point.y >= seconds {
                return point.y > before.y ? before.x + (point.x - before.x) * (seconds - before.y) / (point.y - before.y) : point.x
            }
            before = point
        }
        return before.x
    }

    private func drawLabel(_ label: String, at x: Double, _ y: Double, in page: inout HTMLBuilder) {
        let half = Double(label.count) * size.letters * 0.28, anchor = x + half > size.width ? "end" : "middle"
        page.element("text", ["x": short(anchor == "end" ? min(x + half, size.width - 1) : x), "y": short(y), "text-anchor": anchor], label)
    }

    /// What the axis counts, before its first number.
    private func drawTitle(_ title: String, _ y: Double, in page: inout HTMLBuilder) {
        page.element("text", ["class": "name", "x": short(left - size.letters), "y": short(y), "text-anchor": "end"], title)
    }

    private func drawMark(_ x: Double, _ what: String, in page: inout HTMLBuilder) {
        page.element("line", ["class": "mark", "x1": along(x), "x2": along(x), "y1": short(top), "y2": short(bottom)]) {
            $0.element("title", what)
        }
    }

    private func drawBand(_ curve: Curve, in page: inout HTMLBuilder) {
        guard curve.band.count > 1 else { return }
        let upper = curve.band.map { "\(along($0.x)) \(across($0.high))" },
            lower = curve.band.reversed().map { "\(along($0.x)) \(across($0.low))" }
        page.leaf("path", ["class": "band c\(curve.colour)", "d": "M" + (upper + lower).joined(separator: "L") + "Z"])
    }

    private func draw(_ curve: Curve, in page: inout HTMLBuilder) {
        let places = curve.points.map { "\(along($0.x)) \(across($0.y))" }
        page.leaf("path", ["class": "line c\(curve.colour)", "d": "M" + places.joined(separator: "L")])
        guard curve.hasDots else { return }
        for point in curve.points {
            page.element("circle", ["class": "dot c\(curve.colour)", "cx": along(point.x), "cy": across(point.y), "r": "2.6"]) {
                $0.element(
                    "title",
                    "\(curve.name): \(point.y.fixed(4)) \(chart.axis == .time ? "after \(point.x.clock)" : "at step \(point.x.fixed(0))")")
            }
        }
    }

    private func drawBest(_ point: Curve.Point, _ label: String, in page: inout HTMLBuilder) {
        page.leaf("circle", ["class": "best", "cx": along(point.x), "cy": across(point.y), "r": "5"])
        // Above it, and on the side where there is room.
        let isRight = horizontal(point.x) > (left + right) / 2
        page.element(
            "text",
            [
                "class": "best", "x": short(horizontal(point.x) + (isRight ? 4 : -4)), "y": short(vertical(point.y) - size.letters * 0.9),
                "text-anchor": isRight ? "end" : "start",
            ], label)
    }

    private func horizontal(_ value: Double) -> Double { left + (right - left) * (value - x.lowerBound) / (x.upperBound - x.lowerBound) }
    private func vertical(_ value: Double) -> Double { bottom - (bottom - top) * (value - y.lowerBound) / (y.upperBound - y.lowerBound) }
    private func along(_ value: Double) -> String { short(horizontal(value)) }
    private func across(_ value: Double) -> String { short(vertical(value)) }

    /// A place to a tenth, and never so far away that a viewer loses count.
    private func short(_ place: Double) -> String {
        let tenths = Int((max(-1e5, min(1e5, place)) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
