import Files
import Hashing
import Tokenize

/// A cache of folders that are made from chat files, such as token files. A folder is reused as long as its files are unchanged.
///
///     let cache = DatasetCache(in: "/home/me/.cache/slm")
///     let tokens = try cache.folder(for: ["chats.txt"], recipe: "tokens, share 0.1") { folder in
///         try encoder.write(["chats.txt"], to: folder, on: pool)
///     }
///
/// A folder's name is a hash of its files (their paths, sizes and modification times) and its recipe; a file in it contains both as text,
/// so a hash collision is detected. Folders are created atomically. The cache may be deleted at any time; the least recently used folders
/// are evicted when it is full.
package struct DatasetCache {
    private let root: String
    private let maxBytes: Int
    private static let keyFile = "made-from.txt"

    /// - Parameter maxBytes: the size of the cache. Folders used within the last hour are not evicted: a process may be about to open them.
    package init(in root: String, maxBytes: Int = 4 << 30) {
        self.root = root
        self.maxBytes = maxBytes
    }

    /// Returns the cached folder, or makes it.
    ///
    /// - Parameters:
    ///   - paths: files, and folders of chat files.
    ///   - recipe: everything else that the folder's contents depend on.
    ///   - isUsable: whether a cached folder can be read. One that cannot is made again.
    ///   - make: fills a folder.
    package func folder(
        for paths: [String], recipe: String, isUsable: (_ folder: String) -> Bool = { _ in true }, _ make: (_ folder: String) throws -> Void
    ) throws -> String {
        let key = Array(try Self.key(paths, recipe).utf8), path = "\(root)/\(Digest.text(of: key))"
        if try Folder.contains(Self.keyFile, in: path) && InputFile.contents(of: "\(path)/\(Self.keyFile)") == key,
            isUsable(path) {
            CachedFolder.touch(path, marker: Self.keyFile)
            return path
        }
        if Folder.contains(Self.keyFile, in: path) { Folder.removeAll(path) }
        try Folder.createAtomically(path) { part in
            try make(part)
            try AtomicFile.write(key, to: "\(part)/\(Self.keyFile)")
        }
        evictOldest()
        return path
    }

    private func evictOldest() {
        var sum = 0
        for folder in CachedFolder.all(in: root, marker: Self.keyFile).sorted(by: { $0.lastUsed > $1.lastUsed }) {
            sum += folder.bytes
            if sum > maxBytes, folder.secondsUnused > 3_600 { folder.remove() }
        }
    }

    /// The recipe, and the path, size and modification time of each file.
    package static func key(_ paths: [String], _ recipe: String) throws(CorpusError) -> String {
        let all = try mapFileError { () throws(FileError) in try Folder.files(at: paths, withExtensions: CorpusBlocks.fileExtensions) }
        var lines = [recipe]
        for path in all { lines.append(try mapFileError { () throws(FileError) in try FileStamp(path) }.description) }
        return lines.joined(separator: "\n") + "\n"
    }
}
