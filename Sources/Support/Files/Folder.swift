import Glibc

/// Operations on folders.
///
///     let files = try Folder.files(at: ["data", "more.txt"], withExtensions: [".txt", ".jsonl"])
package enum Folder {
    /// Expands paths to files, in the order of the paths. A folder is searched recursively for files with one of the extensions, sorted by
    /// the bytes of their names; hidden files and symbolic links to folders are skipped. Other paths, and "-", are returned unchanged.
    package static func files(at paths: [String], withExtensions extensions: [String]) throws(FileError) -> [String] {
        var result: [String] = []
        for path in paths {
            guard path != "-", try kind(of: path) == .folder else {
                result.append(path)
                continue
            }
            let found = try walk(path, extensions)
            if found.isEmpty { throw .noMatchingFiles(folder: path, extensions: extensions) }
            result += found
        }
        return result
    }

    /// Deletes files; those that do not exist are ignored.
    package static func remove(_ names: [String], in folder: String) throws(FileError) {
        for name in names where unlink("\(folder)/\(name)") != 0 && errno != ENOENT {
            throw .notWritten(path: "\(folder)/\(name)", reason: systemErrorMessage())
        }
    }

    package static func contains(_ name: String, in folder: String) -> Bool { access("\(folder)/\(name)", F_OK) == 0 }

    /// Whether two paths name the same file or folder. False if one does not exist.
    package static func isSame(_ path: String, _ other: String) -> Bool {
        var status = stat(), otherStatus = stat()
        return stat(path, &status) == 0 && stat(other, &otherStatus) == 0 && isSame(status, otherStatus)
    }

    /// Whether a path names an open file. False after another program has moved the file away or deleted it.
    package static func isSame(_ path: String, _ descriptor: Int32) -> Bool {
        var named = stat(), open = stat()
        return stat(path, &named) == 0 && fstat(descriptor, &open) == 0 && isSame(named, open)
    }

    private static func isSame(_ status: stat, _ other: stat) -> Bool { status.st_dev == other.st_dev && status.st_ino == other.st_ino }

    /// Whether files can be created in a folder.
    package static func isWritable(_ path: String) -> Bool { access(path, W_OK | X_OK) == 0 }

    /// Creates the folder that a file is to be written in, with its parents, if it does not exist.
    package static func create(forFileAt path: String) throws(FileError) {
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try create(String(path[..<slash])) }
    }

    /// Creates a folder with its parents, if it does not exist.
    package static func create(_ path: String) throws(FileError) {
        var end = path.startIndex
        repeat {
            end = path[end...].dropFirst().firstIndex(of: "/") ?? path.endIndex
            let folder = String(path[..<end])
            if mkdir(folder, 0o777) == 0 { continue }
            guard errno == EEXIST else { throw .notWritten(path: folder, reason: systemErrorMessage()) }
            guard try kind(of: folder) == .folder else { throw .notWritten(path: folder, reason: "it is not a folder") }
        } while end < path.endIndex
    }

    private enum Kind { case file, folder }

    private static func kind(of path: String) throws(FileError) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        return status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }

    /// Creates a folder atomically: it gets its name when `fill` has returned. If another process has created it in the meantime, that
    /// folder is used.
    ///
    ///     try Folder.createAtomically("tokens") { part in try write(to: part) }
    package static func createAtomically(_ path: String, fill: (_ part: String) throws -> Void) throws {
        try create(forFileAt: path)
        removeAbandonedParts(in: RelativePath.folder(ofFileAt: path))
        let part = "\(path).part.\(getpid())"
        try create(part)
        do {
            try fill(part)
            guard Glibc.rename(part, path) == 0 || contains("", in: path) else {
                throw FileError.notWritten(path: path, reason: systemErrorMessage())
            }
        } catch {
            removeAll(part)
            throw error
        }
        removeAll(part)
    }

    /// Deletes the parts of processes that no longer run.
    private static func removeAbandonedParts(in folder: String) {
        for name in names(in: folder) ?? [] {
            guard let part = name.ranges(of: ".part.").last, let owner = pid_t(name[part.upperBound...]) else { continue }
            if kill(owner, 0) != 0, errno == ESRCH { removeAll(folder + "/" + name) }
        }
    }

    /// Gives a file or a folder another name on the same file system.
    package static func rename(_ path: String, to name: String) throws(FileError) {
        guard Glibc.rename(path, name) == 0 else { throw .writing(name, after: nil) }
    }

    /// Deletes a file, or a folder with its contents, as far as permitted.
    package static func removeAll(_ path: String) {
        guard unlink(path) != 0 else { return }
        for name in names(in: path) ?? [] { removeAll(path + "/" + name) }
        rmdir(path)
    }

    /// The names of all files in a folder; nil if it cannot be read.
    package static func names(in folder: String) -> [String]? {
        guard let handle = opendir(folder) else { return nil }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func walk(_ folder: String, _ extensions: [String]) throws(FileError) -> [String] {
        guard let names = names(in: folder) else { throw .unreadable(path: folder, reason: systemErrorMessage()) }
        var result: [String] = []
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !name.hasPrefix(".") {
            let path = folder.hasSuffix("/") ? folder + name : folder + "/" + name
            var own = stat()
            guard lstat(path, &own) == 0 else { continue }            // deleted in the meantime
            let isLink = own.st_mode & S_IFMT == S_IFLNK
            guard let kind = isLink ? try? kind(of: path) : own.st_mode & S_IFMT == S_IFDIR ? Kind.folder : .file else { continue }
            if kind == .folder {
                if !isLink { result += try walk(path, extensions) }
            } else if extensions.contains(where: name.hasSuffix) {
                result.append(path)
            }
        }
        return result
    }
}
