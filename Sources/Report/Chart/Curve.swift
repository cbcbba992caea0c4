/// A line in a chart.
package struct Curve {
    package struct Point: Equatable {
        package let x, y: Double

        package init(_ x: Double, _ y: Double) {
            self.x = x
            self.y = y
        }
    }

    /// The label in the legend.
    package let name: String
    /// The index of the color in the style sheet.
    package let color: Int
    package var points: [Point]
    /// The range of the raw values around a smoothed line.
    package var band: [(x: Double, low: Double, high: Double)] = []
    /// Whether each point is a single measurement and is drawn as a dot.
    package var hasDots = false

    package static let maximumPoints = 300

    /// Creates a line through individual measurements.
    package static func measured(_ name: String, _ color: Int, _ points: [Point]) -> Curve {
        Curve(name: name, color: color, points: downsampled(points), hasDots: points.count <= 60)
    }

    /// Creates a moving average over 4 % of the points, with a band that shows the raw values.
    package static func smoothed(_ name: String, _ color: Int, _ points: [Point]) -> Curve {
        let reach = points.count / 50
        var sums = [0.0]
        for point in points { sums.append((sums.last ?? 0) + point.y) }
        let means = points.indices.map { i in
            // At the start, where the loss falls steeply, the window stays centered. At the end, where it is flat, the window stays wide,
            // because noise would look like a trend.
            let first = max(0, i - reach), end = min(points.count, i + (i - first) + 1)
            return Point(points[i].x, (sums[end] - sums[first]) / Double(end - first))
        }
        var curve = Curve(name: name, color: color, points: downsampled(means))
        if reach > 0 {
            curve.band = chunks(points).map { chunk in
                (chunk[chunk.startIndex + chunk.count / 2].x, chunk.map(\.y).min() ?? 0, chunk.map(\.y).max() ?? 0)
            }
        }
        return curve
    }

    /// Keeps the first point, and the last point of each chunk.
    private static func downsampled(_ points: [Point]) -> [Point] {
        points.count <= maximumPoints ? points : points.prefix(1) + chunks(points).compactMap(\.last)
    }

    private static func chunks(_ points: [Point]) -> [ArraySlice<Point>] {
        let count = min(maximumPoints, points.count)
        return (0..<count).map { points[points.count * $0 / count..<points.count * ($0 + 1) / count] }
    }
}
