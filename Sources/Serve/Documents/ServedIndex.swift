import Documents
import Store

/// Documents that a client may read: an index of the operator, or a library of an account.
struct ServedIndex: SearchedIndex, Sendable {
    /// What requests call it: the name of an index, the id of a library.
    let id: String
    /// For users.
    let name: String
    /// nil for an index of the operator.
    let library: Library?
    /// nil for a library whose files were not read yet.
    private let index: SharedIndex?
    /// The name of a file of a library; nil if the library does not have it any more.
    private let fileName: @Sendable (UploadID) -> String?

    init(_ index: SharedIndex) {
        id = index.name
        name = index.name
        library = nil
        self.index = index
        fileName = { _ in nil }
    }

    init(_ library: Library, _ index: SharedIndex?, fileName: @escaping @Sendable (UploadID) -> String?) {
        id = library.id.description
        name = library.name
        self.library = library
        self.index = index
        self.fileName = fileName
    }

    /// Files that were deleted from a library are not found any more, also before its index has changed.
    func passages(for question: String, limit: Int) throws(DocumentError) -> [Passage] {
        guard let found = try index?.passages(for: question, limit: limit) else { return [] }
        return library == nil ? found : found.compactMap(named)
    }

    /// Names the file of a passage as it was uploaded.
    private func named(_ passage: Passage) -> Passage? {
        guard let id = LibraryFolder.upload(ofFile: passage.file), let file = fileName(id) else { return nil }
        var passage = passage
        passage.file = file
        passage.documents = name
        passage.origin = Passage.Origin(library: self.id, file: id.description)
        return passage
    }

    /// The passages of a file of a library in the order of the text, and how many it has.
    func passages(of file: Upload, from start: Int, limit: Int) throws(DocumentError) -> (total: Int, [Passage]) {
        guard let index else { return (0, []) }
        let (total, found) = try index.passages(ofFileEndingWith: LibraryFolder.name(of: file), from: start, limit: limit)
        return (total, found.compactMap { passage in
            var passage = passage
            passage.file = LibraryFolder.name(of: file)
            return named(passage)
        })
    }

    /// The files that have passages, and the passages. nil while an index cannot be read: others can.
    var counts: (files: Int, passages: Int)? {
        if let library { return (library.fileCount, library.passages) }
        do throws(DocumentError) {
            let counts = try index?.counts()
            return counts.map { ($0.files, $0.passages) }
        } catch {
            Log.error(.failed, "\(error)")
            return nil
        }
    }
}
