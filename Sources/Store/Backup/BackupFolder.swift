package import Files

/// A folder of backups whose names have the time, such as `slm-20261121T120000Z.tar`.
///
///     let folder = BackupFolder("backups")
///     try Backup.write(url, to: folder.path(at: now), by: program)
///     try folder.keep(newest: 14)
package struct BackupFolder: Sendable {
    private static let prefix = "slm-", suffix = ".tar"
    private let folder: String

    package init(_ folder: String) { self.folder = folder }

    /// The path of a backup that is made at a time.
    package func path(at time: Timestamp) -> String {
        let digits = time.description.prefix(19).filter { $0 != "-" && $0 != ":" }                // 20261121T120000
        return "\(folder)/\(Self.prefix)\(digits)Z\(Self.suffix)"
    }

    /// The names of the backups, oldest first. Files with other names are not among them.
    package var names: [String] {
        (Folder.names(in: folder) ?? []).filter { name in
            guard name.hasPrefix(Self.prefix), name.hasSuffix("Z" + Self.suffix) else { return false }
            let time = name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count + 1).utf8
            return time.count == 15 && time.enumerated().allSatisfy { i, byte in
                i == 8 ? byte == UInt8(ascii: "T") : byte.isDigit
            }
        }.sorted()
    }

    /// Deletes all but the newest backups.
    ///
    /// - Returns: The paths of deleted files.
    package func keep(newest count: Int) throws(FileError) -> [String] {
        let old = names.dropLast(count)
        try Folder.remove(Array(old), in: folder)
        return old.map { "\(folder)/\($0)" }
    }
}
