import Files

/// A file that an index may contain.
struct FoundFile: Sendable, Equatable {
    /// As it is shown.
    let name: String
    let path: String
    let size: Int
    let modified: Int
}

/// A file that was left out, and why.
package struct SkippedFile: Sendable, Equatable {
    package let name: String
    package let reason: String
}

/// Something that `slm index build` was given.
struct IndexRoot: Sendable, Equatable {
    /// As it was given.
    let name: String
    /// Absolute.
    let path: String

    /// What the names of files in the folder begin with.
    var prefix: String { name == "." ? "" : name.hasSuffix("/") ? name : name + "/" }

    func contains(_ file: String) -> Bool { file == name || file.hasPrefix(prefix) }

    /// The absolute path of a file that the root contains.
    func path(of file: String) -> String { file == name ? path : "\(path)/\(file.dropFirst(prefix.count))" }
}

/// Looks for files in folders, sorted by the bytes of their names.
///
/// Hidden files and folders are left out, and links to folders are not followed, so that nothing is read twice.
struct DocumentWalk {
    private(set) var files: [FoundFile] = []
    private(set) var skipped: [SkippedFile] = []
    /// What the names of the files in them begin with.
    private(set) var unreadableFolders: [String] = []
    private var seen: Set<String>

    /// - Parameter excluded: Absolute paths of files that are left out: those of the index itself.
    init(_ roots: [IndexRoot], excluding excluded: Set<String>) {
        seen = excluded
        for root in roots {
            if FileStatus(root.path)?.kind == .folder {
                walk(root.path, root.prefix)
            } else { add(root.path, root.name) }
        }
    }

    /// - Parameter prefix: What the names of files in the folder begin with.
    private mutating func walk(_ folder: String, _ prefix: String) {
        guard let names = Folder.names(in: folder) else {
            unreadableFolders.append(prefix)
            return skip(folder, prefix, .unreadable(systemErrorMessage()))
        }
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !name.hasPrefix(".") {
            let path = folder + "/" + name
            guard let status = FileStatus(path, followingLinks: false) else {
                skip(path, prefix + name, .unreadable(systemErrorMessage()))
                continue
            }
            switch status.kind {
            case .folder: walk(path, prefix + name + "/")
            case .link where FileStatus(path)?.kind == .folder: break
            default: add(path, prefix + name)
            }
        }
    }

    private mutating func add(_ path: String, _ name: String) {
        guard let status = FileStatus(path) else { return skip(path, name, .unreadable(systemErrorMessage())) }
        guard status.kind == .file else { return skip(path, name, .notAFile) }
        guard let real = try? RelativePath.absolute(path), seen.insert(real).inserted else { return }
        files.append(FoundFile(name: name, path: path, size: status.size, modified: status.modified))
    }

    private mutating func skip(_ path: String, _ name: String, _ reason: SkipReason) {
        if seen.insert(path).inserted { skipped.append(SkippedFile(name: name, reason: reason.description)) }
    }
}
