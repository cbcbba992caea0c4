import Files
import Hashing
import Kernels
import SQLite

/// What building or updating an index did.
package struct IndexReport: Sendable, Equatable {
    package var added = 0, changed = 0, unchanged = 0, removed = 0
    /// Files that could not be read, in the order in which they were found.
    package var skipped: [SkippedFile] = []
    package var passages = 0
    /// Passages whose vectors were computed.
    package var embedded = 0
    /// The size of the files that were found.
    package var bytes = 0

    /// The files in the index.
    package var files: Int { added + changed + unchanged }
}

/// Builds and updates indexes of documents.
///
///     let builder = IndexBuilder(reader: DocumentReader(programs: "/usr/bin"))
///     let report = try builder.build(["notes", "manual.md"], at: "notes.index")
///     try builder.update("notes.index")
///
/// An index that is built is written to another file, which replaces the old one when it is complete. An update is one transaction. So the
/// old index or the new one is whole, whenever the program ends.
package struct IndexBuilder {
    package static let defaultPassageTokens = 200

    private let reader: DocumentReader
    private let embedder: TextEmbedder?
    private let mayBeEmpty: Bool
    private let now: () -> Int
    private let progress: (_ bytes: Int, _ total: Int) -> Void
    private let willWrite: (_ part: String) -> Void

    /// - Parameters:
    ///   - embedder: Makes the vectors of an index that is built with it, or that has vectors.
    ///   - mayBeEmpty: Whether an index without any text is written, too.
    ///   - now: The clock of file times, in nanoseconds.
    ///   - progress: Receives how much of the files is read.
    ///   - willWrite: Receives the name of the file that becomes an index when it is complete. A program that is killed leaves it.
    package init(
        reader: DocumentReader, embedder: TextEmbedder? = nil, mayBeEmpty: Bool = false,
        now: @escaping () -> Int = { UTCTime.nanosecondsNow },
        progress: @escaping (_ bytes: Int, _ total: Int) -> Void = { _, _ in },
        willWrite: @escaping (_ part: String) -> Void = { _ in }
    ) {
        self.reader = reader
        self.embedder = embedder
        self.mayBeEmpty = mayBeEmpty
        self.now = now
        self.progress = progress
        self.willWrite = willWrite
    }

    /// - Parameters:
    ///   - paths: Files, and folders whose files are read.
    ///   - passageTokens: The most tokens of a passage, about.
    @discardableResult
    package func build(
        _ paths: [String], at path: String, passageTokens: Int = defaultPassageTokens, stemming: DocumentIndex.Stemming = .english
    ) throws(DocumentError) -> IndexReport {
        var roots: [IndexRoot] = []
        for name in paths {
            roots.append(IndexRoot(name: name, path: try filing { () throws(FileError) in try RelativePath.absolute(name) }))
        }
        if let status = FileStatus(path) { try checkReplaceable(path, status) }
        let file = try filing { () throws(FileError) in try AtomicFile(path) }
        willWrite(file.part)
        let settings = IndexSettings(passageTokens: passageTokens, fileLimit: reader.limits.fileSize)
        let report = try write(roots, to: file.part, for: path, settings, stemming)
        guard report.files > 0 || mayBeEmpty else { throw .noText(paths: paths, skipped: report.skipped) }
        do throws(FileError) { try file.commit() } catch { throw .file(error) }
        return report
    }

    /// An empty file and an index may be replaced, also a damaged or a later one, for which that is the advice.
    private func checkReplaceable(_ path: String, _ status: FileStatus) throws(DocumentError) {
        guard status.kind == .file else { throw .wouldReplace(path: path) }
        if status.size == 0 { return }
        do throws(DocumentError) { _ = try DocumentIndex(path) } catch {
            switch error {
            case .damaged, .newerFormat: break
            case .notAnIndex: throw .wouldReplace(path: path)
            default: throw error
            }
        }
    }

    /// Writes an index, and closes it.
    private func write(
        _ roots: [IndexRoot], to part: String, for path: String, _ settings: IndexSettings, _ stemming: DocumentIndex.Stemming
    ) throws(DocumentError) -> IndexReport {
        let index = try DocumentIndex.create(in: part, for: path, settings, stemming: stemming, model: embedder?.model)
        let writer = IndexWriter(index)
        return try transaction(index) { () throws(DocumentError) in
            try index.run { () throws(SQLiteError) in for root in roots { try writer.add(root) } }
            let report = try synchronize(index, writer, roots, settings)
            try index.run(writer.optimize)
            return report
        }
    }

    /// Reads what has changed since the index was built or updated, with the settings of the build.
    @discardableResult
    package func update(_ path: String) throws(DocumentError) -> IndexReport {
        let index = try DocumentIndex(path), writer = IndexWriter(index)
        if let embedder { try index.check(embedder) } else if let model = try index.embeddingModel() {
            throw .needsModel(path: path, model: model.path)
        }
        return try transaction(index) { () throws(DocumentError) in
            let (roots, settings) = try index.run { () throws(SQLiteError) in (try writer.roots(), try writer.settings()) }
            // A disk that is not mounted must not empty the index.
            for root in roots where FileStatus(root.path) == nil { throw .missingRoot(root: root.name, index: path) }
            guard let settings else { throw .damaged(path: path, reason: "it has no settings") }
            return try synchronize(index, writer, roots, settings)
        }
    }

    private func transaction<Result>(
        _ index: DocumentIndex, _ body: () throws(DocumentError) -> Result
    ) throws(DocumentError) -> Result {
        try index.connection.writeTransaction(body) { DocumentError($0, index: index.path) }
    }

    private func filing<Result: ~Copyable>(_ body: () throws(FileError) -> Result) throws(DocumentError) -> Result {
        do throws(FileError) { return try body() } catch { throw .file(error) }
    }
}

/// Making an index the same as its files.
extension IndexBuilder {
    private func synchronize(
        _ index: DocumentIndex, _ writer: IndexWriter, _ roots: [IndexRoot], _ settings: IndexSettings
    ) throws(DocumentError) -> IndexReport {
        let walk = DocumentWalk(roots, excluding: files(of: index.path)), total = walk.files.reduce(0) { $0 + $1.size }
        var stored = try index.run(writer.files), report = IndexReport()
        // The mount point of a disk that is not mounted is an empty folder.
        for root in roots where !mayBeEmpty && stored.keys.contains(where: root.contains) {
            guard walk.files.contains(where: { root.contains($0.name) }) else { throw .missingRoot(root: root.name, index: index.path) }
        }
        report.skipped = walk.skipped
        report.bytes = total
        var done = 0
        for file in walk.files {
            let old = stored.removeValue(forKey: file.name)
            try index.run { () throws(SQLiteError) in try read(file, old, writer, settings, &report) }
            done += file.size
            progress(done, total)
        }
        try index.run { () throws(SQLiteError) in
            for (name, gone) in stored {
                // Files of a folder that cannot be read now are not gone.
                if walk.unreadableFolders.contains(where: name.hasPrefix) {
                    if gone.skipped == nil { report.unchanged += 1 }
                    continue
                }
                try writer.remove(gone.id)
                if gone.skipped == nil { report.removed += 1 }
            }
            report.passages = try index.integer("SELECT count(*) FROM passages")
        }
        return report
    }

    private func read(
        _ file: FoundFile, _ old: StoredFile?, _ writer: IndexWriter, _ settings: IndexSettings, _ report: inout IndexReport
    ) throws(SQLiteError) {
        let time = now()
        if let old, !old.hash.isEmpty, old.isCurrent(file) { return keep(old, file, &report) }
        let contents = contents(of: file, unless: old?.hash, limit: settings.fileLimit)
        if let old, case .same = contents {
            try writer.touch(file, checked: time, id: old.id)
            return keep(old, file, &report)
        }
        let known = embedder == nil ? [:] : try old.map { old throws(SQLiteError) in try writer.vectors(ofFile: old.id) } ?? [:]
        if let old { try writer.remove(old.id) }
        switch contents {
        case .document(let document, let hash):
            let heading = PassageSplitter.heading(document.title ?? "")
            let title = heading.isEmpty ? RelativePath.fileName(of: file.name) : heading
            let passages = PassageSplitter(budget: settings.passageTokens).passages(of: document)
            try writer.add(file, hash: hash, checked: time, title: title, passages, vectors(of: passages, title, known, &report))
            if old == nil || old?.skipped != nil { report.added += 1 } else { report.changed += 1 }
        case .skipped(let reason, let hash):
            try writer.add(file, hash: hash, checked: time, title: "", [], skipped: reason.description)
            report.skipped.append(SkippedFile(name: file.name, reason: reason.description))
        case .same: preconditionFailure("the contents of a file that was not read before")
        }
    }

    /// The vectors of passages: those that are known, and new ones.
    private func vectors(
        of passages: [DocumentPassage], _ title: String, _ known: [String: Int8Vectors.Code], _ report: inout IndexReport
    ) -> [Int8Vectors.Code] {
        guard let embedder else { return [] }
        let texts = passages.map { DocumentIndex.embeddedText(title: title, heading: $0.heading, text: $0.text) }
        let missing = texts.indices.filter { known[texts[$0]] == nil }
        let computed = missing.isEmpty ? [] : embedder.vectors(missing.map { texts[$0] }, .passage)
        precondition(computed.count == missing.count, "\(computed.count) vectors for \(missing.count) texts")
        report.embedded += computed.count
        var vectors = texts.map { known[$0] }
        for (i, vector) in zip(missing, computed) { vectors[i] = Int8Vectors.Code(directionOf: vector) }
        return vectors.compactMap(\.self)
    }

    private func keep(_ old: StoredFile, _ file: FoundFile, _ report: inout IndexReport) {
        if let reason = old.skipped { report.skipped.append(SkippedFile(name: file.name, reason: reason)) } else { report.unchanged += 1 }
    }

    private enum Contents {
        /// Those of the index.
        case same
        case document(Document, hash: String)
        /// The hash is empty if another attempt may succeed with the same contents.
        case skipped(SkipReason, hash: String)
    }

    /// - Parameter known: The hash of the contents in the index.
    private func contents(of file: FoundFile, unless known: String?, limit: Int) -> Contents {
        if file.size > limit { return .skipped(.tooLarge(bytes: file.size, limit: limit), hash: "") }
        let bytes: [UInt8]
        do throws(FileError) { bytes = try InputFile.contents(of: file.path) } catch {
            if case .unreadable(_, let reason) = error { return .skipped(.unreadable(reason), hash: "") }
            return .skipped(.unreadable(error.description), hash: "")
        }
        let hash = Digest.text(of: bytes)
        if hash == known { return .same }
        do throws(SkipReason) {
            return .document(try reader.document(bytes, name: file.name, path: file.path), hash: hash)
        } catch { return .skipped(error, hash: error.isPermanent ? hash : "") }
    }

    /// The files that belong to an index, by their absolute paths.
    private func files(of index: String) -> Set<String> {
        guard let folder = try? RelativePath.absolute(RelativePath.folder(ofFileAt: index)),
            let name = index.split(separator: "/").last else { return [] }
        let path = (folder == "/" ? "" : folder) + "/" + name
        return [path, path + ".part", path + "-journal", path + ".part-journal"]
    }
}
