package import Files

/// Several trainings in one report: `slm train --compare RUN…`.
///
///     let page = try RunComparison(of: ["checkpoints/a", "checkpoints/b"])
///     try page.write(to: "report.html")
package struct RunComparison {
    private struct Run {
        let name: String
        let colour: Int
        let log: TrainingLog
    }

    private let runs: [Run]

    package init(of folders: [String]) throws(FileError) {
        var runs: [Run] = []
        let names = folders.map(\.lastComponent)
        for (i, folder) in folders.enumerated() {
            let name = names.count { $0 == names[i] } == 1 ? names[i] : folder
            runs.append(Run(name: name, colour: i % 8, log: try TrainingLog(of: folder)))
        }
        self.runs = runs
    }

    package func write(to path: String) throws(FileError) {
        var file = try AtomicFile(path)
        try file.write(Array(html.utf8))
        try file.commit()
    }

    package var html: String {
        HTMLBuilder.page(title: "\(runs.count) trainings · slm") { page in
            page.element("header") {
                $0.element("h1", runs.map(\.name).joined(separator: ", "))
                $0.element("p", "\(runs.count) trainings side by side.")
            }
            page.element("h2", "Results")
            writeResults(to: &page)
            page.element("h2", "How they learned")
            page.element("div", ["class": "charts"]) { page in
                for (i, chart) in charts.enumerated() { chart.write(to: &page, isWide: i == 0) }
            }
            writeAnswers(to: &page)
            writeSettings(to: &page)
            page.element("footer", "Made by slm from the trainings' log.jsonl.")
        }
    }

    private var charts: [Chart] {
        let evaluated = { (title: String, unit: String, axis: Chart.Axis, figure: (LogEntry.Evaluated) -> Double?) in
            chart(title, unit, axis) { run in .measured(run.name, run.colour, run.log.evaluations.curve(over: axis, figure)) }
        }
        var rate = chart("Learning rate", "", .steps) {
            .measured($0.name, $0.colour, $0.log.steps.curve(over: .steps) { $0.rate }).withoutDots
        }
        var speed = chart("Speed", "tokens a second", .steps) {
            .smoothed($0.name, $0.colour, $0.log.steps.speeds(over: .steps)).withoutBand
        }
        rate.startsAtZero = true
        speed.startsAtZero = true
        return [
            evaluated("Validation loss", "nats a token", .steps) { $0.loss },
            evaluated("Validation loss", "nats a token", .time) { $0.loss },
            evaluated("Bits per byte", "of the validation text", .steps) { $0.bitsPerByte },
            evaluated("Loss on older chats", "nats a token", .steps) { $0.replay },
            chart("Loss while learning", "nats a token", .steps) {
                .smoothed($0.name, $0.colour, $0.log.steps.curve(over: .steps) { $0.loss }).withoutBand
            },
            chart("Loss while learning", "nats a token", .time) {
                .smoothed($0.name, $0.colour, $0.log.steps.curve(over: .time) { $0.loss }).withoutBand
            },
            rate, speed,
        ]
    }

    private func chart(_ title: String, _ unit: String, _ axis: Chart.Axis, _ curve: (Run) -> Curve) -> Chart {
        var chart = Chart(title, in: unit, over: axis)
        chart.curves = runs.map(curve).filter { !$0.points.isEmpty }
        return chart
    }

    private func writeResults(to page: inout HTMLBuilder) {
        let best = runs.compactMap { $0.log.best?.loss }.min()
        page.element("div", ["class": "card scroll"]) { page in
            page.element("table") { page in
                page.element("thead") {
                    $0.row(
                        "th",
                        [
                            "training", "best loss", "at step", "bits per byte", "final loss", "steps", "skipped", "tokens", "time",
                            "tokens/s",
                        ])
                }
                page.element("tbody") { page in
                    for run in runs {
                        let log = run.log, evaluated = log.best
                        page.element("tr", evaluated?.loss == best && best != nil ? ["class": "best"] : [:]) { page in
                            page.element("td") { $0.element("span", ["class": "key c\(run.colour)"], run.name) }
                            for cell in [
                                evaluated?.loss?.fixed(4) ?? "–", evaluated?.step.grouped ?? "–", evaluated?.bitsPerByte?.fixed(4) ?? "–",
                                log.evaluations.last?.loss?.fixed(4) ?? "–", log.lastStep.grouped, log.skipped.count.grouped,
                                Double(log.tokens).short, log.seconds.clock,
                                log.seconds > 0 ? (Double(log.tokens) / log.seconds).fixed(0) : "–",
                            ] {
                                page.element("td", cell)
                            }
                        }
                    }
                }
            }
        }
        if runs.contains(where: { $0.log.best?.validation == nil }) {
            page.element(
                "p", ["class": "remark"], "Where nothing was there to check with, the loss is that of the text that was learned from.")
        }
    }

    /// The last answers to questions that were asked of more than one.
    private func writeAnswers(to page: inout HTMLBuilder) {
        let asked = runs.flatMap { $0.log.answers.questions }
        let questions = asked.reduce(into: [String]()) { list, question in
            if !list.contains(question), asked.count(where: { $0 == question }) > 1 { list.append(question) }
        }
        if questions.isEmpty { return }
        page.element("h2", "What they say")
        for question in questions {
            page.element("section", ["class": "card"]) { page in
                page.element("div", ["class": "chat"]) { $0.element("p", ["class": "asked"], question) }
                page.element("table") { page in
                    page.element("tbody") { page in
                        for run in runs {
                            guard let answer = run.log.answers.last(where: { $0.question == question }) else { continue }
                            page.element("tr") {
                                $0.element("td") { $0.element("span", ["class": "key c\(run.colour)"], run.name) }
                                $0.element("td", ["class": "words long"], answer.shown)
                            }
                        }
                    }
                }
            }
        }
    }

    private func writeSettings(to page: inout HTMLBuilder) {
        let all = runs.flatMap(\.log.settings).reduce(into: [(group: String, name: String, title: String)]()) { list, setting in
            if !list.contains(where: { $0.group == setting.group && $0.name == setting.name }) {
                list.append((setting.group, setting.name, setting.title))
            }
        }
        let differing = all.filter { key in Set(runs.map { $0.log.text(key.group, key.name) }).count > 1 }
        if all.isEmpty { return }
        page.element("h2", "Settings that differ")
        if !differing.isEmpty {
            page.element("div", ["class": "card scroll"]) { page in
                page.element("table") { page in
                    page.element("thead") { $0.row("th", ["setting"] + runs.map(\.name)) }
                    page.element("tbody") { page in
                        for key in differing {
                            page.row("td", ["\(key.group): \(key.title)"] + runs.map { $0.log.text(key.group, key.name) })
                        }
                    }
                }
            }
        }
        page.element("p", ["class": "remark"], "\(differing.isEmpty ? "None" : "\(differing.count)") of \(all.count) differ.")
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

extension HTMLBuilder {
    fileprivate mutating func row(_ cell: String, _ texts: [String]) {
        element("tr") { for text in texts { $0.element(cell, text) } }
    }
}
