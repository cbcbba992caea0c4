import Glibc

/// What a path leads to.
///
///     guard let status = FileStatus("notes", followingLinks: false), status.kind == .folder else { … }
package struct FileStatus: Sendable, Equatable {
    package enum Kind: Sendable { case file, folder, link, other }

    package let kind: Kind
    /// In bytes.
    package let size: Int
    /// When its contents were last changed, in nanoseconds since 1970.
    package let modified: Int

    /// - Parameter followingLinks: Whether a symbolic link is followed. If not, its kind is `link`.
    /// - Returns: nil if there is no such file, or it cannot be seen; `errno` has the reason.
    package init?(_ path: String, followingLinks: Bool = true) {
        var status = stat()
        guard (followingLinks ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
        kind = switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .link
        default: .other
        }
        size = Int(status.st_size)
        // A damaged file system may have any time.
        modified = status.st_mtim.tv_sec.multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ status.st_mtim.tv_nsec
    }
}
