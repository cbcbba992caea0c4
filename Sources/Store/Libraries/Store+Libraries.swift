extension Store {
    /// Adds a library.
    ///
    /// - Parameter files: Files of the account.
    package func createLibrary(_ name: String, for owner: UserID, with files: [UploadID] = []) throws(StoreError) -> Library {
        let id = LibraryID(), now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            // Locks the account, so that its quotas are exact however many servers add to them.
            try Self.recordActivity(of: owner, at: now, on: connection)
            try connection.find(.user, "SELECT id FROM users WHERE id = $1", owner)
            let count: Int = try connection.value("SELECT count(*) FROM libraries WHERE owner_id = $1 AND id <> $2", owner, id) ?? 0
            if count >= options.maxLibraries { throw .quotaExceeded(.libraries, limit: options.maxLibraries) }
            try connection.execute("""
                INSERT INTO libraries (id, owner_id, name, access, created_at, updated_at) VALUES ($1, $2, $3, 'private', $4, $4)
                ON CONFLICT (id) DO NOTHING
                """, id, owner, name, now)
            try Self.insert(files, of: owner, into: id, at: now, on: connection)
            return try Self.library(id, of: owner, on: connection)
        }
    }

    /// The libraries that an account may read: its own first, then by name.
    ///
    /// - Parameter account: nil for a guest.
    package func libraries(readableBy account: UserID?) throws(StoreError) -> [Library] {
        let sql = """
            SELECT \(Library.columns) FROM \(Library.source) WHERE \(Self.isReadable)
            ORDER BY CASE WHEN owner_id = $1 THEN 0 ELSE 1 END, lower(name), libraries.id
            """
        return try database.read(sql, account?.description ?? "").map(Library.init)
    }

    /// Throws `notFound` if the account may not read it.
    package func library(_ id: LibraryID, readableBy account: UserID?) throws(StoreError) -> Library {
        try database.transaction(.read) { connection throws(StoreError) in
            return try Library(connection.find(
                .library, "SELECT \(Library.columns) FROM \(Library.source) WHERE libraries.id = $2 AND (\(Self.isReadable))",
                account?.description ?? "", id))
        }
    }

    /// The condition of a library that the account $1 may read.
    private static let isReadable = """
        owner_id = $1 OR access = 'everyone'
        OR access = 'chosen' AND EXISTS (SELECT 1 FROM library_readers WHERE library_id = libraries.id AND user_id = $1)
        """

    /// The names of the accounts that the owner has chosen as readers.
    package func readers(of id: LibraryID) throws(StoreError) -> [String] {
        try database.read("""
            SELECT username FROM library_readers JOIN users ON users.id = user_id WHERE library_id = $1 ORDER BY lower(username)
            """, id).map { row throws(StoreError) in try row["username"] }
    }

    /// Changes the name, who may read a library, or the accounts that are chosen as readers.
    package func updateLibrary(
        _ id: LibraryID, of owner: UserID, name: String? = nil, access: Library.Access? = nil, readers: [UserID]? = nil
    ) throws(StoreError) -> Library {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(id, of: owner, on: connection)
            try connection.execute("""
                UPDATE libraries SET name = coalesce($2, name), access = coalesce($3, access), updated_at = $4 WHERE id = $1
                """, id, name, access, now)
            if let readers {
                try connection.execute("DELETE FROM library_readers WHERE library_id = $1", id)
                for reader in Set(readers).subtracting([owner]) {
                    try connection.execute("INSERT INTO library_readers (library_id, user_id) VALUES ($1, $2)", id, reader)
                }
            }
            return try Self.library(id, of: owner, on: connection)
        }
    }

    /// - Parameter deletesFiles: Whether its files that are in no other library are deleted, too.
    package func deleteLibrary(_ id: LibraryID, of owner: UserID, deletesFiles: Bool = true) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(id, of: owner, on: connection)
            let files = try connection.execute("SELECT upload_id FROM library_files WHERE library_id = $1", id)
            try connection.execute("DELETE FROM libraries WHERE id = $1", id)
            for file in files where deletesFiles { try Self.deleteUnlisted(try file["upload_id"], on: connection) }
        }
    }

    /// Lets all files of a library be read again.
    package func rereadLibrary(_ id: LibraryID, of owner: UserID) throws(StoreError) -> Library {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(id, of: owner, on: connection)
            try connection.execute("UPDATE libraries SET revision = revision + 1, reread_revision = revision + 1 WHERE id = $1", id)
            try connection.execute("UPDATE library_files SET passages = NULL, message = NULL WHERE library_id = $1", id)
            return try Self.library(id, of: owner, on: connection)
        }
    }

    /// Lets one file of a library be read again, as one that crashed the program that reads files.
    package func rereadFile(_ id: UploadID, of library: LibraryID, of owner: UserID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.lockLibrary(library, of: owner, on: connection)
            try connection.find(.file, """
                UPDATE library_files SET passages = NULL, message = NULL WHERE library_id = $1 AND upload_id = $2 RETURNING upload_id
                """, library, id)
            try connection.execute("UPDATE libraries SET revision = revision + 1 WHERE id = $1", library)
        }
    }

    static func library(_ id: LibraryID, of owner: UserID, on connection: any Connection) throws(StoreError) -> Library {
        try Library(connection.find(
            .library, "SELECT \(Library.columns) FROM \(Library.source) WHERE libraries.id = $1 AND owner_id = $2", id, owner))
    }

    /// Throws `notFound` unless the account is the owner.
    static func lockLibrary(
        _ id: LibraryID, of owner: UserID, on connection: any Connection
    ) throws(StoreError) {
        try connection.find(.library, "SELECT id FROM libraries WHERE id = $1 AND owner_id = $2 \(connection.dialect.rowLock)", id, owner)
    }
}
