import Documents
import Files
import HTTPClient
import HTTPServer
import JSON
import Store

/// The libraries of accounts: files that they upload, and that chats can answer from. One that a client may not read is not found, and
/// only its owner changes it. Guests read those for everyone.
struct LibraryService: Sendable {
    let documents: DocumentCatalog
    /// nil if accounts upload no files.
    let indexer: LibraryIndexer?
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("POST", "/api/libraries", access: .account) { try $0.libraries.create($1) },
        Route("GET", "/api/libraries/{id}", access: .accountOrGuest) { try $0.libraries.show($1) },
        Route("PATCH", "/api/libraries/{id}", access: .account) { try $0.libraries.change($1) },
        Route("DELETE", "/api/libraries/{id}", access: .account) { try $0.libraries.delete($1) },
        Route("POST", "/api/libraries/{id}/reindex", access: .account) { try $0.libraries.reread($1) },
        Route("POST", "/api/libraries/{id}/files", access: .account, body: .file) { try $0.libraries.addFile($1) },
        Route("POST", "/api/libraries/{id}/files/delete", access: .account) { try $0.libraries.removeFiles($1) },
        Route("GET", "/api/libraries/{id}/files/{upload}", access: .accountOrGuest, limit: .checkedByHandler) {
            try $0.libraries.download($1)
        },
        Route("DELETE", "/api/libraries/{id}/files/{upload}", access: .account) { try $0.libraries.removeFile($1) },
        Route("POST", "/api/libraries/{id}/files/{upload}/reindex", access: .account) { try $0.libraries.rereadFile($1) },
        Route("GET", "/api/libraries/{id}/files/{upload}/passages", access: .accountOrGuest) { try $0.libraries.passages($1) },
    ]

    /// What `DocumentReader` reads.
    static let maxFileBytes = 50_000_000
    private static let maxNameLength = 100
    private static let maxReaders = 1_000
    private static let maxDeletedFiles = 1_000

    private var store: Store { documents.store }

    /// Throws 404 if accounts upload no files.
    func checkEnabled() throws(APIError) {
        if indexer == nil { throw APIError(status: .notFound, code: "not_found", message: "Accounts cannot upload files to this server.") }
    }

    private func create(_ context: RequestContext) throws -> Response {
        try checkEnabled()
        let name = try RequestFields(of: context.request, known: ["name"]).text("name", 1...Self.maxNameLength)
        return try response(try store.createLibrary(name, for: try context.account), .created, context)
    }

    private func show(_ context: RequestContext) throws -> Response {
        let library = try readable(context)
        return try response(library, .ok, context, files: try store.files(of: library.id))
    }

    private func change(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["name", "access", "readers"])
        let name = try fields.optionalText("name", 1...Self.maxNameLength)
        let access: Library.Access? = try fields.choice("access")
        let readers = try fields["readers"].map { try users(named: $0) }
        if name == nil, access == nil, readers == nil { throw APIError.invalid("name", "expected one of name, access, readers.") }
        let library = try store.updateLibrary(
            try context.id(of: "library"), of: try context.account, name: name, access: access, readers: readers)
        return try response(library, .ok, context)
    }

    private func users(named value: JSONElement) throws -> [UserID] {
        guard let elements = value.elements else { throw APIError.invalid("readers", "expected a list of usernames.") }
        var users: [UserID] = []
        for element in elements {
            guard let name = element.string, users.count < Self.maxReaders else {
                throw APIError.invalid("readers", "expected at most \(Self.maxReaders) usernames.")
            }
            guard let user = try store.user(named: name) else {
                throw APIError.invalid("readers", "no account has the username '\(name.prefix(100))'.")
            }
            users.append(user.id)
        }
        return users
    }

    private func delete(_ context: RequestContext) throws -> Response {
        try store.deleteLibrary(try context.id(of: "library"), of: try context.account)
        indexer?.wake()
        return .noContent
    }

    private func reread(_ context: RequestContext) throws -> Response {
        try checkEnabled()
        let library = try store.rereadLibrary(try context.id(of: "library"), of: try context.account)
        indexer?.wake()
        return try response(library, .ok, context)
    }

    private func rereadFile(_ context: RequestContext) throws -> Response {
        try checkEnabled()
        let library: LibraryID = try context.id(of: "library"), file: UploadID = try context.id(of: "file", at: 1)
        try store.rereadFile(file, of: library, of: try context.account)
        indexer?.wake()
        let reread = try store.file(file, of: library)
        return Response.json { reread.write(to: &$0) }
    }

    private func addFile(_ context: RequestContext) throws -> Response {
        try checkEnabled()
        guard let name = context.request.query("name") else { throw APIError.invalid("name", "expected the name of the file.") }
        let bytes = context.request.body
        let library: LibraryID = try context.id(of: "library")
        let added = try store.file(try add(name, bytes, of: try context.account, to: library).id, of: library)
        return Response.json(.created) { added.write(to: &$0) }
    }

    /// Stores a file.
    func add(_ name: String, _ bytes: [UInt8], of owner: UserID, to library: LibraryID?) throws -> Upload {
        let name = try UploadName(name).text
        guard bytes.count <= Self.maxFileBytes else {
            throw APIError(
                status: .contentTooLarge, code: "too_large", message: "Files have at most \(Self.maxFileBytes / 1_000_000) MB.")
        }
        guard !bytes.isEmpty else { throw APIError.badRequest("The file is empty.") }
        let upload = try store.addUpload(name, bytes, of: owner, to: library)
        indexer?.wake()
        return upload
    }

    private func removeFile(_ context: RequestContext) throws -> Response {
        let file: UploadID = try context.id(of: "file", at: 1)
        try store.removeFile(file, from: try context.id(of: "library"), of: try context.account, deletes: true)
        indexer?.wake()
        return .noContent
    }

    /// Deletes many files as one change.
    private func removeFiles(_ context: RequestContext) throws -> Response {
        let expected = "expected 1 to \(Self.maxDeletedFiles) ids of files."
        guard let elements = try RequestFields(of: context.request, known: ["files"]).list("files") else {
            throw APIError.invalid("files", expected)
        }
        var files: [UploadID] = []
        for element in elements {
            guard let file = element.string.flatMap({ UploadID($0) }), files.count < Self.maxDeletedFiles else {
                throw APIError.invalid("files", expected)
            }
            files.append(file)
        }
        if files.isEmpty { throw APIError.invalid("files", expected) }
        let count = try store.removeFiles(files, from: try context.id(of: "library"), of: try context.account, deletes: true)
        indexer?.wake()
        return Response.json { $0["deleted"] = count }
    }

    private func download(_ context: RequestContext) throws -> Response {
        let library = try readable(context), upload = try store.file(try context.id(of: "file", at: 1), of: library.id).upload
        // A file may have 50 MB, and a guest is only known by the address.
        if context.client.account == nil { try rateLimits.checkDownload(context.client.key) }
        return .file(upload, try store.contents(of: upload.id))
    }

    private func passages(_ context: RequestContext) throws -> Response {
        let library = try readable(context), upload = try store.file(try context.id(of: "file", at: 1), of: library.id).upload
        let start = try context.request.integer("from", 0...Int(Int32.max), default: 0)
        let limit = try context.request.integer("limit", 1...200, default: 50)
        let (total, passages) = try passages(of: upload, in: library, from: start, limit: limit)
        return Response.json { whole in
            whole["total"] = total
            whole.objects("passages", passages) { $0.write(to: &$1) }
        }
    }

    /// The passages of a file in the order of the text, and how many it has.
    func passages(of file: Upload, in library: Library, from start: Int, limit: Int) throws -> (total: Int, [Passage]) {
        let index = try documents.index(library)
        return try ServedDocuments.finding(library.name) { () throws(DocumentError) in
            try index?.passages(of: file, from: start, limit: limit) ?? (0, [])
        }
    }

    private func readable(_ context: RequestContext) throws -> Library {
        try checkEnabled()
        return try store.library(try context.id(of: "library"), readableBy: context.client.account)
    }

    private func response(
        _ library: Library, _ status: HTTPStatus, _ context: RequestContext, files: [LibraryFile]? = nil
    ) throws -> Response {
        let account = context.client.account, readers = library.owner == account ? try store.readers(of: library.id) : nil
        return Response.json(status) { whole in
            library.write(to: &whole, for: account, readers: readers)
            if let files { whole.objects("files", files) { $0.write(to: &$1) } }
        }
    }
}

/// The name of an uploaded file: a relative path without hidden parts. Its last part is the name of a file on the server's disk.
struct UploadName {
    let text: String

    init(_ text: String) throws(APIError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let isValid = text.utf8.count <= 1_000 && parts.count <= 16 && parts.allSatisfy { part in
            (1...200).contains(part.utf8.count) && !part.hasPrefix(".")
                && part.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
        }
        guard isValid else {
            throw .invalid("name", "expected a name such as notes/pump.md: parts of 1 to 200 bytes that do not begin with a dot.")
        }
        self.text = text
    }
}

extension Library {
    /// - Parameter readers: nil if they are not for this account.
    func write(to object: inout JSONWriter, for account: UserID?, readers: [String]?) {
        object["id"] = id.description
        object["name"] = name
        object["owner"] = ownerName
        object["is_own"] = owner == account
        object["access"] = access.rawValue
        if let readers { object["readers"] = readers }
        object["file_count"] = fileCount
        object["waiting"] = waiting
        object["bytes"] = bytes
        object["passages"] = passages
        object["created_at"] = createdAt.description
        object["updated_at"] = updatedAt.description
    }
}

extension Upload {
    func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["name"] = name
        object["bytes"] = size
        object["created_at"] = createdAt.description
    }
}

extension LibraryFile {
    func write(to object: inout JSONWriter) {
        upload.write(to: &object)
        object["sha256"] = upload.sha256
        switch state {
        case .waiting: object["state"] = "waiting"
        case .ready(let passages):
            object["state"] = "ready"
            object["passages"] = passages
        case .skipped(let reason):
            object["state"] = "skipped"
            object["message"] = reason
        }
    }
}

extension Response {
    /// A download. The type keeps a browser from showing it as a page of this site.
    static func file(_ upload: Upload, _ bytes: [UInt8]) -> Response {
        let name = RelativePath.fileName(of: upload.name)
        return Response(.ok, [
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", "attachment; filename*=UTF-8''\(name.percentEncoded)"), ("Cache-Control", "no-store"),
        ], bytes)
    }
}
