package import Files

/// A report that compares several training runs: `slm runs compare RUN…`.
///
///     let comparison = try RunComparison(of: ["checkpoints/a", "checkpoints/b"])
///     try comparison.write(to: "report.html")
package struct RunComparison {
    private struct Run {
        let name: String
        let color: Int
        let log: TrainingLog
    }

    private let runs: [Run]

    package init(of folders: [String]) throws(FileError) {
        var runs: [Run] = []
        for (i, (folder, name)) in zip(folders, folders.shortNames).enumerated() {
            runs.append(Run(name: name, color: i % 8, log: try TrainingLog(of: folder)))
        }
        self.runs = runs
    }

    /// Whether the runs were validated on the same tokens.
    package var isComparable: Bool { TrainingLog.areComparable(runs.map(\.log)) }

    package func write(to path: String) throws(FileError) {
        try AtomicFile.write(html, to: path)
    }

    package var html: String {
        HTMLBuilder.page(title: "\(runs.count) training runs · slm") { page in
            page.element("header") {
                $0.element("h1", runs.map(\.name).joined(separator: ", "))
                $0.element("p", "Comparison of \(runs.count) training runs.")
            }
            page.element("h2", "Results")
            writeResults(to: &page)
            page.element("h2", "Training curves")
            page.element("div", ["class": "charts"]) { page in
                for (i, chart) in charts.enumerated() { chart.write(to: &page, isWide: i == 0) }
            }
            writeAnswers(to: &page)
            writeSettings(to: &page)
            page.element("footer", "Created by slm from the runs' log.jsonl.")
        }
    }

    private var charts: [Chart] {
        func evaluations(
            _ title: String, _ unit: String, _ axis: Chart.Axis, _ value: (LogEntry.Evaluation) -> Double?
        ) -> Chart {
            chart(title, unit, axis) { run in .measured(run.name, run.color, run.log.evaluations.curve(over: axis, value)) }
        }
        func trainingLoss(_ axis: Chart.Axis) -> Chart {
            chart("Training loss", "nats per token", axis) { run in
                .smoothed(run.name, run.color, run.log.steps.curve(over: axis) { $0.loss }).withoutBand
            }
        }
        var learningRate = chart("Learning rate", "", .steps) { run in
            .measured(run.name, run.color, run.log.steps.curve(over: .steps) { $0.learningRate }).withoutDots
        }
        var throughput = chart("Tokens per second", "", .steps) { run in
            .smoothed(run.name, run.color, run.log.steps.tokensPerSecond(over: .steps)).withoutBand
        }
        learningRate.startsAtZero = true
        throughput.startsAtZero = true
        return [
            evaluations("Validation loss", "nats per token", .steps) { $0.loss },
            evaluations("Validation loss", "nats per token", .time) { $0.loss },
            evaluations("Bits per byte", "validation set", .steps) { $0.bitsPerByte },
            evaluations("Replay loss", "nats per token", .steps) { $0.replayLoss },
            trainingLoss(.steps), trainingLoss(.time), learningRate, throughput,
        ]
    }

    private func chart(_ title: String, _ unit: String, _ axis: Chart.Axis, _ curve: (Run) -> Curve) -> Chart {
        var chart = Chart(title, in: unit, over: axis)
        chart.curves = runs.map(curve).filter { !$0.points.isEmpty }
        return chart
    }

    private func writeResults(to page: inout HTMLBuilder) {
        let best = isComparable ? runs.compactMap { $0.log.comparedLoss?.loss }.min() : nil
        page.table(
            head: (["run"] + Self.resultColumns.map(\.title)).map { .init($0) },
            runs.map { run in
                [.key(run.name, color: run.color)] + Self.resultColumns.map { .init($0.cell(run.log) ?? "–") }
            }, isBest: { best != nil && runs[$0].log.comparedLoss?.loss == best })
        if !isComparable {
            let text = "The losses cannot be compared: these runs were validated on different tokens, or a run has no validation data. "
                + "Compare their checkpoints on the same file with slm eval --compare."
            page.element("p", ["class": "remark"], text)
        }
        if runs.contains(where: { $0.log.best?.validationLoss == nil }) {
            page.element("p", ["class": "remark"], "For runs without validation data, the loss is the training loss.")
        }
    }

    private static var resultColumns: [(title: String, cell: (TrainingLog) -> String?)] {
        [
            ("validation", { $0.validation?.loss?.fixed(4) }), ("of tokens", { $0.validation.map { Double($0.tokens).abbreviated } }),
            ("best loss", { $0.best?.loss?.fixed(4) }), ("at step", { $0.best?.step.grouped }),
            ("bits per byte", { $0.best?.bitsPerByte?.fixed(4) }), ("final loss", { $0.evaluations.last?.loss?.fixed(4) }),
            ("steps", { $0.lastStep.grouped }), ("skipped", { $0.skipped.count.grouped }),
            ("tokens", { Double($0.tokens).abbreviated }), ("with loss", { $0.lossTokens.map { Double($0).abbreviated } }),
            ("time", { $0.seconds.duration }), ("tokens/s", { $0.seconds > 0 ? (Double($0.tokens) / $0.seconds).fixed(0) : nil }),
        ]
    }

    /// Writes the last answers to the questions that several runs have in common.
    private func writeAnswers(to page: inout HTMLBuilder) {
        let all = runs.flatMap { $0.log.answers.questions }
        let questions = all.reduce(into: [String]()) { list, question in
            if !list.contains(question), all.count(where: { $0 == question }) > 1 { list.append(question) }
        }
        if questions.isEmpty { return }
        page.element("h2", "Sample answers")
        for question in questions {
            page.element("section", ["class": "card"]) { page in
                page.element("div", ["class": "chat"]) { $0.element("p", ["class": "question"], question) }
                page.table(frame: nil, runs.compactMap { run in
                    run.log.answers.last { $0.question == question }.map {
                        [.key(run.name, color: run.color), .init($0.displayText, style: "text long")]
                    }
                })
            }
        }
    }

    private func writeSettings(to page: inout HTMLBuilder) {
        let all = runs.flatMap(\.log.settings).reduce(into: [(group: String, name: String, title: String)]()) { list, setting in
            if list.contains(where: { $0.group == setting.group && $0.name == setting.name }) { return }
            list.append((setting.group, setting.name, setting.title))
        }
        let differing = all.filter { key in Set(runs.map { $0.log.text(key.group, key.name) }).count > 1 }
        if all.isEmpty { return }
        page.element("h2", "Settings that differ")
        if !differing.isEmpty {
            page.table(
                head: (["setting"] + runs.map(\.name)).map { .init($0) },
                differing.map { key in
                    (["\(key.group): \(key.title)"] + runs.map { $0.log.text(key.group, key.name) }).map { .init($0) }
                })
        }
        page.element("p", ["class": "remark"], "\(differing.isEmpty ? "None" : "\(differing.count)") of \(all.count) settings differ.")
    }
}

extension TrainingLog {
    fileprivate func text(_ group: String, _ name: String) -> String {
        settings.first { $0.group == group && $0.name == name }?.text ?? "–"
    }
}

extension Curve {
    fileprivate var withoutBand: Curve {
        var curve = self
        curve.band = []
        return curve
    }
}

extension [String] {
    /// The last components of paths, or the whole path where several have the same.
    var shortNames: [String] {
        let names = map(RelativePath.fileName)
        return zip(self, names).map { path, name in names.count { $0 == name } == 1 ? name : path }
    }
}
