/// What is drawn of a training.
struct RunCharts {
    private let log: TrainingLog

    init(_ log: TrainingLog) { self.log = log }

    var all: [Chart] { [loss, bitsPerByte, rate, speed, gradient] }

    private var loss: Chart {
        var chart = Chart("Loss", in: "nats a token", over: .steps)
        chart.curves = [.smoothed("batches, smoothed", 0, log.steps.curve(over: .steps) { $0.loss }),
                        .measured("training text", 2, log.evaluations.curve(over: .steps) { $0.training }),
                        .measured("validation text", 1, log.evaluations.curve(over: .steps) { $0.validation }),
                        .measured("older chats", 3, log.evaluations.curve(over: .steps) { $0.replay })].filter { !$0.points.isEmpty }
        if let best = log.best, let loss = best.loss { chart.best = (.init(Double(best.step), loss), "best \(loss.fixed(3))") }
        return finished(chart)
    }

    private var bitsPerByte: Chart {
        var chart = Chart("Bits per byte", in: "of the validation text", over: .steps)
        chart.curves = [.measured("bits per byte", 1, log.evaluations.curve(over: .steps) { $0.bitsPerByte })]
        return finished(chart)
    }

    private var rate: Chart {
        var chart = Chart("Learning rate", in: "", over: .steps)
        chart.curves = [Curve.measured("rate", 3, log.steps.curve(over: .steps) { $0.rate }).withoutDots]
        chart.startsAtZero = true
        return finished(chart)
    }

    private var speed: Chart {
        var chart = Chart("Speed", in: "tokens a second", over: .steps)
        chart.curves = [.smoothed("tokens a second", 5, log.steps.speeds(over: .steps))]
        chart.startsAtZero = true
        return finished(chart)
    }

    private var gradient: Chart {
        var chart = Chart("Length of the gradient", in: "before clipping", over: .steps)
        chart.curves = [.smoothed("length", 4, log.steps.curve(over: .steps) { $0.gradient })]
        chart.startsAtZero = true
        return finished(chart)
    }

    /// With the time above, and what happened on the way.
    private func finished(_ chart: Chart) -> Chart {
        var chart = chart
        chart.times = Curve.measured("", 0, log.steps.map { .init(Double($0.step), $0.seconds) }).points
        chart.marks = log.resumed.map { (Double($0), "went on after step \($0.grouped)") }
            + log.skipped.prefix(200).map { (Double($0 + 1), "step \(($0 + 1).grouped) was skipped: not finite") }
        return chart
    }
}

extension Curve {
    var withoutDots: Curve {
        var curve = self
        curve.hasDots = false
        return curve
    }
}

extension [LogEntry.Step] {
    func curve(over axis: Chart.Axis, _ figure: (LogEntry.Step) -> Double) -> [Curve.Point] {
        map { .init(axis == .time ? $0.seconds : Double($0.step), figure($0)) }
    }

    /// Tokens a second, of a few steps together if there are many, so that the clock's grain does not show. The time of an evaluation is
    /// not counted:
    /// a stretch that took more than three times as long as the usual one had something else to do.
    func speeds(over axis: Chart.Axis) -> [Curve.Point] {
        let each = Swift.max(1, count / 1_000)
        let ends = stride(from: 0, to: count, by: each).map { self[$0] }
        let spans = zip(ends, ends.dropFirst()).filter { $1.seconds > $0.seconds && $1.tokens > $0.tokens }
        let usual = spans.map { ($1.seconds - $0.seconds) / Double($1.step - $0.step) }.sorted()
        guard !usual.isEmpty else { return [] }
        let limit = 3 * usual[usual.count / 2]
        return spans.compactMap { a, b in
            let seconds = b.seconds - a.seconds
            return seconds / Double(b.step - a.step) > limit
                ? nil : .init(axis == .time ? b.seconds : Double(b.step), Double(b.tokens - a.tokens) / seconds)
        }
    }
}

extension [LogEntry.Evaluated] {
    func curve(over axis: Chart.Axis, _ figure: (LogEntry.Evaluated) -> Double?) -> [Curve.Point] {
        compactMap { e in figure(e).map { .init(axis == .time ? e.seconds : Double(e.step), $0) } }
    }
}
