import Glibc

/// A temporary folder that only this user can access. It is deleted with this value.
///
///     let folder = try ScratchFolder()
///     try encoding.write(paths, to: folder.path, on: pool)
package struct ScratchFolder: ~Copyable {
    package let path: String

    package init() throws(FileError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array("\(parent)/slm-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw .notWritten(path: "\(parent)/slm-XXXXXX", reason: systemErrorMessage()) }
        path = String(decoding: name.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    deinit { Folder.removeAll(path) }
}
