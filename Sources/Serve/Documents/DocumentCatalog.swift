import Documents
import HTTPServer
import Store

/// All documents of a server: the indexes of the operator, and the libraries of accounts.
struct DocumentCatalog: Sendable {
    let served: ServedDocuments
    /// nil if accounts upload no files.
    let libraries: LibraryIndexes?
    let store: Store

    /// - Parameter account: nil for a guest.
    func readable(by account: UserID?) -> ReadableDocuments { ReadableDocuments(catalog: self, account: account) }

    /// The index of a library; nil if accounts upload no files.
    func index(_ library: Library) throws(APIError) -> ServedIndex? {
        guard let indexes = libraries else { return nil }
        let index = try ServedDocuments.finding(library.name) { () throws(DocumentError) in try indexes.index(of: library.id) }
        return ServedIndex(library, index) { [store] ids in
            // Passages of files that were deleted are left out, and all if the database does not respond.
            (try? store.fileNames(of: ids, in: library.id)) ?? [:]
        }
    }
}

/// The documents that one client may read.
struct ReadableDocuments: Sendable {
    fileprivate let catalog: DocumentCatalog
    let account: UserID?

    func all() throws -> ServedDocuments {
        // A library whose index is damaged must not hide the others.
        catalog.served.adding(try libraries().map { library in (try? catalog.index(library)) ?? ServedIndex(unread: library) })
    }

    /// All of them for a list, which needs no index of a library.
    func listed() throws -> [ServedIndex] { catalog.served.indexes + (try libraries().map { ServedIndex(unread: $0) }) }

    private func libraries() throws -> [Library] {
        catalog.libraries == nil ? [] : try catalog.store.libraries(readableBy: account)
    }

    /// Those with these names or ids. Throws 404 for another one.
    func named(_ ids: [String]) throws(APIError) -> ServedDocuments {
        var found: [ServedIndex] = []
        for id in ids where !catalog.served.ids.contains(id) && !found.contains(where: { $0.id == id }) { found.append(try library(id)) }
        return catalog.served.named(ids).adding(found)
    }

    private func library(_ id: String) throws(APIError) -> ServedIndex {
        let names = catalog.served.ids.joined(separator: ", "), expected = names.isEmpty ? "this server has none" : "expected \(names)"
        let reason = LibraryID(id) == nil ? expected : "they were deleted, or are not shared with you"
        let unknown = APIError(
            status: .notFound, code: "documents_not_found", message: "Unknown documents '\(id.prefix(100))': \(reason).",
            field: "documents")
        guard catalog.libraries != nil, let libraryID = LibraryID(id) else { throw unknown }
        let library: Library
        do throws(StoreError) { library = try catalog.store.library(libraryID, readableBy: account) } catch {
            if error == .notFound(.library) { throw unknown }
            throw APIError(error)
        }
        guard let index = try catalog.index(library) else { throw unknown }
        return index
    }
}
