import HTTPServer
import JSON
import Store

/// Batches: files that one request adds to a vector store.
///
/// A batch is no row of the database: its id is the time when its files were added to the store.
extension VectorStoreService {
    static let batchRoutes: [Route] = [
        Route("POST", "/v1/vector_stores/{id}/file_batches", access: .apiClient) { try $0.vectorStores.addBatch($1) },
        Route("GET", "/v1/vector_stores/{id}/file_batches/{batch}", access: .apiClient) { try $0.vectorStores.showBatch($1) },
        Route("GET", "/v1/vector_stores/{id}/file_batches/{batch}/files", access: .apiClient) { try $0.vectorStores.listBatch($1) },
    ]

    private static let batchPrefix = "vsfb_"

    private func addBatch(_ context: RequestContext) throws -> Response {
        let account = try account(context), id = try Self.storeID(context)
        let fields = try RequestFields(of: context.request, known: nil)
        try fields.rejectUnsupported(UnsupportedField.vectorStores)
        let files = try fileIDs(fields)
        guard !files.isEmpty else { throw APIError.invalid("file_ids", "expected the ids of files.") }
        let time = try store.addFiles(files, to: id, of: account)
        libraries.indexer?.wake()
        return try response(time, of: id)
    }

    private func showBatch(_ context: RequestContext) throws -> Response {
        try response(try Self.time(context), of: try library(context).id)
    }

    private func listBatch(_ context: RequestContext) throws -> Response {
        let library = try library(context), files = try files(try Self.time(context), of: library.id)
        return try Self.list(files, of: library.id, context.request)
    }

    private static func time(_ context: RequestContext) throws(APIError) -> Timestamp {
        let id = context.parameters[1]
        guard id.hasPrefix(batchPrefix), let time = Int64(id.dropFirst(batchPrefix.count)) else { throw .notFound("batch") }
        return Timestamp(milliseconds: time)
    }

    private func files(_ time: Timestamp, of library: LibraryID) throws -> [LibraryFile] {
        let files = try store.files(of: library, addedAt: time)
        guard !files.isEmpty else { throw APIError.notFound("batch") }
        return files
    }

    private func response(_ time: Timestamp, of library: LibraryID) throws -> Response {
        let files = try files(time, of: library), waiting = files.count { $0.state == .waiting }
        let failed = files.count { if case .skipped = $0.state { true } else { false } }
        return Response.json { batch in
            batch["id"] = "\(Self.batchPrefix)\(time.milliseconds)"
            batch["object"] = "vector_store.files_batch"
            batch["created_at"] = time.seconds
            batch["vector_store_id"] = Self.storePrefix + library.description
            batch["status"] = waiting == 0 ? "completed" : "in_progress"
            Self.writeCounts(waiting: waiting, ready: files.count - waiting - failed, failed: failed, to: &batch)
        }
    }
}
