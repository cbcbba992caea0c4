import Files

/// The charts of a run's report.
struct RunCharts {
    let log: TrainingLog

    var all: [Chart] {
        let quality = log.hasPreferences ? [preferenceAccuracy, rewardMargin, divergence] : [bitsPerByte]
        return [loss] + quality + [learningRate, throughput, gradientNorm] + (communication.map { [$0] } ?? [])
    }

    private var loss: Chart {
        var chart = chart("Loss", in: log.hasPreferences ? "per preference" : "nats per token", [
            .smoothed("training batches (smoothed)", 0, log.steps.curve(over: .steps) { $0.loss }),
            .measured("training set", 2, log.evaluations.curve(over: .steps) { $0.trainingLoss }),
            .measured("validation set", 1, log.evaluations.curve(over: .steps) { $0.validationLoss }),
            .measured("replay set", 3, log.evaluations.curve(over: .steps) { $0.replayLoss }),
        ])
        if let best = log.best, let loss = best.loss { chart.best = (.init(Double(best.step), loss), "best \(loss.fixed(3))") }
        return chart
    }

    private var bitsPerByte: Chart {
        chart("Bits per byte", in: "validation set", [
            .measured("bits per byte", 1, log.evaluations.curve(over: .steps) { $0.bitsPerByte }),
        ])
    }

    private var preferenceAccuracy: Chart { preferenceChart("Preference accuracy", "share") { $0.accuracy } }
    private var rewardMargin: Chart { preferenceChart("Reward margin", "good answers over bad ones") { $0.margin } }

    /// A metric of the training batches, the training set and the held-out set.
    private func preferenceChart(_ title: String, _ unit: String, _ value: (LogEntry.Preferences) -> Double) -> Chart {
        let batches = log.steps.compactMap { step in step.preferences.map { Curve.Point(Double(step.step), value($0)) } }
        return chart(title, in: unit, [
            .smoothed("training batches (smoothed)", 0, batches),
            .measured("training set", 2, log.evaluations.curve(over: .steps) { $0.trainingPreferences.map(value) }),
            .measured("held-out set", 1, log.evaluations.curve(over: .steps) { $0.validationPreferences.map(value) }),
        ])
    }

    private var divergence: Chart {
        let batches = log.steps.compactMap { step in step.preferences?.kl.map { Curve.Point(Double(step.step), $0) } }
        return chart("KL divergence", in: "from the reference model, nats per answer", [
            .smoothed("training batches (smoothed)", 0, batches),
            .measured("held-out set", 1, log.evaluations.curve(over: .steps) { $0.validationPreferences?.kl }),
        ])
    }

    private var learningRate: Chart {
        let rates = log.steps.curve(over: .steps) { $0.learningRate }
        return chart("Learning rate", startsAtZero: true, [Curve.measured("learning rate", 3, rates).withoutDots])
    }

    private var throughput: Chart {
        chart("Tokens per second", startsAtZero: true, [.smoothed("tokens per second", 5, log.steps.tokensPerSecond(over: .steps))])
    }

    /// The share of each step in which the first rank waited for others; nil without ranks.
    private var communication: Chart? {
        let points = zip(log.steps, log.steps.dropFirst()).compactMap { previous, step -> Curve.Point? in
            guard let waited = step.waitedSeconds, step.seconds > previous.seconds else { return nil }
            return Curve.Point(Double(step.step), 100 * waited / (step.seconds - previous.seconds))
        }
        if points.isEmpty { return nil }
        return chart("Communication", in: "percent of a step", startsAtZero: true, [.smoothed("waiting for other processes", 2, points)])
    }

    private var gradientNorm: Chart {
        let norms = log.steps.curve(over: .steps) { $0.gradientNorm }
        return chart("Gradient norm", in: "before clipping", startsAtZero: true, [.smoothed("gradient norm", 4, norms)])
    }

    /// A chart over the steps with a time axis, and with marks where the run was resumed or a batch was skipped.
    private func chart(_ title: String, in unit: String = "", startsAtZero: Bool = false, _ curves: [Curve]) -> Chart {
        var chart = Chart(title, in: unit, over: .steps)
        chart.curves = curves.filter { !$0.points.isEmpty }
        chart.startsAtZero = startsAtZero
        chart.times = Curve.measured("", 0, log.steps.map { .init(Double($0.step), $0.seconds) }).points
        chart.marks = log.resumed.map { (Double($0), "resumed after step \($0.grouped)") }
            + log.skipped.prefix(200).map { (Double($0 + 1), "step \(($0 + 1).grouped) was skipped: loss or gradient not finite") }
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
    func curve(over axis: Chart.Axis, _ value: (LogEntry.Step) -> Double) -> [Curve.Point] {
        map { .init(axis == .time ? $0.seconds : Double($0.step), value($0)) }
    }

    /// The throughput of each step, or of a few steps together if there are many, to hide the clock's resolution.
    ///
    /// Leaves out evaluations: intervals that took more than three times the median per step.
    func tokensPerSecond(over axis: Chart.Axis) -> [Curve.Point] {
        let interval = Swift.max(1, count / 1_000)
        let ends = stride(from: 0, to: count, by: interval).map { self[$0] }
        let spans = zip(ends, ends.dropFirst()).filter { $1.seconds > $0.seconds && $1.tokens > $0.tokens }
        let secondsPerStep = spans.map { ($1.seconds - $0.seconds) / Double($1.step - $0.step) }.sorted()
        guard !secondsPerStep.isEmpty else { return [] }
        let limit = 3 * secondsPerStep[secondsPerStep.count / 2]
        return spans.compactMap { a, b in
            let seconds = b.seconds - a.seconds
            if seconds / Double(b.step - a.step) > limit { return nil }
            return .init(axis == .time ? b.seconds : Double(b.step), Double(b.tokens - a.tokens) / seconds)
        }
    }
}

extension [LogEntry.Evaluation] {
    func curve(over axis: Chart.Axis, _ value: (LogEntry.Evaluation) -> Double?) -> [Curve.Point] {
        compactMap { e in value(e).map { .init(axis == .time ? e.seconds : Double(e.step), $0) } }
    }
}
