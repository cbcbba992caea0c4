/// Documents of an account that chats can answer from.
package struct Library: Sendable, Equatable {
    /// Who may read the documents, besides the owner.
    package enum Access: String, Sendable, CaseIterable {
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

    /// A file that was just added.
    package init(_ upload: Upload) { self.init(upload: upload, addedAt: upload.createdAt, state: .waiting) }

    init(upload: Upload, addedAt: Timestamp, state: State) {
        self.upload = upload
        self.addedAt = addedAt
        self.state = state
    }
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
        guard let access = Access(rawValue: try row.text("access")) else { throw row.unexpected("access", "an access") }
        self.init(
            id: try row.id("id"), owner: try row.id("owner_id"), ownerName: try row.text("username"), name: try row.text("name"),
            access: access, createdAt: try row.timestamp("created_at"), updatedAt: try row.timestamp("updated_at"),
            fileCount: try row.integer("file_count"), waiting: try row.integer("waiting"), skipped: try row.integer("skipped"),
            bytes: try row.integer("bytes"), passages: try row.integer("passages"))
    }
}

extension Upload {
    static let columns = "uploads.id AS id, name, size_bytes, sha256, created_at"

    init(_ row: Row) throws(StoreError) {
        self.init(
            id: try row.id("id"), name: try row.text("name"), size: try row.integer("size_bytes"),
            sha256: try row.text("sha256"), createdAt: try row.timestamp("created_at"))
    }
}

extension LibraryFile {
    static let columns = "\(Upload.columns), added_at, passages, message"

    init(_ row: Row) throws(StoreError) {
        let state: State = if let passages = try row.optionalInteger("passages") {
            .ready(passages: passages)
        } else {
            try row.optionalText("message").map { .skipped(reason: $0) } ?? .waiting
        }
        self.init(upload: try Upload(row), addedAt: try row.timestamp("added_at"), state: state)
    }
}
