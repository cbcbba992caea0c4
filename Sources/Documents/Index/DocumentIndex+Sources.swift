import Files
import Hashing
import SQLite

/// What has become of a file since it was indexed.
package enum SourceState: String, Sendable {
    case unchanged
    /// It has other contents.
    case changed
    /// It is not where it was: it was moved or deleted, or the index was made on another machine.
    case missing
}

/// Some passages of a file in the order of the text.
package struct FilePassages: Sendable, Equatable {
    /// How many the file has.
    package let total: Int
    package let passages: [Passage]
    package let state: SourceState
}

/// A file as it was when it was indexed.
struct IndexedSource: Sendable {
    let name: String
    let path: String
    let stored: StoredFile

    /// Reads the file if its time alone is another one, as that of a copy is.
    var state: SourceState {
        guard let status = FileStatus(path), status.kind == .file else { return .missing }
        guard status.size == stored.size else { return .changed }
        if stored.isCurrent(FoundFile(name: name, path: path, size: status.size, modified: status.modified)) { return .unchanged }
        guard let bytes = try? InputFile.contents(of: path) else { return .missing }
        return Digest.text(of: bytes) == stored.hash ? .unchanged : .changed
    }
}

extension DocumentIndex {
    /// The file that others than its owner know by a name: see ``withoutFolders(_:)``. Throws if there is none, or more than one.
    func source(named name: String) throws(DocumentError) -> IndexedSource {
        let (roots, sources) = try run { () throws(SQLiteError) in
            let roots = try IndexWriter(self).roots()
            var sources: [IndexedSource] = []
            try connection.execute("""
                SELECT \(StoredFile.columns) FROM files WHERE skipped IS NULL AND substr(name, -length($1)) = $1
                """, [.text(name)]) { row in
                let file = row.text("name"), root = roots.first { $0.contains(file) }
                sources.append(IndexedSource(name: file, path: root?.path(of: file) ?? file, stored: StoredFile(row)))
            }
            return (roots, sources)
        }
        let found = sources.filter { Self.name(of: $0.name, below: roots) == name }
        guard let source = found.first else { throw .noSuchFile(name: name, index: path, suggestion: nil) }
        guard found.count == 1 else { throw .ambiguousFile(name: name, index: path, count: found.count) }
        return source
    }
}
