import Glibc

/// Complete files that still have the names of their parts. They get their names together, or are removed with this object.
///
///     let parts = FinishedFiles()
///     let part = try file.finish(into: parts)                  // an AtomicFile; data/train-00001.bin.part
///     try parts.rename([part: "data/train-00001-of-00002.bin"])
///
/// Unlike ``AtomicFile``, which keeps its file open, it can hold any number of files whose names are not known while they are written.
package final class FinishedFiles {
    private var parts: Set<String> = []

    package init() {}

    deinit { for part in parts { unlink(part) } }

    func add(_ part: String) { parts.insert(part) }

    /// Renames parts of one folder.
    package func rename(_ names: [(part: String, path: String)]) throws(FileError) {
        for (part, path) in names {
            precondition(parts.contains(part), "\(part) is not a finished file")
            guard Glibc.rename(part, path) == 0 else { throw .writing(path, after: 0) }
            parts.remove(part)
        }
        if let last = names.last { AtomicFile.syncFolder(of: last.path) }
    }
}
