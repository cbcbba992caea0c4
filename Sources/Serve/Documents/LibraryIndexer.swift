import Documents
import Files
import Platform
import Store
import Synchronization
import Threads

/// Indexes the files of libraries, one library after the other: writes new files to the disk, and lets `slm index` read them.
///
///     let indexer = LibraryIndexer(store, indexes)
///     try indexer.start()
///     indexer.wake()                                           // something has changed
///     indexer.stop()
///
/// A file that crashes the program is left out: it runs as a process of its own, at idle priority. Each server has its own indexes; what
/// was read of each file is in the database.
final class LibraryIndexer: Sendable {
    private let store: Store
    private let indexes: LibraryIndexes
    private let thread: PeriodicThread
    private let failures = Mutex<[LibraryID: Failure]>([:])

    /// A library that could not be indexed: it is tried again when it has changed, and after a while.
    private struct Failure {
        let revision: Int
        let next: ContinuousClock.Instant
    }

    static let crashed = "The program that reads files crashed, took too long, or needed too much memory."
    private static let pauseAfterFailure = Duration.seconds(60)

    init(_ store: Store, _ indexes: LibraryIndexes) {
        self.store = store
        self.indexes = indexes
        thread = PeriodicThread(every: indexes.settings.interval)
    }

    func start() throws(ThreadError) { try thread.start { [self] in indexAll } }

    func wake() { thread.wake() }

    /// Kills the program that reads files, and waits at most five seconds until the thread has ended.
    func stop() { thread.stop() }

    private func indexAll() {
        do {
            let libraries = try store.libraryRevisions()
            indexes.keepOnly(Set(libraries.map(\.id)))
            for library in libraries where !thread.isStopped && isDue(library) {
                do { try index(library) } catch {
                    Log.error(.failed, "cannot index the library \(library.id): \(error)")
                    let next = ContinuousClock.now + Self.pauseAfterFailure
                    failures.withLock { $0[library.id] = Failure(revision: library.revision, next: next) }
                }
            }
        } catch StoreError.unavailable, StoreError.busy {
            // The database comes back, or the health checks say that it does not.
        } catch {
            Log.error(.failed, "cannot look for changed libraries: \(error)")
        }
    }

    private func isDue(_ library: LibraryRevision) -> Bool {
        guard indexes.folder(library.id).revision != library.revision else { return false }
        guard let failure = failures.withLock({ $0[library.id] }) else { return true }
        return failure.revision != library.revision || failure.next <= ContinuousClock.now
    }

    /// Makes the index of a library the same as its files.
    private func index(_ library: LibraryRevision) throws {
        let folder = indexes.folder(library.id)
        // The reader of a server that was killed goes on.
        guard let lock = try folder.lock() else { return }
        let wanted = try store.files(of: library.id).filter { $0.state != .skipped(reason: Self.crashed) }.map(\.upload)
        let missing = try folder.keepOnly(wanted)
        for upload in missing { try folder.add(upload, try store.contents(of: upload.id)) }
        if try !isUsable(folder, library) { folder.removeIndex() }
        if try !read(folder, lock) {
            guard !thread.isStopped else { return }
            try readOneByOne(wanted, missing, folder, library.id, lock)
        }
        guard !thread.isStopped else { return }
        try store.set(try states(of: wanted, in: folder), in: library.id)
        try folder.setRevision(library.revision)
    }

    /// Whether an index can be updated.
    private func isUsable(_ folder: LibraryFolder, _ library: LibraryRevision) throws -> Bool {
        guard let revision = folder.revision, revision >= library.rereadRevision else { return false }
        guard let index = try? DocumentIndex(folder.index), let model = try? index.embeddingModel() else {
            return indexes.settings.embeddingModel == nil
        }
        return model.digest == indexes.settings.embeddingModel?.digest
    }

    /// Updates an index, or builds it.
    ///
    /// - Returns: false if the program crashed, took too long, needed too much memory, or was stopped.
    private func read(_ folder: LibraryFolder, _ lock: borrowing FileLock) throws -> Bool {
        let model = indexes.settings.embeddingModel.map { ["--embedding-model", $0.path] } ?? []
        let always = model + ["--allow-empty", "--background", "--json", "--quiet"]
        let build = ["index", "build", try RelativePath.absolute(folder.files), "--out", folder.index] + always
        var output = try run(folder.hasIndex ? ["index", "update", folder.index] + always : build, lock)
        if case .status(let status)? = output.ending, status != 0, folder.hasIndex {
            // The folder has moved, or the index is damaged.
            folder.removeIndex()
            output = try run(build, lock)
        }
        switch output.ending {
        case .status(0)?: return true
        case .status?: throw IndexingFailure(description: output.errorMessage ?? "slm index failed")
        case .signal?, nil: return false
        }
    }

    private struct IndexingFailure: Error, CustomStringConvertible { let description: String }

    private func run(_ arguments: [String], _ lock: borrowing FileLock) throws(FileError) -> ChildProgram.Output {
        let settings = indexes.settings
        return try ChildProgram(path: settings.program).run(
            arguments, within: settings.readingTime, memory: settings.readingMemory, holding: lock
        ) { thread.isStopped }
    }

    /// Finds out which files crash the program, and leaves them out.
    ///
    /// - Parameters:
    ///   - wanted: All files.
    ///   - new: Those that the index does not have.
    private func readOneByOne(
        _ wanted: [Upload], _ new: [Upload], _ folder: LibraryFolder, _ library: LibraryID, _ lock: borrowing FileLock
    ) throws {
        var rest = new
        for upload in new { folder.remove(upload) }
        if try !read(folder, lock) {
            // It is one of the old ones.
            rest = wanted
            for upload in wanted { folder.remove(upload) }
            folder.removeIndex()
        }
        for upload in rest where !thread.isStopped {
            try folder.add(upload, try store.contents(of: upload.id))
            if try read(folder, lock) { continue }
            guard !thread.isStopped else { return }
            folder.remove(upload)
            try store.set([upload.id: .skipped(reason: Self.crashed)], in: library)
        }
        // If all files crash the program, the index is empty.
        if !folder.hasIndex { _ = try read(folder, lock) }
    }

    /// What the index has of each file.
    private func states(of wanted: [Upload], in folder: LibraryFolder) throws -> [UploadID: LibraryFile.State] {
        var states: [UploadID: LibraryFile.State] = [:]
        for file in try DocumentIndex(folder.index, isReadOnly: true).files() {
            guard let id = LibraryFolder.upload(ofFile: file.name) else { continue }
            states[id] = file.skipped.map { .skipped(reason: $0.asSentence) } ?? .ready(passages: file.passages)
        }
        return states
    }
}
