import Documents
import HTTPServer
import JSON
import Store

/// OpenAI's files and vector stores: the uploads and libraries of an account.
struct VectorStoreService: Sendable {
    let libraries: LibraryService
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("POST", "/v1/files", access: .apiClient, body: .file) { try $0.vectorStores.addFile($1) },
        Route("GET", "/v1/files", access: .apiClient) { try $0.vectorStores.listFiles($1) },
        Route("GET", "/v1/files/{id}", access: .apiClient) { try $0.vectorStores.showFile($1) },
        Route("GET", "/v1/files/{id}/content", access: .apiClient) { try $0.vectorStores.download($1) },
        Route("DELETE", "/v1/files/{id}", access: .apiClient) { try $0.vectorStores.deleteFile($1) },
        Route("POST", "/v1/vector_stores", access: .apiClient) { try $0.vectorStores.create($1) },
        Route("GET", "/v1/vector_stores", access: .apiClient) { try $0.vectorStores.list($1) },
        Route("GET", "/v1/vector_stores/{id}", access: .apiClient) { try $0.vectorStores.show($1) },
        Route("POST", "/v1/vector_stores/{id}", access: .apiClient) { try $0.vectorStores.change($1) },
        Route("DELETE", "/v1/vector_stores/{id}", access: .apiClient) { try $0.vectorStores.delete($1) },
        Route("POST", "/v1/vector_stores/{id}/search", access: .apiClient, limit: .checkedByHandler) { try $0.vectorStores.search($1) },
        Route("POST", "/v1/vector_stores/{id}/files", access: .apiClient) { try $0.vectorStores.attach($1) },
        Route("GET", "/v1/vector_stores/{id}/files", access: .apiClient) { try $0.vectorStores.listAttached($1) },
        Route("GET", "/v1/vector_stores/{id}/files/{upload}", access: .apiClient) { try $0.vectorStores.showAttached($1) },
        Route("GET", "/v1/vector_stores/{id}/files/{upload}/content", access: .apiClient) { try $0.vectorStores.passages($1) },
        Route("DELETE", "/v1/vector_stores/{id}/files/{upload}", access: .apiClient) { try $0.vectorStores.detach($1) },
    ] + batchRoutes

    static let storePrefix = "vs_", filePrefix = "file-"
    private static let maxFiles = 500

    var store: Store { libraries.documents.store }

    /// Files and vector stores belong to accounts.
    func account(_ context: RequestContext) throws(APIError) -> UserID {
        try libraries.checkEnabled()
        guard let account = context.client.account else {
            throw .unauthorized("Files belong to accounts: expected an API key in the header Authorization: Bearer slm_…")
        }
        return account
    }

    static func id<Kind>(_ text: String, _ prefix: String, of thing: String) throws(APIError) -> Identifier<Kind> {
        guard text.hasPrefix(prefix), let id = Identifier<Kind>(String(text.dropFirst(prefix.count))) else { throw .notFound(thing) }
        return id
    }

    /// What `documents` of a chat calls a vector store. Those of the operator have names instead of ids.
    static func documents(ofStore id: String) -> String { id.hasPrefix(storePrefix) ? String(id.dropFirst(storePrefix.count)) : id }

    private func fileID(_ context: RequestContext, at index: Int = 0) throws(APIError) -> UploadID {
        try Self.id(context.parameters[index], Self.filePrefix, of: "file")
    }

    static func storeID(_ context: RequestContext) throws(APIError) -> LibraryID {
        try id(context.parameters[0], storePrefix, of: "vector store")
    }

    func library(_ context: RequestContext) throws -> Library {
        let account = try account(context)
        return try store.library(try Self.storeID(context), readableBy: account)
    }

    /// The files of `file_ids`. The store checks that they are the account's.
    func fileIDs(_ fields: RequestFields) throws(APIError) -> [UploadID] {
        var files: [UploadID] = []
        for element in fields["file_ids"]?.elements.map({ Array($0) }) ?? [] {
            guard files.count < Self.maxFiles, let text = element.string else {
                throw APIError.invalid("file_ids", "expected at most \(Self.maxFiles) ids of files.")
            }
            files.append(try Self.id(text, Self.filePrefix, of: "file"))
        }
        return files
    }
}

/// Files.
extension VectorStoreService {
    private func addFile(_ context: RequestContext) throws -> Response {
        let account = try account(context)
        let form = try MultipartForm(of: context.request)
        guard let part = form["file"], let name = part.fileName else { throw APIError.invalid("file", "expected a file with a name.") }
        guard form["purpose"] != nil else { throw APIError.invalid("purpose", "expected assistants or user_data.") }
        let file = name.split { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? name
        let upload = try libraries.add(file, Array(part.bytes), of: account, to: nil)
        return Response.json { upload.writeFile(to: &$0) }
    }

    private func listFiles(_ context: RequestContext) throws -> Response {
        let files = try store.uploads(of: try account(context))
        return try Self.list(files, context.request, id: { Self.filePrefix + $0.id.description }) { $0.writeFile(to: &$1) }
    }

    private func showFile(_ context: RequestContext) throws -> Response {
        let upload = try store.upload(try fileID(context), of: try account(context))
        return Response.json { upload.writeFile(to: &$0) }
    }

    private func download(_ context: RequestContext) throws -> Response {
        let upload = try store.upload(try fileID(context), of: try account(context))
        return .file(upload, try store.contents(of: upload.id))
    }

    private func deleteFile(_ context: RequestContext) throws -> Response {
        let id = try fileID(context)
        try store.deleteUpload(id, of: try account(context))
        libraries.indexer?.wake()
        return Self.deleted(Self.filePrefix + id.description, "file")
    }

    private static func deleted(_ id: String, _ object: String) -> Response {
        Response.json {
            $0["id"] = id
            $0["object"] = object
            $0["deleted"] = true
        }
    }

    private static func list<Element>(
        _ elements: [Element], _ request: Request, id: (Element) -> String, _ write: (Element, inout JSONWriter) -> Void
    ) throws(APIError) -> Response {
        try .page(of: elements, request, limit: try request.integer("limit", 1...10_000, default: 100), id: id, write)
    }
}

/// Vector stores.
extension VectorStoreService {
    private func create(_ context: RequestContext) throws -> Response {
        let account = try account(context)
        let fields = try RequestFields(of: context.request, known: nil, mayBeEmpty: true)
        try fields.rejectUnsupported(UnsupportedField.vectorStores)
        let files = try fileIDs(fields)
        let library = try store.createLibrary(try fields.optionalText("name", 0...100) ?? "", for: account, with: files)
        if !files.isEmpty { libraries.indexer?.wake() }
        return Response.json { library.writeVectorStore(to: &$0) }
    }

    private func list(_ context: RequestContext) throws -> Response {
        let found = try store.libraries(readableBy: try account(context)).sorted { $0.createdAt > $1.createdAt }
        return try Self.list(found, context.request, id: { Self.storePrefix + $0.id.description }) { $0.writeVectorStore(to: &$1) }
    }

    private func show(_ context: RequestContext) throws -> Response {
        let library = try library(context)
        return Response.json { library.writeVectorStore(to: &$0) }
    }

    private func change(_ context: RequestContext) throws -> Response {
        let account = try account(context)
        let fields = try RequestFields(of: context.request, known: nil)
        try fields.rejectUnsupported(UnsupportedField.vectorStores)
        let id = try Self.storeID(context)
        let library = try store.updateLibrary(id, of: account, name: try fields.optionalText("name", 0...100))
        return Response.json { library.writeVectorStore(to: &$0) }
    }

    private func delete(_ context: RequestContext) throws -> Response {
        let id = try Self.storeID(context)
        // As in OpenAI's API, the files stay.
        let account = try account(context)
        try store.deleteLibrary(id, of: account, deletesFiles: false)
        libraries.indexer?.wake()
        return Self.deleted(Self.storePrefix + id.description, "vector_store.deleted")
    }

    private func search(_ context: RequestContext) throws -> Response {
        let library = try library(context)
        let fields = try RequestFields(of: context.request, known: nil)
        try fields.rejectUnsupported(UnsupportedField.vectorStoreSearch)
        let query = try fields.text("query", 1...10_000)
        let limit = try fields.integer("max_num_results", 1...ServedDocuments.mostPassages) ?? 10
        try rateLimits.checkSearch(context.client.key)
        let readable = libraries.documents.readable(by: context.client.account)
        let passages = try readable.named([library.id.description]).passages(for: query, limit: limit)
        return Response.json { page in
            page["object"] = "vector_store.search_results.page"
            page.array("search_query") { $0.string(query) }
            page.objects("data", passages) { $0.writeSearchResult(to: &$1) }
            page["has_more"] = false
            page.null("next_page")
        }
    }
}

extension VectorStoreService {
    static func writeCounts(waiting: Int, ready: Int, failed: Int, to object: inout JSONWriter) {
        object.object("file_counts") {
            $0["in_progress"] = waiting
            $0["completed"] = ready
            $0["failed"] = failed
            $0["cancelled"] = 0
            $0["total"] = waiting + ready + failed
        }
    }
}

/// The files of vector stores.
extension VectorStoreService {
    private func attach(_ context: RequestContext) throws -> Response {
        let account = try account(context), id = try Self.storeID(context)
        let fields = try RequestFields(of: context.request, known: nil)
        try fields.rejectUnsupported(UnsupportedField.vectorStores)
        let file: UploadID = try Self.id(try fields.text("file_id", 1...200), Self.filePrefix, of: "file")
        try store.addFiles([file], to: id, of: account)
        libraries.indexer?.wake()
        return try response(file, of: id)
    }

    private func listAttached(_ context: RequestContext) throws -> Response {
        let library = try library(context)
        return try Self.list(try store.files(of: library.id).sorted { $0.addedAt > $1.addedAt }, of: library.id, context.request)
    }

    static func list(_ files: [LibraryFile], of library: LibraryID, _ request: Request) throws(APIError) -> Response {
        try list(files, request, id: { filePrefix + $0.upload.id.description }) { $0.writeVectorStoreFile(of: library, to: &$1) }
    }

    private func showAttached(_ context: RequestContext) throws -> Response {
        try response(try fileID(context, at: 1), of: try library(context).id)
    }

    private func response(_ file: UploadID, of library: LibraryID) throws -> Response {
        let file = try store.file(file, of: library)
        return Response.json { file.writeVectorStoreFile(of: library, to: &$0) }
    }

    private func passages(_ context: RequestContext) throws -> Response {
        let library = try library(context), upload = try store.file(try fileID(context, at: 1), of: library.id).upload
        let (_, passages) = try libraries.passages(of: upload, in: library, from: 0, limit: 10_000)
        return Response.json { page in
            page["object"] = "vector_store.file_content.page"
            page.objects("data", passages) { passage, object in
                object["type"] = "text"
                object["text"] = passage.text
            }
            page["has_more"] = false
            page.null("next_page")
        }
    }

    private func detach(_ context: RequestContext) throws -> Response {
        let file = try fileID(context, at: 1), id = try Self.storeID(context)
        try store.removeFile(file, from: id, of: try account(context), deletes: false)
        libraries.indexer?.wake()
        return Self.deleted(Self.filePrefix + file.description, "vector_store.file.deleted")
    }
}

extension Upload {
    fileprivate func writeFile(to object: inout JSONWriter) {
        object["id"] = VectorStoreService.filePrefix + id.description
        object["object"] = "file"
        object["bytes"] = size
        object["created_at"] = createdAt.seconds
        object["filename"] = name
        object["purpose"] = "assistants"
        object["status"] = "processed"
    }
}

extension Library {
    fileprivate func writeVectorStore(to object: inout JSONWriter) {
        object["id"] = VectorStoreService.storePrefix + id.description
        object["object"] = "vector_store"
        object["created_at"] = createdAt.seconds
        object["name"] = name
        object["usage_bytes"] = bytes
        VectorStoreService.writeCounts(waiting: waiting, ready: fileCount - waiting - skipped, failed: skipped, to: &object)
        object["status"] = waiting == 0 ? "completed" : "in_progress"
        object["last_active_at"] = updatedAt.seconds
        object.object("metadata") { _ in }
    }
}

extension LibraryFile {
    fileprivate func writeVectorStoreFile(of library: LibraryID, to object: inout JSONWriter) {
        object["id"] = VectorStoreService.filePrefix + upload.id.description
        object["object"] = "vector_store.file"
        object["created_at"] = addedAt.seconds
        object["usage_bytes"] = upload.size
        object["vector_store_id"] = VectorStoreService.storePrefix + library.description
        object.key("last_error")
        switch state {
        case .waiting, .ready: object.null()
        case .skipped(let reason):
            object.object {
                $0["code"] = "unsupported_file"
                $0["message"] = reason
            }
        }
        object["status"] = switch state {
        case .waiting: "in_progress"
        case .ready: "completed"
        case .skipped: "failed"
        }
        object.object("attributes") { _ in }
        object.object("chunking_strategy") { $0["type"] = "other" }
    }
}

extension Passage {
    /// A result of OpenAI's search.
    func writeSearchResult(to object: inout JSONWriter) {
        writeFile(to: &object)
        object.objects("content", [text]) { text, part in
            part["type"] = "text"
            part["text"] = text
        }
    }
}
