import Glibc

/// Identifies a version of a file by its path, size and modification time.
///
///     try FileStamp("chats.txt").description                   // /home/me/chats.txt 52680697 1763648385.201744000
package struct FileStamp: Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ path: String) throws(FileError) {
        var status = stat()
        guard stat(path, &status) == 0, let real = realpath(path, nil) else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        defer { free(real) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(path: path, reason: "it is not a regular file, so it cannot be read twice")
        }
        description = "\(String(cString: real)) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}
