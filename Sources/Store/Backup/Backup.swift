import Files

/// Backups of a database: one file that restores into SQLite and PostgreSQL (Documentation/Reference/Backup.md).
///
///     try Backup.write(url, to: "chat.tar", by: "slm 0.1.0")
///     try Backup.verify("chat.tar")
///     try Backup.restore("chat.tar", into: other)
///
/// The database may be in use while it is read: a backup is the state of one moment.
package enum Backup {
    package enum Stage: String, Sendable { case saving, copying, verifying, restoring }

    /// Receives the share of a stage that is done, from 0 to 1.
    package typealias Progress = (Stage, Double) -> Void

    package struct Summary: Sendable, Equatable {
        package let manifest: BackupManifest
        package let bytes: Int
    }

    /// Writes a backup, and replaces a previous file when it is complete.
    ///
    /// - Parameters:
    ///   - checkpoints: Files that are added.
    ///   - program: The name and version of the program.
    @discardableResult
    package static func write(
        _ url: DatabaseURL, to path: String, checkpoints: [String] = [], by program: String, _ options: StoreOptions = StoreOptions(),
        progress: Progress = { _, _ in }
    ) throws(StoreError) -> Summary {
        let names = try Self.names(ofCheckpoints: checkpoints)
        let database = try existing(url, options)
        defer { database.closeConnections() }
        var writer = try BackupWriter(path, at: options.now())
        var saved: BackupManifest?
        let manifest = try database.transaction(.backup) { connection throws(StoreError) in
            guard saved == nil else {
                throw .unavailable(store: url.description, reason: "the connection was lost during the backup; run the command again")
            }
            let manifest = try self.manifest(on: connection, url, names, program, options)
            saved = manifest
            try writer.add(BackupManifest.fileName, manifest.json)
            try save(manifest, on: connection, to: &writer, progress)
            return manifest
        }
        for (name, path) in zip(names, checkpoints) { try copy(path, as: name, to: &writer, progress) }
        try writer.commit()
        return Summary(manifest: manifest, bytes: FileStatus(path)?.size ?? 0)
    }

    /// Reads a whole backup and checks that it is intact.
    @discardableResult
    package static func verify(_ path: String, progress: Progress = { _, _ in }) throws(StoreError) -> Summary {
        var reader = try BackupReader(path)
        while let member = try reader.next() {
            switch member {
            case .table: while try reader.nextRow() != nil { progress(.verifying, reader.fraction) }
            case .checkpoint: while try reader.nextPart() != nil { progress(.verifying, reader.fraction) }
            }
        }
        return Summary(manifest: reader.manifest, bytes: FileStatus(path)?.size ?? 0)
    }

    /// Opens a database that exists, without migrating it: a backup is often made before an update.
    private static func existing(_ url: DatabaseURL, _ options: StoreOptions) throws(StoreError) -> any Database {
        if case .sqlite(let path) = url, FileStatus(path) == nil {
            throw .unusable(store: path, reason: "there is no such file")
        }
        return try url.database(options)
    }
}

extension Backup {
    private static func manifest(
        on connection: any Connection, _ url: DatabaseURL, _ checkpoints: [String], _ program: String,
        _ options: StoreOptions
    ) throws(StoreError) -> BackupManifest {
        let known = options.migrations.count
        let version = try Migration.version(of: connection, url.description, known: known)
        guard version > 0 else { throw .unusable(store: url.description, reason: "it has no tables of slm") }
        guard version <= known else { throw .newerSchema(store: url.description, version: version, known: known) }
        var tables: [BackupManifest.Table] = []
        for name in try BackupTables.existing(on: connection) {
            tables.append(.init(name: name, rows: try BackupTables.rowCount(of: name, on: connection)))
        }
        return BackupManifest(
            createdAt: options.now().description, createdBy: program, database: connection.dialect == .sqlite ? "sqlite" : "postgresql",
            schemaVersion: version, tables: tables, checkpoints: checkpoints)
    }

    /// Writes the rows of all tables.
    private static func save(
        _ manifest: BackupManifest, on connection: any Connection, to writer: inout BackupWriter, _ progress: Progress
    ) throws(StoreError) {
        var done = 0
        for table in manifest.tables {
            let columns = try BackupTables.columns(of: table.name, on: connection)
            try writer.begin(table.fileName)
            try writer.writeCompressed([])
            try connection.forEachRow(BackupTables.selection(of: columns, from: table.name)) { row throws(StoreError) in
                try writer.writeCompressed(BackupTables.line(row, columns))
                done += 1
                progress(.saving, Double(done) / Double(manifest.rows))
            }
            try writer.end()
        }
    }

    private static func copy(
        _ path: String, as name: String, to writer: inout BackupWriter, _ progress: Progress
    ) throws(StoreError) {
        var file = try withFileErrors { () throws(FileError) in try InputFile(path) }
        var done = 0
        try writer.begin(BackupManifest.fileName(ofCheckpoint: name))
        while true {
            var bytes: [UInt8] = []
            do throws(FileError) { if try file.read(atMost: 1 << 20, into: &bytes) == 0 { break } } catch { throw .backup(.file(error)) }
            try writer.write(bytes)
            done += bytes.count
            progress(.copying, Double(done) / Double(max(1, file.size ?? done)))
        }
        try writer.end()
    }

    /// The names of checkpoints in the backup: the last two parts of their paths, such as "first/best.h5".
    private static func names(ofCheckpoints paths: [String]) throws(StoreError) -> [String] {
        var names: [String] = []
        for path in paths {
            try withFileErrors { () throws(FileError) in try InputFile.check(path) }
            let name = path.split(separator: "/").suffix(2).filter { ![".", ".."].contains($0) }.joined(separator: "/")
            guard path != "-", BackupManifest.isSafe(name) else {
                throw .backup(.file(.unreadable(path: path, reason: "its name is too long for a backup")))
            }
            guard !names.contains(name) else {
                throw .backup(.file(.unreadable(path: path, reason: "another checkpoint of the backup has the name \(name), too")))
            }
            names.append(name)
        }
        return names
    }
}
