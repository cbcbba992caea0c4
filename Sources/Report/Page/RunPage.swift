import Files

/// The HTML report of one training run.
package struct RunPage {
    private let log: TrainingLog
    private let folder: String
    private let commands: [Command]

    /// A command that the report suggests as a next step.
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
        HTMLBuilder.page(title: "\(RelativePath.fileName(of: folder)) · slm") { page in
            page.element("header") { page in
                page.element("h1") {
                    $0.text(RelativePath.fileName(of: folder))
                    $0.element("span", ["class": "state"], state)
                }
                if !summary.isEmpty { page.element("p", summary) }
            }
            writeTiles(to: &page)
            let charts = RunCharts(log: log).all
            page.element("h2", "Training curves")
            page.element("div", ["class": "charts"]) { page in
                for (i, chart) in charts.enumerated() { chart.write(to: &page, isWide: i == 0) }
            }
            if charts.allSatisfy(\.isEmpty) { page.element("p", ["class": "remark"], "Charts appear after the second step.") }
            log.writeAnswers(to: &page)
            log.writeEvaluations(to: &page)
            writeSettings(to: &page)
            writeCommands(to: &page)
            let unreadable = log.unreadableLines == 0 ? "" : ", of which \(log.unreadableLines.grouped) lines could not be read"
            page.element("footer", "Created by slm from log.jsonl\(unreadable).")
        }
    }

    private var state: String {
        switch log.ending {
        case .finished: "finished"
        case .earlyStopped: "finished: no further improvement"
        case .stopped: "stopped at step \(log.lastStep.grouped)"
        case .diverged: "stopped: loss or gradient not finite"
        case nil: "as of step \(log.lastStep.grouped)"
        }
    }

    /// One or more sentences about the model and its training.
    private var summary: String {
        guard case .whole(let parameters)? = log.setting("model", "parameters"),
              case .whole(let layers)? = log.setting("model", "layers"), case .whole(let width)? = log.setting("model", "width"),
              case .whole(let context)? = log.setting("model", "context") else { return "" }
        let model = "A GPT with \(Double(parameters).abbreviated) parameters: "
            + "\(layers) layers, width \(width), context of \(context.grouped) tokens."
        let initialization = log.initialization.map {
            " Its weights were initialized from n-gram counts with \($0.pairs.grouped) token pairs in \($0.seconds.duration)."
        }
        let withLoss = log.lossTokens.map { " (\(Double($0).abbreviated) with a loss)" } ?? ""
        let training = log.tokens == 0 ? "" : " Trained on \(Double(log.tokens).abbreviated) tokens\(withLoss) in \(log.seconds.duration)."
        return model + (initialization ?? "") + training
    }

    private func writeTiles(to page: inout HTMLBuilder) {
        var tiles: [(name: String, value: String, details: String)] = []
        let unit = log.hasPreferences ? "per preference" : "nats per token"
        if let best = log.best, let loss = best.loss {
            let name = best.validationLoss == nil ? "best training loss" : "best validation loss"
            tiles.append((name, loss.fixed(3), "\(unit), at step \(best.step.grouped)"))
            if let preferences = best.validationPreferences ?? best.trainingPreferences {
                let set = best.validationPreferences == nil ? "training set" : "held-out preferences"
                tiles.append(("preference accuracy", preferences.accuracy.percentage, set))
                tiles.append(("reward margin", preferences.margin.fixed(3), set))
            }
            if let bits = best.bitsPerByte { tiles.append(("bits per byte", bits.fixed(3), "validation set")) }
        }
        if let validation = log.validation, let loss = validation.loss {
            let set = validation.isWholeSet ? "whole validation set" : "part of the validation set"
            let size = "\(validation.tokens.grouped) \(log.hasPreferences ? "preferences" : "tokens")"
            tiles.append(("result", loss.fixed(4), "\(unit), \(set): \(size)"))
        }
        if let last = log.evaluations.last, let loss = last.loss {
            tiles.append(("final loss", loss.fixed(3), "at step \(last.step.grouped)"))
        }
        tiles.append(("steps", log.lastStep.grouped, log.skipped.isEmpty ? "none skipped" : "\(log.skipped.count.grouped) skipped"))
        tiles.append(("time", log.seconds.duration, "training and evaluation"))
        if log.seconds > 0 { tiles.append(("tokens per second", (Double(log.tokens) / log.seconds).fixed(0), "average")) }
        page.element("dl", ["class": "tiles"]) { page in
            for tile in tiles {
                page.element("div") {
                    $0.element("dt", tile.name)
                    $0.element("dd") {
                        $0.text(tile.value)
                        $0.element("small", tile.details)
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
        page.element("h2", "Next steps")
        page.element("dl", ["class": "commands"]) { page in
            for command in commands {
                page.element("dt", command.purpose)
                page.element("dd") { $0.element("code", command.line) }
            }
        }
    }
}

extension [RunSetting] {
    /// The groups in order of first appearance.
    var groups: [String] { map(\.group).reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
