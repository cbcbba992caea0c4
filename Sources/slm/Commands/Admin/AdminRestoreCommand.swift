import Store

struct AdminRestoreOptions {
    var from: String?
    var database = "sqlite:slm_chat.db"
    var replaces = false
    var endsSessions = false
    var keepsSchema = false
    var checkpoints: String?
    var isDryRun = false
    var json = false
    var quiet = false
}

extension Command {
    static var adminRestore: Command {
        Command(
            "admin restore",
            "Restore the database of a chat server from a backup.",
            AdminRestoreOptions(),
            [
                OptionGroup("Main options", [
                    .option("from", \.from, value: "FILE", "Restore this backup, as slm admin backup writes it.").positional(),
                    .option("database", \.database, value: "URL",
                            "Restore into sqlite:FILE or postgresql://user:password@host/database, whichever the backup is of."),
                    .option("replace", \.replaces, "Replace what the database contains. Without it, the database must be empty.")
                        .onCommandLineOnly(),
                    .option("end-sessions", \.endsSessions, "Require all users to sign in again."),
                    .option("keep-schema", \.keepsSchema, "Do not migrate the tables to the schema of this version, for an earlier slm."),
                    .option("checkpoints", \.checkpoints, value: "DIR", "Copy the checkpoints of the backup into this folder.",
                            default: "not copied"),
                    .option("dry-run", \.isDryRun, "Check the backup and the database, and change nothing."),
                ]),
                OptionGroup("Output", [.quiet(\.quiet), .json(\.json)]),
            ],
            examples: [
                "slm admin restore --from chat.tar --database sqlite:slm_chat.db",
                "slm admin restore --from chat.tar --database postgresql://slm@localhost/slm --replace",
            ]
        ) { options in
            try options.run()
        }
    }
}

extension AdminRestoreOptions {
    func run() throws {
        guard let from else { throw UsageError("slm admin restore: expected a backup: --from FILE") }
        let bar = ProgressBar("", isVisible: !quiet)
        var restoring = Backup.RestoreOptions()
        restoring.replaces = replaces
        restoring.endsSessions = endsSessions
        restoring.migrates = !keepsSchema
        restoring.isDryRun = isDryRun
        let url = try DatabaseURL(database)
        var copied: [String] = []
        if let checkpoints, !isDryRun {
            _ = try Backup.verify(from, progress: bar.show)
            copied = try Backup.extractCheckpoints(of: from, to: checkpoints, replaces: replaces, progress: bar.show)
        }
        let summary = try Backup.restore(from, into: url, restoring, progress: bar.show)
        bar.clear()
        if json { return printLine(summary.json(path: from, removed: nil)) }
        printLine(isDryRun ? "\(from) is intact and can be restored into \(url): \(summary.text)" : "\(url): restored \(summary.text)")
        for path in copied where !quiet { printNote("copied \(path).") }
    }
}
