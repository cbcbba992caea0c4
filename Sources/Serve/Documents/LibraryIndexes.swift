package import Documents
import Files
import Store
import Synchronization

/// How a server indexes the files that accounts upload.
package struct LibrarySettings: Sendable {
    /// Where the files and their indexes are kept. All of it is made from the database.
    package var directory: String
    /// The program that reads the files, as `PROGRAM index …`: this one.
    package var program: String
    /// The time in which it has to read the new files of a library.
    package var readingTime = Duration.seconds(3_600)
    /// The most bytes of memory that it may have, and a program that converts a file for it.
    package var readingMemory = 4 << 30
    /// How often the database is asked for changes that other servers have made.
    package var interval = Duration.seconds(3)
    /// The model of the vectors; nil for an index of words.
    package var embeddingModel: TextEmbedder.Model?
    package var openEmbedder: SharedIndex.OpenEmbedder = { _ in nil }
    package var reranker: (@Sendable () -> TextReranker)?

    package init(directory: String = "slm_chat.documents", program: String = "/proc/self/exe") {
        self.directory = directory
        self.program = program
    }
}

/// The indexes of the libraries, as far as they were made.
final class LibraryIndexes: Sendable {
    let settings: LibrarySettings
    private let opened = Mutex<[LibraryID: SharedIndex]>([:])
    private static let maxOpened = 256

    init(_ settings: LibrarySettings) { self.settings = settings }

    func folder(_ id: LibraryID) -> LibraryFolder { LibraryFolder(id, in: settings.directory) }

    /// nil while there is none.
    func index(of library: LibraryID) throws(DocumentError) -> SharedIndex? {
        let folder = folder(library)
        guard folder.hasIndex else {
            opened.withLock { $0[library] = nil }
            return nil
        }
        if let index = opened.withLock({ $0[library] }) { return index }
        let index = try SharedIndex(
            folder.index, named: library.description, openEmbedder: settings.openEmbedder, reranker: settings.reranker)
        opened.withLock { opened in
            if opened.count >= Self.maxOpened { opened.removeAll() }
            opened[library] = index
        }
        return index
    }

    /// Deletes the folders of libraries that are gone.
    func keepOnly(_ libraries: Set<LibraryID>) {
        for name in Folder.names(in: settings.directory) ?? [] {
            guard let id = LibraryID(name), !libraries.contains(id) else { continue }
            opened.withLock { $0[id] = nil }
            Folder.removeAll("\(settings.directory)/\(name)")
        }
    }
}
