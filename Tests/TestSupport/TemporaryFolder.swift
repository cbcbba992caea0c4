import Glibc

/// A folder that is removed when the test ends.
package final class TemporaryFolder {
    package let path: String

    /// The environment variable TMPDIR overrides both defaults.
    private static var chosen: String? { getenv("TMPDIR").map { String(cString: $0) } }
    package static var onDisk: String { chosen ?? "/tmp" }
    /// A folder in memory, if there is one, where syncing to disk costs nothing.
    package static var inMemory: String { chosen ?? (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") }

    package init(in parent: String = onDisk) {
        var name = Array("\(parent)/slm-tests-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { fatalError("no temporary folder") }
        path = String(decoding: name.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    deinit { remove(path) }

    package func callAsFunction(_ name: String) -> String { path + "/" + name }

    @discardableResult
    package func write(_ text: String, to name: String) -> String { write(Array(text.utf8), to: name) }

    @discardableResult
    package func write(_ bytes: [UInt8], to name: String) -> String {
        unlink(self(name))          // ext4 waits for the disk when a file is overwritten, but not for a new file
        guard let file = fopen(self(name), "w"), fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else {
            fatalError("\(name) cannot be written")
        }
        return self(name)
    }

    /// The names of all files, including hidden ones.
    package var names: [String] { Self.names(in: path).sorted() }

    package static func names(in path: String) -> [String] {
        guard let handle = opendir(path) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    private func remove(_ path: String) {
        for name in Self.names(in: path) where unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
        rmdir(path)
    }
}
