import Files
import SQLite

/// Names of files, as others than the owner of the files may see them.
extension DocumentIndex {
    /// Passages whose files are named from what was indexed on: `pump.md` for `/home/ada/notes/pump.md` if `/home/ada/notes` was given to
    /// `slm index build`. Relative names stay.
    func withoutFolders(_ passages: [Passage]) throws(DocumentError) -> [Passage] {
        guard passages.contains(where: { $0.file.hasPrefix("/") }) else { return passages }
        let roots = try run { () throws(SQLiteError) in try IndexWriter(self).roots() }
        return passages.map { passage in
            var passage = passage
            passage.file = Self.name(of: passage.file, below: roots)
            return passage
        }
    }

    static func name(of file: String, below roots: [IndexRoot]) -> String {
        guard file.hasPrefix("/") else { return file }
        let folder = roots.map(\.prefix).filter { $0.hasPrefix("/") && file.hasPrefix($0) }.max { $0.utf8.count < $1.utf8.count }
        guard let folder else { return RelativePath.fileName(of: file) }
        return String(file.dropFirst(folder.count))
    }
}
