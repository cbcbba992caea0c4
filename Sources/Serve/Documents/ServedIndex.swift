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
    /// The names of files of a library, of those that it still has.
    private let fileNames: FileNames

    typealias FileNames = @Sendable ([UploadID]) -> [UploadID: String]

    init(_ index: SharedIndex) {
        id = index.name
        name = index.name
        library = nil
        self.index = index
        fileNames = { _ in [:] }
    }

    /// A library without its index, which has no passages.
    init(unread library: Library) { self.init(library, nil) { _ in [:] } }

    init(_ library: Library, _ index: SharedIndex?, fileNames: @escaping FileNames) {
        id = library.id.description
        name = library.name
        self.library = library
        self.index = index
        self.fileNames = fileNames
    }

    /// Files that were deleted from a library are not found any more, also before its index has changed.
    func passages(for question: String, after earlier: [String], limit: Int) throws(DocumentError) -> [Passage] {
        guard let found = try index?.passages(for: question, after: earlier, limit: limit) else { return [] }
        if library == nil || found.isEmpty { return found }
        let files = found.map { LibraryFolder.upload(ofFile: $0.file) }, names = fileNames(Array(Set(files.compactMap(\.self))))
        return zip(found, files).compactMap { passage, id in
            guard let id, let file = names[id] else { return nil }
            return named(passage, file, id)
        }
    }

    /// A passage of a file that was uploaded under this name.
    private func named(_ passage: Passage, _ file: String, _ id: UploadID) -> Passage {
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
        return (total, found.map { named($0, file.name, file.id) })
    }

    /// The passages of a file of the operator, by the name that passages have; nil for a library, whose files have ids.
    func passages(ofFileNamed file: String, from start: Int, limit: Int) throws(DocumentError) -> FilePassages? {
        guard library == nil else { return nil }
        return try index?.passages(of: file, from: start, limit: limit)
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
