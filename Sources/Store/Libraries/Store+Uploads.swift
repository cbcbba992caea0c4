import Base64
import Secrets

extension Store {
    /// The bytes of a part of a file, a multiple of three: in base64, a part has 1 MiB.
    private static let partSize = 786_432

    /// Stores a file.
    ///
    /// - Parameters:
    ///   - name: See `Upload.name`.
    ///   - library: A library of the account that gets the file. If it has one of this name, that is replaced, unless it has the same
    ///     bytes: then it stays, and is what is returned.
    package func addUpload(
        _ name: String, _ bytes: [UInt8], of owner: UserID, to library: LibraryID? = nil
    ) throws(StoreError) -> Upload {
        let upload = Upload(
            id: UploadID(), name: name.storable, size: bytes.count, sha256: SHA256.hex(of: bytes), createdAt: options.now())
        return try database.transaction(.write) { connection throws(StoreError) in
            // Locks the account, so that its quotas are exact however many servers add to them.
            try Self.recordActivity(of: owner, at: upload.createdAt, on: connection)
            if let library {
                try Self.lockLibrary(library, of: owner, on: connection)
                let old = try connection.firstRow("""
                    SELECT \(Upload.columns) FROM library_files JOIN uploads ON uploads.id = upload_id
                    WHERE library_id = $1 AND name = $2 AND upload_id <> $3
                    """, library, upload.name, upload.id).map(Upload.init)
                if let old, old.sha256 == upload.sha256 { return old }
                if let old { try Self.remove(old.id, from: library, deletes: true, on: connection) }
            }
            guard try Self.uploadedBytes(of: owner, without: upload.id, on: connection) + upload.size <= options.maxUploadedBytes else {
                throw .quotaExceeded(.uploadedBytes, limit: options.maxUploadedBytes)
            }
            try connection.find(.user, "SELECT id FROM users WHERE id = $1", owner)
            try connection.execute("""
                INSERT INTO uploads (id, owner_id, name, size_bytes, sha256, created_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """, upload.id, owner, upload.name, upload.size, upload.sha256, upload.createdAt)
            for (number, start) in stride(from: 0, to: bytes.count, by: Self.partSize).enumerated() {
                let part = Base64.text(of: bytes[start..<min(start + Self.partSize, bytes.count)])
                try connection.execute("""
                    INSERT INTO upload_parts (upload_id, number, content) VALUES ($1, $2, $3) ON CONFLICT (upload_id, number) DO NOTHING
                    """, upload.id, number, part)
            }
            if let library { try Self.insert(upload.id, into: library, at: upload.createdAt, on: connection) }
            return upload
        }
    }

    /// The files of an account, the newest first.
    package func uploads(of owner: UserID) throws(StoreError) -> [Upload] {
        try database.read("SELECT \(Upload.columns) FROM uploads WHERE owner_id = $1 ORDER BY created_at DESC, id", owner)
            .map(Upload.init)
    }

    package func upload(_ id: UploadID, of owner: UserID) throws(StoreError) -> Upload {
        try database.transaction(.read) { connection throws(StoreError) in try Self.upload(id, of: owner, on: connection) }
    }

    private static func upload(_ id: UploadID, of owner: UserID, on connection: any Connection) throws(StoreError) -> Upload {
        try Upload(connection.find(.file, "SELECT \(Upload.columns) FROM uploads WHERE id = $1 AND owner_id = $2", id, owner))
    }

    /// The bytes of a file, for those who may read it.
    package func contents(of id: UploadID) throws(StoreError) -> [UInt8] {
        let parts = try database.read("SELECT content FROM upload_parts WHERE upload_id = $1 ORDER BY number", id)
        var bytes: [UInt8] = []
        for part in parts {
            guard Base64.decode(Array((try part["content"] as String).utf8).span, .urlSafe, into: &bytes) else {
                throw part.unexpected("content", "base64")
            }
        }
        return bytes
    }

    /// Deletes a file from all libraries.
    package func deleteUpload(_ id: UploadID, of owner: UserID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.upload(id, of: owner, on: connection)
            let lists = try connection.execute("SELECT library_id FROM library_files WHERE upload_id = $1", id)
            for list in lists { try Self.remove(id, from: try list["library_id"], deletes: false, on: connection) }
            try connection.execute("DELETE FROM uploads WHERE id = $1", id)
        }
    }

    /// The bytes of all files of an account.
    package func uploadedBytes(of owner: UserID) throws(StoreError) -> Int {
        try database.transaction(.read) { connection throws(StoreError) in try Self.uploadedBytes(of: owner, on: connection) }
    }

    private static func uploadedBytes(
        of owner: UserID, without id: UploadID? = nil, on connection: any Connection
    ) throws(StoreError) -> Int {
        try connection.value(
            "SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM uploads WHERE owner_id = $1 AND id <> $2",
            owner, id?.description ?? "") ?? 0
    }
}

/// The files of libraries.
extension Store {
    /// The files of a library by name, for those who may read it.
    ///
    /// - Parameter time: Only those that were added then: see ``addFiles(_:to:of:)``.
    package func files(of library: LibraryID, addedAt time: Timestamp? = nil) throws(StoreError) -> [LibraryFile] {
        let condition = time == nil ? "" : "AND added_at = $2", values = [library.sql] + (time.map { [$0.sql] } ?? [])
        return try database.read("""
            SELECT \(LibraryFile.columns) FROM library_files JOIN uploads ON uploads.id = upload_id
            WHERE library_id = $1 \(condition) ORDER BY name, uploads.id
            """, values: values).map(LibraryFile.init)
    }

    /// The names of some files, of those that a library has.
    package func fileNames(of ids: [UploadID], in library: LibraryID) throws(StoreError) -> [UploadID: String] {
        if ids.isEmpty { return [:] }
        let list = ids.indices.map { "$\($0 + 2)" }.joined(separator: ", ")
        return try database.transaction(.read) { connection throws(StoreError) in
            var names: [UploadID: String] = [:]
            let rows = try connection.execute("""
                SELECT id, name FROM library_files JOIN uploads ON uploads.id = upload_id WHERE library_id = $1 AND upload_id IN (\(list))
                """, values: [library.sql] + ids.map(\.sql))
            for row in rows { names[try row["id"]] = try row["name"] }
            return names
        }
    }

    package func file(_ id: UploadID, of library: LibraryID) throws(StoreError) -> LibraryFile {
        try database.transaction(.read) { connection throws(StoreError) in
            return try LibraryFile(connection.find(.file, """
                SELECT \(LibraryFile.columns) FROM library_files JOIN uploads ON uploads.id = upload_id
                WHERE library_id = $1 AND upload_id = $2
                """, library, id))
        }
    }

    /// Adds files of an account to a library of the same account. Returns the time at which all of them are added, also those that were
    /// in it.
    @discardableResult
    package func addFiles(_ ids: [UploadID], to library: LibraryID, of owner: UserID) throws(StoreError) -> Timestamp {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(library, of: owner, on: connection)
            try Self.insert(ids, of: owner, into: library, at: now, on: connection)
        }
        return now
    }

    /// Throws `notFound` if one of the files is not the owner's.
    static func insert(
        _ ids: [UploadID], of owner: UserID, into library: LibraryID, at now: Timestamp, on connection: any Connection
    ) throws(StoreError) {
        for id in ids {
            _ = try Self.upload(id, of: owner, on: connection)
            try insert(id, into: library, at: now, on: connection)
        }
    }

    /// - Parameter deletes: Whether the file itself is deleted, unless another library has it.
    package func removeFile(_ id: UploadID, from library: LibraryID, of owner: UserID, deletes: Bool) throws(StoreError) {
        if try removeFiles([id], from: library, of: owner, deletes: deletes) == 0 { throw .notFound(.file) }
    }

    /// Removes those of the files that the library has.
    ///
    /// - Returns: How many these are.
    package func removeFiles(
        _ ids: [UploadID], from library: LibraryID, of owner: UserID, deletes: Bool
    ) throws(StoreError) -> Int {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(library, of: owner, on: connection)
            var count = 0
            for id in ids { if try Self.remove(id, from: library, deletes: deletes, on: connection) { count += 1 } }
            return count
        }
    }

    private static func insert(
        _ id: UploadID, into library: LibraryID, at now: Timestamp, on connection: any Connection
    ) throws(StoreError) {
        let isNew = try connection.firstRow("""
            INSERT INTO library_files (library_id, upload_id, added_at) VALUES ($1, $2, $3)
            ON CONFLICT (library_id, upload_id) DO NOTHING RETURNING upload_id
            """, library, id, now) != nil
        guard isNew else {
            try connection.execute("UPDATE library_files SET added_at = $3 WHERE library_id = $1 AND upload_id = $2", library, id, now)
            return
        }
        try connection.execute("UPDATE libraries SET revision = revision + 1, updated_at = $2 WHERE id = $1", library, now)
    }

    @discardableResult
    private static func remove(
        _ id: UploadID, from library: LibraryID, deletes: Bool, on connection: any Connection
    ) throws(StoreError) -> Bool {
        let row = try connection.firstRow(
            "DELETE FROM library_files WHERE library_id = $1 AND upload_id = $2 RETURNING upload_id", library, id)
        guard row != nil else { return false }
        try connection.execute("UPDATE libraries SET revision = revision + 1 WHERE id = $1", library)
        if deletes { try deleteUnlisted(id, on: connection) }
        return true
    }

    /// Deletes a file that is in no library.
    static func deleteUnlisted(_ id: UploadID, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            DELETE FROM uploads WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM library_files WHERE upload_id = $1)
            """, id)
    }
}

/// What servers need to index the files.
extension Store {
    /// The state of the files of all libraries, those that have not changed for the longest time first.
    package func libraryRevisions() throws(StoreError) -> [LibraryRevision] {
        try database.read("SELECT id, revision, reread_revision FROM libraries ORDER BY updated_at, id")
            .map { row throws(StoreError) in
                LibraryRevision(
                    id: try row["id"], revision: try row["revision"], rereadRevision: try row["reread_revision"])
            }
    }

    /// Stores what was read of the files of a library, of those that it still has.
    package func set(_ states: [UploadID: LibraryFile.State], in library: LibraryID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            for (id, state) in states {
                let (passages, message): (Int?, String?) = switch state {
                case .waiting: (nil, nil)
                case .ready(let passages): (passages, nil)
                case .skipped(let reason): (nil, reason)
                }
                try connection.execute(
                    "UPDATE library_files SET passages = $3, message = $4 WHERE library_id = $1 AND upload_id = $2",
                    library, id, passages, message)
            }
        }
    }
}
