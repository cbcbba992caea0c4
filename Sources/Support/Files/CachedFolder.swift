import Glibc

/// A folder in a cache. A marker file in it shows that the folder is complete and when it was last used.
///
///     let oldest = CachedFolder.all(in: cache, marker: "made-from.txt").min { $0.lastUsed < $1.lastUsed }
///     oldest?.remove()
package struct CachedFolder {
    package let path: String
    /// The size of its files.
    package let bytes: Int
    /// Seconds since 1970.
    package let lastUsed: Int
    private let marker: String

    /// The folders in `root` that contain the marker file.
    package static func all(in root: String, marker: String) -> [CachedFolder] {
        (Folder.names(in: root) ?? []).compactMap { CachedFolder("\(root)/\($0)", marker) }
    }

    private init?(_ path: String, _ marker: String) {
        guard let status = Self.status("\(path)/\(marker)"), let names = Folder.names(in: path) else { return nil }
        self.path = path
        self.marker = marker
        lastUsed = status.st_mtim.tv_sec
        bytes = names.reduce(0) { $0 + Int(Self.status("\(path)/\($1)")?.st_size ?? 0) }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    /// Records that a folder is used now. Does nothing in a read-only cache.
    package static func touch(_ path: String, marker: String) { _ = utimensat(AT_FDCWD, "\(path)/\(marker)", nil, 0) }

    /// Removes the marker first, so that other processes do not use a partly deleted folder.
    package func remove() {
        unlink("\(path)/\(marker)")
        Folder.removeAll(path)
    }

    package var secondsUnused: Int { time(nil) - lastUsed }
}
