import Glibc
import Synchronization

/// A temporary folder that only this user can access. It is deleted with this value.
///
///     let folder = try ScratchFolder()
///     try encoding.write(paths, to: folder.path, on: pool)
package struct ScratchFolder: ~Copyable {
    package let path: String
    private static let paths = Mutex<Set<String>>([])

    package init() throws(FileError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array("\(parent)/slm-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw .notWritten(path: "\(parent)/slm-XXXXXX", reason: systemErrorMessage()) }
        let path = String(decoding: name.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
        self.path = path
        Self.paths.withLock { _ = $0.insert(path) }
    }

    deinit {
        Folder.removeAll(path)
        let path = path
        Self.paths.withLock { _ = $0.remove(path) }
    }

    /// Deletes all folders of this process, which is about to end in the middle of its work.
    package static func removeAll() { for path in paths.withLock({ $0 }) { Folder.removeAll(path) } }
}
