import Files
import Store

/// What a server keeps on its disk of a library: its files, each in a folder that has its id as its name, and their index.
///
///     documents/LIBRARY/files/UPLOAD/pump.md
///     documents/LIBRARY/index
///     documents/LIBRARY/revision           of the library, when the index was made
///
/// All of it is made from the database, and made again if it is gone.
struct LibraryFolder {
    private let path: String

    init(_ id: LibraryID, in directory: String) { path = "\(directory)/\(id)" }

    var files: String { path + "/files" }
    var index: String { path + "/index" }
    var hasIndex: Bool { Folder.contains("index", in: path) }

    /// What the index calls a file, below `files`: the last part of its name is what people know it by.
    static func name(of upload: Upload) -> String {
        "\(upload.id)/\(RelativePath.fileName(of: upload.name))"
    }

    /// The file that an index calls so, with or without the folders before `files`.
    static func upload(ofFile name: String) -> UploadID? {
        let parts = name.split(separator: "/")
        return parts.count > 1 ? UploadID(String(parts[parts.count - 2])) : nil
    }

    /// The revision of the library that the index has; nil if there is no index.
    var revision: Int? {
        guard hasIndex, let text = try? InputFile.contents(of: path + "/revision") else { return nil }
        return Int(String(decoding: text, as: UTF8.self))
    }

    func setRevision(_ revision: Int) throws(FileError) { try AtomicFile.write("\(revision)", to: path + "/revision") }

    /// Taken by what changes the folder; nil if a program does that already.
    func lock() throws(FileError) -> FileLock? {
        try Folder.create(path)
        return try FileLock(path + "/lock")
    }

    func removeIndex() { for name in ["index", "index-journal", "revision"] { Folder.removeAll("\(path)/\(name)") } }

    /// Removes other files than these.
    ///
    /// - Returns: Those that are missing.
    func keepOnly(_ wanted: [Upload]) throws(FileError) -> [Upload] {
        try Folder.create(files)
        let ids = Set(wanted.map(\.id.description))
        var found: Set<String> = []
        for name in Folder.names(in: files) ?? [] {
            if ids.contains(name) { found.insert(name) } else { Folder.removeAll("\(files)/\(name)") }
        }
        return wanted.filter { !found.contains($0.id.description) }
    }

    /// Adds a file. The index sees it when it is complete: folders whose names begin with a dot are not read.
    func add(_ upload: Upload, _ bytes: [UInt8]) throws(FileError) {
        try Folder.create("\(files)/.new/\(upload.id)")
        try AtomicFile.write(bytes, to: "\(files)/.new/\(Self.name(of: upload))")
        try Folder.rename("\(files)/.new/\(upload.id)", to: "\(files)/\(upload.id)")
    }

    func remove(_ upload: Upload) { Folder.removeAll("\(files)/\(upload.id)") }
}
