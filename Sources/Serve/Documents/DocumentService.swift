import Documents
import HTTPServer
import JSON

/// The documents of the server. All clients that may chat may read their passages.
struct DocumentService: Sendable {
    let documents: ServedDocuments
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("GET", "/api/documents", access: .accountOrGuest) { app, _ in app.documents.list() },
        Route("POST", "/api/documents/search", access: .accountOrGuest, limit: .checkedByHandler) { try $0.documents.search($1) },
    ]

    private static let maxQueryLength = 10_000

    private func list() -> Response {
        Response.json { whole in
            whole.key("documents")
            whole.array { list in
                for index in documents.indexes {
                    // nil while the index cannot be read: others can.
                    var counts: DocumentIndex.Counts?
                    do { counts = try index.counts() } catch { Log.error(.failed, "\(error)") }
                    list.object {
                        $0["name"] = index.name
                        $0["files"] = counts?.files
                        $0["passages"] = counts?.chunks
                    }
                }
            }
        }
    }

    private func search(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["query", "documents", "limit"])
        let query = try fields.text("query", 1...Self.maxQueryLength)
        let limit = try fields.integer("limit") ?? 5
        guard (1...50).contains(limit) else { throw APIError.invalid("limit", "expected 1 to 50, found \(limit).") }
        let chosen = try fields.documents(documents) ?? documents
        try rateLimits.checkSearch(context.client.key)
        let passages = try chosen.passages(for: query, limit: limit)
        return Response.json { found in
            found.key("passages")
            found.array { list in for passage in passages { list.object { passage.write(to: &$0) } } }
        }
    }
}
