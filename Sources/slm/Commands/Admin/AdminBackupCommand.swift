import Files
import JSON
import Store

struct AdminBackupOptions {
    var database = "sqlite:slm_chat.db"
    var out: String?
    var keep: Int?
    var checkpoints: [String] = []
    var includesServedModel = false
    var verify: String?
    var json = false
    var quiet = false
}

extension Command {
    static var adminBackup: Command {
        Command(
            "admin backup",
            "Back up the database of a chat server while it runs.",
            AdminBackupOptions(),
            [
                OptionGroup("Main options", [
                    .option("database", \.database, value: "URL", "Back up sqlite:FILE or postgresql://user:password@host/database."),
                    .option("out", \.out, value: "PATH", "Write the backup to this file, or to a file with the time in its name in this "
                        + "folder.").short("o"),
                    .option("keep", \.keep, in: 1...1_000_000, "Keep the N newest backups of the folder and delete older ones.",
                            default: "all"),
                    .list("checkpoint", \.checkpoints, value: "FILE", "Add these checkpoints.").onCommandLineOnly(),
                    .option("with-model", \.includesServedModel, "Add the checkpoint that slm serve takes here if none is named."),
                    .option("verify", \.verify, value: "FILE", "Check that a backup is intact, and do nothing else."),
                ]),
                OptionGroup("Output", [.quiet(\.quiet), .json(\.json)]),
            ],
            examples: [
                "slm admin backup --database sqlite:slm_chat.db --out chat.tar",
                "slm admin backup --database postgresql://slm@localhost/slm --out backups/ --keep 14",
                "slm admin backup --verify chat.tar",
            ]
        ) { options in
            try options.run()
        }
    }
}

extension AdminBackupOptions {
    func run() throws {
        let bar = ProgressBar("", isVisible: !quiet)
        if let verify {
            guard out == nil else { throw UsageError("slm admin backup: expected --verify or --out, found both.") }
            let summary = try Backup.verify(verify, progress: bar.show)
            bar.clear()
            return printLine(json ? summary.json(path: verify, removed: nil) : "\(verify) is intact: \(summary.text)")
        }
        guard let out else { throw UsageError("slm admin backup: expected a file to write: --out FILE") }
        let isFolder = out.hasSuffix("/") || FileStatus(out)?.kind == .folder
        guard keep == nil || isFolder else {
            throw UsageError("slm admin backup: --keep: expected a folder with --out, found the file '\(out)'.")
        }
        let folder = BackupFolder(out.count > 1 && out.hasSuffix("/") ? String(out.dropLast()) : out)
        let path = isFolder ? folder.path(at: .now()) : out
        try Folder.create(forFileAt: path)
        let summary = try Backup.write(
            DatabaseURL(database), to: path, checkpoints: checkpoints + (try servedModel()), by: "slm \(version)", progress: bar.show)
        bar.clear()
        let removed = try keep.map { count in try folder.keep(newest: count) } ?? []
        printLine(json ? summary.json(path: path, removed: removed) : "\(path): \(summary.text)")
        for path in removed where !json && !quiet { printNote("deleted \(path).") }
    }

    private func servedModel() throws -> [String] {
        guard includesServedModel else { return [] }
        guard case .checkpoint(let path) = try ModelOptions().location(for: "admin backup", prefersFinished: true) else { return [] }
        return [path]
    }
}

extension Backup.Summary {
    /// "12 users, 340 messages and 20 other rows, schema version 8, 1.2 MB".
    var text: String {
        let (users, messages) = (manifest.rowCount(of: "users"), manifest.rowCount(of: "messages"))
        let rest = manifest.rows - users - messages
        let checkpoints = manifest.checkpoints.isEmpty ? "" : ", " + manifest.checkpoints.count.counted("checkpoint")
        return "\(users.counted("user")), \(messages.counted("message")) and \(rest.counted("other row"))\(checkpoints); "
            + "\((Double(bytes) / 1e6).fixed(2)) MB, of \(manifest.createdAt) by \(manifest.createdBy), "
            + "schema version \(manifest.schemaVersion)"
    }

    /// - Parameter removed: The files that were deleted; nil if the command deletes none.
    func json(path: String, removed: [String]?) -> String {
        return JSONWriter.text {
            $0["backup"] = path
            $0["bytes"] = bytes
            $0["created_at"] = manifest.createdAt
            $0["created_by"] = manifest.createdBy
            $0["database"] = manifest.database
            $0["schema_version"] = manifest.schemaVersion
            $0.object("rows") { rows in
                for table in manifest.tables { rows[table.name] = table.rows }
            }
            $0["checkpoints"] = manifest.checkpoints
            if let removed { $0["deleted"] = removed }
        }
    }
}

extension BackupManifest {
    fileprivate func rowCount(of table: String) -> Int { tables.first { $0.name == table }?.rows ?? 0 }
}

extension ProgressBar {
    func show(_ stage: Backup.Stage, _ fraction: Double) { show(stage.rawValue, fraction: fraction) }
}
