import Files
import Glibc
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
            "List training runs with step, validation loss, date and size.",
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
                    .list("runs", \.runs, value: "RUN", "Compare these directories.").positionalOnly(),
                    .option("out", \.out, value: "FILE", "Write the report to FILE.").short("o"),
                ]),
            ],
            examples: ["slm runs compare checkpoints/first checkpoints/second --out both.html"]
        ) { options in
            if options.runs.isEmpty { throw UsageError("slm runs compare: expected the directories of runs: slm runs compare RUN RUN…") }
            try options.run()
        }
    }
}

extension RunsCompareOptions {
    func run() throws {
        try RunComparison(of: runs).write(to: out)
        printLine(out)
    }
}

extension RunsListOptions {
    fileprivate func run() throws {
        guard let names = Folder.names(in: folder) else { throw FileError.unreadable(path: folder, reason: "no such directory") }
        let runs = names.sorted().compactMap { RunListing($0, in: folder) }.sorted { $0.seconds > $1.seconds }
        let lowest = runs.compactMap(\.validationLoss).min()
        if json {
            for run in runs {
                printLine(JSONLine([
                    "name": .text(run.name),
                    "step": .whole(run.step),
                    "best_step": run.bestStep.map { .whole($0) },
                    "val_loss": run.validationLoss.map { .number($0) },
                    "date": .text(run.date),
                    "bytes": .whole(run.bytes),
                    "best": .whole(lowest != nil && run.validationLoss == lowest ? 1 : 0),
                    "path": .text(run.path),
                ]))
            }
            return
        }
        if runs.isEmpty { return printNote("no training runs in \(folder).") }
        var rows = [["RUN", "STEP", "BEST STEP", "VAL LOSS", "DATE", "SIZE", ""]]
        for run in runs {
            rows.append([
                run.name,
                "\(run.step)",
                run.bestStep.map(String.init) ?? "-",
                run.validationLoss.map { $0.fixed(4) } ?? "-",
                run.date,
                "\((Double(run.bytes) / 1e6).fixed(1)) MB",
                lowest != nil && run.validationLoss == lowest ? "best" : "",
            ])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = row.indices.map { $0 == 0 || $0 == 6 ? row[$0].padded(to: widths[$0]) : row[$0].leftPadded(to: widths[$0]) }
            printLine(cells.joined(separator: "  ").trimmedEnd)
        }
    }
}

extension String {
    fileprivate var trimmedEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}

/// What `slm runs list` prints about a run: a directory with best.h5 or last.h5, and log.jsonl.
private struct RunListing {
    let name: String
    let path: String
    let step: Int
    let bestStep: Int?
    /// Of the best evaluation, in nats per token.
    let validationLoss: Double?
    /// Of the newest checkpoint, in seconds since 1970.
    let seconds: Int
    /// Of all files.
    let bytes: Int

    /// nil if the directory is no run.
    init?(_ name: String, in folder: String) {
        let path = "\(folder)/\(name)"
        guard let files = Folder.names(in: path) else { return nil }
        let statuses = files.compactMap { file in RunListing.status("\(path)/\(file)").map { (file, $0) } }
        guard let newest = statuses.filter({ ["best.h5", "last.h5"].contains($0.0) }).map(\.1.st_mtim.tv_sec).max() else { return nil }
        // A run whose log is missing or damaged is listed without its metrics.
        let log = try? TrainingLog(of: path)
        self.name = name
        self.path = path
        step = log?.lastStep ?? 0
        bestStep = log?.best?.step
        validationLoss = log?.best?.validationLoss
        seconds = newest
        bytes = statuses.reduce(0) { $0 + Int($1.1.st_size) }
    }

    /// 2026-11-20 14:30, in local time.
    var date: String {
        var time = time_t(seconds)
        var parts = tm()
        localtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }
}
