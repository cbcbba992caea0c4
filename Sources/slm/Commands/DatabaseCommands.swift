import Store

struct DatabaseOptions {
    var database = "sqlite:slm_chat.db"
    var json = false
    var isChecked = false
}

extension Command {
    static var databaseStatus: Command {
        Command(
            "database status",
            "Print the schema version of a database, without changing it.",
            DatabaseOptions(),
            [
                OptionGroup("Main options", [
                    databaseOption,
                    .option("check", \.isChecked, "Exit with status 1 if migrations are pending."),
                    .json(\.json, "Print one JSON object."),
                ]),
            ],
            examples: ["slm database status --database sqlite:slm_chat.db"]
        ) { options in
            let url = try DatabaseURL(options.database)
            let state = try SchemaState(of: url)
            printLine(options.json ? "\(state.json(of: url))" : state.text(of: url))
            if options.isChecked, state.pendingMigrations > 0 {
                throw CommandError(description: "the database has schema version \(state.version), and this slm needs \(state.latest). "
                    + "Migrate it: slm database migrate --database URL")
            }
        }
    }

    static var databaseMigrate: Command {
        Command(
            "database migrate",
            "Migrate a database to the schema of this program.",
            DatabaseOptions(),
            [OptionGroup("Main options", [databaseOption, .json(\.json, "Print one JSON object.")])],
            examples: ["slm database migrate --database postgresql://slm:secret@localhost/slm_chat"]
        ) { options in
            let url = try DatabaseURL(options.database)
            let before = try SchemaState(of: url)
            try Store(url).close()
            let state = try SchemaState(of: url)
            if options.json { return printLine(state.json(of: url, migratedFrom: before.version)) }
            if before.pendingMigrations == 0 { return printLine(state.text(of: url)) }
            printLine("\(url): migrated from schema version \(before.version) to \(state.version)")
        }
    }

    private static var databaseOption: CommandOption<DatabaseOptions> {
        .option("database", \.database, value: "URL", "Use sqlite:FILE or postgresql://user:password@host/database.").positional()
    }
}

extension SchemaState {
    fileprivate func text(of url: DatabaseURL) -> String {
        if version == 0 { return "\(url): empty; slm will create schema version \(latest)" }
        let pending = pendingMigrations == 1 ? "1 migration is pending" : "\(pendingMigrations) migrations are pending"
        return "\(url): schema version \(version), \(pendingMigrations == 0 ? "the latest" : "\(pending)")"
    }

    fileprivate func json(of url: DatabaseURL, migratedFrom before: Int? = nil) -> JSONLine {
        JSONLine([
            "database": "\(url)",
            "version": .whole(version),
            "latest": .whole(latest),
            "pending": .whole(pendingMigrations),
            "migrated_from": before.map { .whole($0) },
        ])
    }
}
