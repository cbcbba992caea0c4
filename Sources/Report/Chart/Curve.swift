/// A line in a chart.
package struct Curve {
    package struct Point: Equatable {
        package let x, y: Double
        package init(_ x: Double, _ y: Double) {
            self.x = x
            self.y = y
        }
    }

    /// What the legend calls it.
    package let name: String
    /// Which of the colours.
    package let colour: Int
    package var points: [Point]
    /// What was smoothed away: the lowest and highest of each stretch.
    package var band: [(x: Double, low: Double, high: Double)] = []
    /// Whether each point is one measurement and shows as a dot.
    package var hasDots = false

    package static let mostPoints = 300

    /// Each point one measurement.
    package static func measured(_ name: String, _ colour: Int, _ points: [Point]) -> Curve {
        Curve(name: name, colour: colour, points: thinned(points), hasDots: points.count <= 60)
    }

    /// A line through the means of a window, 4 % of all points wide, over a band of what there was.
    package static func smoothed(_ name: String, _ colour: Int, _ points: [Point]) -> Curve {
        let reach = points.count / 50
        var sums = [0.0]
        for point in points { sums.append((sums.last ?? 0) + point.y) }
        let means = points.indices.map { i in
            // Where it begins it falls: as far to the right as to the left. Where it ends it is level, and noise would look like news.
            let first = max(0, i - reach), end = min(points.count, i + (i - first) + 1)
            return Point(points[i].x, (sums[end] - sums[first]) / Double(end - first))
        }
        var curve = Curve(name: name, colour: colour, points: thinned(means))
        if reach > 0 {
            curve.band = stretches(points).map { stretch in
                (stretch[stretch.startIndex + stretch.count / 2].x, stretch.map(\.y).min() ?? 0, stretch.map(\.y).max() ?? 0)
            }
        }
        return curve
    }

    /// The last point of each stretch, and the first of all.
    private static func thinned(_ points: [Point]) -> [Point] {
        points.count <= mostPoints ? points : points.prefix(1) + stretches(points).compactMap(\.last)
    }

    private static func stretches(_ points: [Point]) -> [ArraySlice<Point>] {
        let count = min(mostPoints, points.count)
        return (0..<count).map { points[points.count * $0 / count..<points.count * ($0 + 1) / count] }
    }
}
