/// Documents of an account that chats can answer from.
package struct Library: Sendable, Equatable {
    /// Who may read the documents, besides the owner.
    package enum Access: String, ColumnValue, CaseIterable {
        case `private`
        /// The accounts that the owner has chosen.
        case chosen
        /// All accounts, and guests.
        case everyone
    }

    package let id: LibraryID
    package let owner: UserID
    package let ownerName: String
    package let name: String
    package let access: Access
    package let createdAt, updatedAt: Timestamp
    package let fileCount: Int
    /// Files that were not read yet.
    package let waiting: Int
    /// Files that could not be read.
    package let skipped: Int
    /// The size of all files.
    package let bytes: Int
    package let passages: Int
}

/// The state of the files of a library.
package struct LibraryRevision: Sendable, Equatable {
    package let id: LibraryID
    /// Grows with each change of the files.
    package let revision: Int
    /// An index of an earlier revision is built again from all files.
    package let rereadRevision: Int
}

/// A file that an account has uploaded.
package struct Upload: Sendable, Equatable {
    package let id: UploadID
    /// With the folders that it was in, such as "notes/pump.md".
    package let name: String
    package let size: Int
    /// The hash of its bytes, in hexadecimal digits.
    package let sha256: String
    package let createdAt: Timestamp
}

/// A file of a library.
package struct LibraryFile: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        case waiting
        case ready(passages: Int)
        /// It could not be read.
        case skipped(reason: String)
    }

    package let upload: Upload
    package let addedAt: Timestamp
    package let state: State
}

extension Library {
    static let columns = """
        libraries.id AS id, owner_id, username, name, access, libraries.created_at AS created_at, libraries.updated_at AS updated_at,
        \(count("count(*)")) AS file_count,
        \(count("count(CASE WHEN passages IS NULL AND message IS NULL THEN 1 END)")) AS waiting,
        \(count("count(message)")) AS skipped,
        \(count("CAST(coalesce(sum(size_bytes), 0) AS BIGINT)")) AS bytes,
        \(count("CAST(coalesce(sum(passages), 0) AS BIGINT)")) AS passages
        """

    private static func count(_ expression: String) -> String {
        "(SELECT \(expression) FROM library_files JOIN uploads ON uploads.id = upload_id WHERE library_id = libraries.id)"
    }

    static let source = "libraries JOIN users ON users.id = libraries.owner_id"

    init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], owner: row["owner_id"], ownerName: row["username"], name: row["name"], access: row["access"],
            createdAt: row["created_at"], updatedAt: row["updated_at"], fileCount: row["file_count"], waiting: row["waiting"],
            skipped: row["skipped"], bytes: row["bytes"], passages: row["passages"])
    }
}

extension Upload {
    static let columns = "uploads.id AS id, name, size_bytes, sha256, created_at"

    init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], name: row["name"], size: row["size_bytes"], sha256: row["sha256"], createdAt: row["created_at"])
    }
}

extension LibraryFile {
    static let columns = "\(Upload.columns), added_at, passages, message"

    init(_ row: Row) throws(StoreError) {
        let passages: Int? = try row["passages"], message: String? = try row["message"]
        let state = passages.map { .ready(passages: $0) } ?? message.map { .skipped(reason: $0) } ?? State.waiting
        try self.init(upload: Upload(row), addedAt: row["added_at"], state: state)
    }
}
