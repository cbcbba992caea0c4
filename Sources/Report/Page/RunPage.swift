/// The report of one training.
package struct RunPage {
    private let log: TrainingLog
    private let folder: String
    private let commands: [Command]

    /// What a reader may want to do next.
    package struct Command: Sendable {
        package let purpose, line: String

        package init(to purpose: String, _ line: String) {
            self.purpose = purpose
            self.line = line
        }
    }

    package init(_ log: TrainingLog, of folder: String, commands: [Command]) {
        self.log = log
        self.folder = folder
        self.commands = commands
    }

    package var html: String {
        HTMLBuilder.page(title: "\(folder.lastComponent) · slm") { page in
            page.element("header") { page in
                page.element("h1") {
                    $0.text(folder.lastComponent)
                    $0.element("span", ["class": "state"], state)
                }
                if !summary.isEmpty { page.element("p", summary) }
            }
            writeTiles(to: &page)
            page.element("h2", "How it learned")
            page.element("div", ["class": "charts"]) { page in
                for (i, chart) in RunCharts(log).all.enumerated() { chart.write(to: &page, isWide: i == 0) }
            }
            if RunCharts(log).all.allSatisfy(\.isEmpty) { page.element("p", ["class": "remark"], "Curves come with the second step.") }
            AnswerSection(log).write(to: &page)
            EvaluationTable(log).write(to: &page)
            writeSettings(to: &page)
            writeCommands(to: &page)
            page.element(
                "footer",
                "Made by slm from log.jsonl" + (log.unreadable == 0 ? "." : ", of which \(log.unreadable.grouped) lines could not be read.")
            )
        }
    }

    private var state: String {
        switch log.ending {
        case .finished: "finished"
        case .noGain: "finished: no gain any more"
        case .stopped: "stopped at step \(log.lastStep.grouped)"
        case .diverged: "stopped: steps were not finite"
        case nil: "as of step \(log.lastStep.grouped)"
        }
    }

    /// What the model is, in a sentence.
    private var summary: String {
        guard case .whole(let parameters)? = log.setting("model", "parameters"), case .whole(let layers)? = log.setting("model", "layers"),
            case .whole(let width)? = log.setting("model", "width"), case .whole(let context)? = log.setting("model", "context")
        else { return "" }
        let seen = log.tokens == 0 ? "" : " It has learned from \(Double(log.tokens).short) tokens in \(log.seconds.clock)."
        let start =
            log.counted.map {
                " It began with what counting knows: what follows each token, and each of \($0.pairs.grouped) pairs of tokens, in \($0.seconds.clock)."
            } ?? ""
        return
            "A GPT of \(Double(parameters).short) parameters: \(layers) layers, \(width) wide, which sees \(context.grouped) tokens at once.\(start)\(seen)"
    }

    private func writeTiles(to page: inout HTMLBuilder) {
        var tiles: [(name: String, value: String, more: String)] = []
        if let best = log.best, let loss = best.loss {
            tiles.append(
                (
                    best.validation == nil ? "best training loss" : "best validation loss", loss.fixed(3),
                    "nats a token, at step \(best.step.grouped)"
                ))
            if let bits = best.bitsPerByte { tiles.append(("bits per byte", bits.fixed(3), "of the same text")) }
        }
        if let last = log.evaluations.last, let loss = last.loss {
            tiles.append(("final loss", loss.fixed(3), "at step \(last.step.grouped)"))
        }
        tiles.append(("steps", log.lastStep.grouped, log.skipped.isEmpty ? "none skipped" : "\(log.skipped.count.grouped) skipped"))
        tiles.append(("time", log.seconds.clock, "learning and evaluating"))
        if log.seconds > 0 { tiles.append(("speed", (Double(log.tokens) / log.seconds).fixed(0), "tokens/s, all in all")) }
        page.element("dl", ["class": "tiles"]) { page in
            for tile in tiles {
                page.element("div") {
                    $0.element("dt", tile.name)
                    $0.element("dd") {
                        $0.text(tile.value)
                        $0.element("small", tile.more)
                    }
                }
            }
        }
    }

    private func writeSettings(to page: inout HTMLBuilder) {
        if log.settings.isEmpty { return }
        page.element("h2", "Settings")
        page.element("div", ["class": "settings"]) { page in
            for group in log.settings.groups {
                page.element("section", ["class": "card"]) { page in
                    page.element("h3", group)
                    page.element("dl") { page in
                        for setting in log.settings where setting.group == group {
                            page.element("dt", setting.title)
                            page.element("dd", setting.text)
                        }
                    }
                }
            }
        }
    }

    private func writeCommands(to page: inout HTMLBuilder) {
        if commands.isEmpty { return }
        page.element("h2", "What to do with it")
        page.element("dl", ["class": "commands"]) { page in
            for command in commands {
                page.element("dt", command.purpose)
                page.element("dd") { $0.element("code", command.line) }
            }
        }
    }
}

extension [RunSetting] {
    /// What settings are about, in their order.
    var groups: [String] { map(\.group).reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}

extension String {
    /// The last folder of a path.
    var lastComponent: String { split(separator: "/").last.map(String.init) ?? self }
}
