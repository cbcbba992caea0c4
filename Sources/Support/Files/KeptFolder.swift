import Glibc

/// One of many folders that are kept as long as there is room, such as those of a cache. A file in it, its mark, says that it is whole, and
/// when it was last used.
///
///     let oldest = CachedFolder.all(in: cache, markedBy: "made-from.txt").min { $0.lastUse < $1.lastUse }
///     oldest?.remove()
package struct CachedFolder {
    package let path: String
    /// Of the files in it.
    package let bytes: Int
    /// Seconds since 1970.
    package let lastUse: Int
    private let mark: String

    /// The folders in a folder that have such a mark.
    package static func all(in root: String, markedBy mark: String) -> [CachedFolder] {
        (Folder.names(in: root) ?? []).compactMap { CachedFolder("\(root)/\($0)", mark) }
    }

    private init?(_ path: String, _ mark: String) {
        guard let use = Self.status("\(path)/\(mark)"), let names = Folder.names(in: path) else { return nil }
        self.path = path
        self.mark = mark
        lastUse = use.st_mtim.tv_sec
        bytes = names.reduce(0) { $0 + Int(Self.status("\(path)/\($1)")?.st_size ?? 0) }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    /// Says that a folder is used now; where nobody may write, nothing happens.
    package static func use(_ path: String, markedBy mark: String) { _ = utimensat(AT_FDCWD, "\(path)/\(mark)", nil, 0) }

    /// The mark goes first: who looks meanwhile sees no whole folder.
    package func remove() {
        unlink("\(path)/\(mark)")
        Folder.removeAll(path)
    }

    package var secondsUnused: Int { time(nil) - lastUse }
}
