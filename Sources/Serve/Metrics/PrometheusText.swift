/// Writes Prometheus's text format 0.0.4. Label values are escaped; metric names, label names and help texts must not need it.
///
///     var text = PrometheusText()
///     text.metric("slm_queue_length", .gauge, "Answers that wait") { $0.sample(3) }
struct PrometheusText {
    enum MetricType: String { case counter, gauge, histogram }

    typealias Labels = [(name: String, value: String)]

    private(set) var text = ""
    private var name = ""
    /// Labels of all samples.
    private let common: Labels

    init(_ common: Labels = []) { self.common = common }

    /// Writes a metric. `samples` writes its samples.
    mutating func metric(_ name: String, _ type: MetricType, _ help: String, _ samples: (inout PrometheusText) -> Void) {
        self.name = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type.rawValue)\n"
        samples(&self)
    }

    mutating func sample(_ value: Double, _ labels: Labels = []) { line(name, labels, Self.number(value)) }

    mutating func sample(_ value: Int, _ labels: Labels = []) { line(name, labels, "\(value)") }

    /// Writes cumulative buckets. The count is that of the last bucket, so both agree while other threads count.
    mutating func sample(_ histogram: Histogram, _ labels: Labels = []) {
        var count = 0
        for (bound, inBucket) in zip(histogram.bounds + [.infinity], histogram.counts) {
            count += inBucket
            line(name + "_bucket", labels + [("le", Self.number(bound))], "\(count)")
        }
        line(name + "_sum", labels, Self.number(histogram.sum))
        line(name + "_count", labels, "\(count)")
    }

    private mutating func line(_ name: String, _ labels: Labels, _ value: String) {
        let pairs = (common + labels).map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        text += "\(name)\(pairs.isEmpty ? "" : "{\(pairs)}") \(value)\n"
    }

    private static func number(_ value: Double) -> String {
        value.isNaN ? "NaN" : value.isFinite ? value.description : value < 0 ? "-Inf" : "+Inf"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
