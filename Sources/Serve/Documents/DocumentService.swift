import Documents
import HTTPServer
import JSON
import Store

/// The documents that chats can answer from: those of the operator, whose passages all clients may read that may chat, and libraries.
struct DocumentService: Sendable {
    let documents: DocumentCatalog
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("GET", "/api/documents", access: .accountOrGuest) { try $0.documents.list($1) },
        Route("POST", "/api/documents/search", access: .accountOrGuest, limit: .checkedByHandler) { try $0.documents.search($1) },
        Route("GET", "/api/documents/{id}/passages", access: .accountOrGuest, limit: .checkedByHandler) {
            try $0.documents.passages($1)
        },
    ]

    private static let maxQueryLength = 10_000

    private func list(_ context: RequestContext) throws -> Response {
        let account = context.client.account, listed = try documents.readable(by: account).listed()
        let used = documents.libraries == nil ? nil : try account.map { try documents.store.uploadedBytes(of: $0) }
        return Response.json { whole in
            whole.objects("documents", listed) { write($0, account, to: &$1) }
            guard let used else { return }
            whole.object("uploads") { uploads in
                uploads["bytes"] = documents.store.options.maxUploadedBytes
                uploads["used_bytes"] = used
                uploads["file_bytes"] = LibraryService.maxFileBytes
            }
        }
    }

    private func write(_ index: ServedIndex, _ account: UserID?, to object: inout JSONWriter) {
        let counts = index.counts
        object["id"] = index.id
        object["name"] = index.name
        object["files"] = counts?.files
        object["passages"] = counts?.passages
        guard let library = index.library else { return }
        object["waiting"] = library.waiting
        object["owner"] = library.ownerName
        object["is_own"] = library.owner == account
    }

    private func search(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["query", "documents", "limit"])
        let query = try fields.text("query", 1...Self.maxQueryLength)
        let limit = try fields.integer("limit", 1...ServedDocuments.mostPassages) ?? 5
        let readable = documents.readable(by: context.client.account)
        let chosen = try fields.documents(readable) ?? readable.all()
        try rateLimits.checkSearch(context.client.key)
        let passages = try chosen.passages(for: query, limit: limit)
        return Response.json { $0.objects("passages", passages) { $0.write(to: &$1) } }
    }

    /// A file of the operator, as it was indexed, and what has become of it since.
    private func passages(_ context: RequestContext) throws -> Response {
        guard let file = context.request.query("file"), !file.isEmpty else {
            throw APIError.invalid("file", "expected the name of a file, as passages have it.")
        }
        let start = try context.request.integer("from", 0...Int(Int32.max), default: 0)
        let limit = try context.request.integer("limit", 1...200, default: 50)
        let index = try documents.readable(by: context.client.account).named(context.parameters).indexes.first
        try rateLimits.checkSearch(context.client.key)
        let found = try ServedDocuments.finding(index?.name ?? "") { () throws(DocumentError) in
            try index?.passages(ofFileNamed: file, from: start, limit: limit)
        }
        guard let found else {
            let advice = "Its files have ids: see /api/libraries/{id}/files/{file}/passages."
            throw APIError.invalid("id", "expected an index of the server, found a library. \(advice)")
        }
        return Response.json { whole in
            whole["total"] = found.total
            whole["file_state"] = found.state.rawValue
            whole.objects("passages", found.passages) { $0.write(to: &$1) }
        }
    }
}
