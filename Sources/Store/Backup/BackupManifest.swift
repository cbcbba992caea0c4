import JSON

/// The first file of a backup, `backup.json`: what the backup has.
package struct BackupManifest: Sendable, Equatable {
    package static let formatVersion = 1
    static let fileName = "backup.json"
    static let sumsName = "SHA256SUMS"
    private static let format = "slm backup"

    package struct Table: Sendable, Equatable {
        package let name: String
        package let rows: Int

        var fileName: String { "tables/\(name).jsonl.gz" }
    }

    package let createdAt: String
    /// The program, such as "slm 0.1.0".
    package let createdBy: String
    /// The kind of the database: "sqlite" or "postgresql".
    package let database: String
    package let schemaVersion: Int
    /// In the order in which they can be restored: a table comes after those it refers to.
    package let tables: [Table]
    /// The names of checkpoints, such as "first/best.h5".
    package let checkpoints: [String]

    package var rows: Int { tables.reduce(0) { $0 + $1.rows } }

    /// The files after the manifest, in their order.
    var fileNames: [String] { tables.map(\.fileName) + checkpoints.map(Self.fileName(ofCheckpoint:)) }

    static func fileName(ofCheckpoint name: String) -> String { "checkpoints/" + name }

    var json: [UInt8] {
        JSONWriter.file {
            $0["format"] = Self.format
            $0["format_version"] = Self.formatVersion
            $0["created_at"] = createdAt
            $0["created_by"] = createdBy
            $0["database"] = database
            $0["schema_version"] = schemaVersion
            $0.array("tables") { list in
                for table in tables {
                    list.object {
                        $0["name"] = table.name
                        $0["rows"] = table.rows
                    }
                }
            }
            $0["checkpoints"] = checkpoints
        }
    }
}

extension BackupManifest {
    /// Reads and checks a manifest. Its names become names of tables and files, so they must be known or safe.
    init(json: [UInt8], of path: String) throws(StoreError) {
        let version: Int
        do throws(JSONError) {
            let root = try JSONElement(parsing: json)
            guard try root.string("format") == Self.format else {
                throw .mismatch(key: "format", expected: "\"\(Self.format)\"", found: "another text")
            }
            version = try root.integer("format_version")
            createdAt = try root.string("created_at")
            createdBy = try root.string("created_by")
            database = try root.string("database")
            schemaVersion = try root.integer("schema_version")
            tables = try root.array("tables").map { table throws(JSONError) in
                Table(name: try table.string("name"), rows: try table.integer("rows"))
            }
            checkpoints = try root.array("checkpoints").map { $0.string ?? "" }
        } catch {
            throw .backup(.damaged(path: path, reason: "\(Self.fileName): \(error)"))
        }
        guard version <= Self.formatVersion else {
            throw .backup(.newerFormat(path: path, version: version, known: Self.formatVersion))
        }
        func check(_ isValid: Bool, _ reason: String) throws(StoreError) {
            if !isValid { throw .backup(.damaged(path: path, reason: "\(Self.fileName): \(reason)")) }
        }
        try check(version > 0 && schemaVersion > 0, "a version is not positive")
        try check(Set(tables.map(\.name)).count == tables.count && Set(checkpoints).count == checkpoints.count, "a name appears twice")
        try check(tables.allSatisfy { $0.rows >= 0 && Self.isSafe($0.name) }, "a table has an invalid name or number of rows")
        try check(checkpoints.allSatisfy(Self.isSafe), "a checkpoint has an invalid name")
    }

    /// Whether a name leads to a file in the folder that it is resolved in.
    static func isSafe(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count <= 2 && fileName(ofCheckpoint: name).utf8.count <= TarHeader.maxNameLength && !name.utf8.contains(0)
            && parts.allSatisfy { !["", ".", ".."].contains($0) }
    }
}
