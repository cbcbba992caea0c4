import Files

extension Backup {
    /// Copies the checkpoints of a backup into a folder: `first/best.h5` becomes `checkpoints/first/best.h5` for the folder `checkpoints`.
    ///
    /// - Parameter replaces: Whether files are replaced. Otherwise nothing is written if one of them exists.
    /// - Returns: The paths of the files.
    package static func extractCheckpoints(
        of path: String, to folder: String, replaces: Bool, progress: Progress = { _, _ in }
    ) throws(StoreError) -> [String] {
        var reader = try BackupReader(path)
        let paths = reader.manifest.checkpoints.map { "\(folder)/\($0)" }
        for path in paths where !replaces && FileStatus(path) != nil {
            throw .backup(.file(.notWritten(path: path, reason: "it exists; choose another folder, or replace it with --replace")))
        }
        while let member = try reader.next() {
            guard case .checkpoint(let name) = member else { continue }
            let path = "\(folder)/\(name)"
            try withFileErrors { () throws(FileError) in try Folder.create(forFileAt: path) }
            var file = try withFileErrors { () throws(FileError) in try AtomicFile(path) }
            while let part = try reader.nextPart() {
                do throws(FileError) { try file.write(part) } catch { throw .backup(.file(error)) }
                progress(.restoring, reader.fraction)
            }
            do throws(FileError) { try file.commit() } catch { throw .backup(.file(error)) }
        }
        return paths
    }
}
