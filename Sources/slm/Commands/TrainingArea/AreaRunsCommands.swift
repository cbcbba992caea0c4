import AdminAPI
import Dashboard
import JSON
import Terminal

extension AdminOptions {
    fileprivate func run(for command: String) throws -> String {
        if let runName { return runName }
        throw UsageError("slm training \(command): expected the id or the name of a run: slm training \(command) RUN")
    }
}

extension Command {
    static var trainingRuns: Command {
        ofServer(
            "training runs",
            "List the fine-tuning runs of a server, newest first.",
            [
                .option("limit", \.listing.limit, in: 0...10_000_000, "Print at most N runs; 0 for all."),
                .json(\.json),
            ],
            examples: ["slm training runs", "slm training runs --limit 0 --json"]
        ) { options in
            let client = try options.client()
            var table = TextTable(["NAME", "STATE", "STEP", "LAST VAL LOSS", "BEST", "TOKENS/S", "LEFT", "CHATS", "CREATED", "ID"])
            try client.forEachRun(limit: options.listing.limit) { run in
                if options.json { return printLine(run.text) }
                table.add([
                    run.name, run.state, run.steps.map { "\(run.step)/\($0)" } ?? "\(run.step)",
                    run.json["val_loss"]?.number?.fixed(4) ?? "-", run.json["best_val_loss"]?.number?.fixed(4) ?? "-",
                    run.json["tokens_per_s"]?.number.map { "\(Int($0))" } ?? "-", run.secondsLeft.map(clockText) ?? "-",
                    run.json["data"]?["chats"]?.integer.map(String.init) ?? "-", run.json["created_at"]?.string ?? "-", run.id,
                ])
            }
            if options.json { return }
            printTable(table)
        }
    }

    static var trainingRun: Command {
        runCommand(
            "training run", "Show a fine-tuning run of a server until it ends. Ctrl-C leaves the run alone.",
            [
                .option("detach", \.isDetached, "Print its state once, and do not wait for its end."),
                .quiet(\.quiet),
            ]
        ) { options, client in
            let run = try client.run(options.run(for: "run"))
            if options.json { return printLine(run.text) }
            if options.isDetached || run.hasEnded {
                for line in run.json["log"]?.string?.split(separator: "\n").suffix(20) ?? [] { printLine(line) }
                if run.hasEnded { return try run.printEnding() }
                return printLine("the run \(run.name) is \(run.state): \(run.details)")
            }
            try client.follow(run.id, isQuiet: options.quiet)
        }
    }

    static var trainingStop: Command {
        runCommand("training stop", "Stop a fine-tuning run of a server. It saves, and can be resumed.", []) { options, client in
            let run = try client.run(options.run(for: "stop"))
            let stopped = try AreaRun(client.document("POST", "runs/\(run.id)/stop") { _ in })
            printLine(options.json ? stopped.text : "the run \(stopped.name) is \(stopped.state)")
        }
    }

    static var trainingResume: Command {
        runCommand("training resume", "Continue a fine-tuning run of a server that was stopped or has failed.", []) { options, client in
            let run = try client.run(options.run(for: "resume"))
            let resumed = try AreaRun(client.document("POST", "runs/\(run.id)/resume") { _ in })
            printLine(options.json ? resumed.text : "the run \(resumed.name) is \(resumed.state)")
        }
    }

    static var trainingDeleteRun: Command {
        runCommand("training delete-run", "Delete a fine-tuning run of a server. The model that it made stays.", []) { options, client in
            let run = try client.run(options.run(for: "delete-run"))
            _ = try client.document("DELETE", "runs/\(run.id)")
            printLine(options.json ? JSONLine(["id": .text(run.id), "deleted": .flag(true)]) : "deleted the run \(run.name)")
        }
    }

    private static func runCommand(
        _ name: String, _ summary: String, _ more: [CommandOption<AdminOptions>],
        _ body: @escaping (AdminOptions, AdminClient) throws -> Void
    ) -> Command {
        ofServer(
            name, summary,
            [.option("run", \.runName, value: "RUN", "The id or the name of the run.").positionalOnly()] + more + [.json(\.json)],
            examples: ["slm \(name) first"]
        ) { options in try body(options, try options.client()) }
    }
}
