import Dashboard
import Files
import Report

struct RunsListOptions {
    var folder = "checkpoints"
    var json = false
}

struct RunsCompareOptions {
    var runs: [String] = []
    var out = "report.html"
}

extension Command {
    static var runsList: Command {
        Command(
            "runs list",
            "List training runs with loss, date and size.",
            RunsListOptions(),
            [
                OptionGroup("Main options", [
                    .option("dir", \.folder, value: "DIR", "List the runs in DIR.").positional(),
                    .json(\.json),
                ]),
            ],
            examples: ["slm runs list", "slm runs list checkpoints --json"]
        ) { options in
            try options.run()
        }
    }

    static var runsCompare: Command {
        Command(
            "runs compare",
            "Write one report about several training runs.",
            RunsCompareOptions(),
            [
                OptionGroup("Main options", [
                    .list("runs", \.runs, value: "RUN", "Compare these folders.").positionalOnly(),
                    .option("out", \.out, value: "FILE", "Write the report to FILE.").short("o"),
                ]),
            ],
            examples: ["slm runs compare checkpoints/first checkpoints/second --out both.html"]
        ) { options in
            if options.runs.isEmpty { throw UsageError("slm runs compare: expected the folders of runs: slm runs compare RUN RUN…") }
            try options.run()
        }
    }
}

extension RunsCompareOptions {
    func run() throws {
        let comparison = try RunComparison(of: runs)
        try comparison.write(to: out)
        printLine(out)
        if !comparison.isComparable {
            printNote("the report ranks no run: they were validated on different tokens, or one has no validation data. "
                + "Compare two models on the same file: slm eval A --compare B --data FILE.")
        }
    }
}

extension RunsListOptions {
    fileprivate func run() throws {
        guard Folder.contains("", in: folder) else { throw FileError.unreadable(path: folder, reason: "no such folder") }
        let runs = TrainingRunListing.all(in: folder)
        // Losses on different tokens cannot be ranked.
        let validated = runs.filter { $0.validationLoss != nil }
        let isRanked = Set(validated.map(\.validationSet)).count < 2
        let lowest = isRanked ? validated.compactMap(\.validationLoss).min() : nil
        if json {
            for run in runs {
                printLine(JSONLine([
                    "name": .text(run.name),
                    "step": .whole(run.step),
                    "best_step": run.bestStep.map { .whole($0) },
                    "val_loss": run.validationLoss.map { .number($0) },
                    "val_set": run.validationSet.map { .text($0) },
                    "date": .text(run.date),
                    "tokens": .whole(run.tokens),
                    "loss_tokens": run.lossTokens.map { .whole($0) },
                    "bytes": .whole(run.bytes),
                    "best": .flag(lowest != nil && run.validationLoss == lowest),
                    "path": .text(run.path),
                ]))
            }
            return
        }
        if runs.isEmpty { return printNote("no training runs in \(folder).") }
        var table = TextTable(["RUN", "#STEP", "#BEST STEP", "#VAL LOSS", "#DATE", "#SIZE", ""])
        for run in runs {
            table.add([
                run.name,
                "\(run.step)",
                run.bestStep.map(String.init) ?? "-",
                run.validationLoss.map { $0.fixed(4) } ?? "-",
                run.date,
                "\((Double(run.bytes) / 1e6).fixed(1)) MB",
                lowest != nil && run.validationLoss == lowest ? "best" : "",
            ])
        }
        printTable(table)
        if !isRanked {
            printNote("these runs were validated on different tokens: their losses cannot be compared. "
                + "Compare two models on the same file: slm eval A --compare B --data FILE.")
        }
    }
}
