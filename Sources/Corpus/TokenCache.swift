import Files
import Tokenize

/// Folders of what was made from files of chats, kept for the next time: found again while the files are what they were, made anew else.
///
///     let cache = DatasetCache(in: "/home/me/.cache/slm")
///     let tokens = try cache.folder(of: ["chats.txt"], made: "tokens, share 0.1") { folder in try encoding.write(["chats.txt"], to: folder, on: pool) }
///
/// A folder's name is a hash of the files (their paths, sizes and times) and of how it is made; a file in it has that in words, so that two
/// of one name are
/// not taken for each other. It is whole or not there. All of it may be deleted at any time; what was not used for longest is, when there
/// is too much.
package struct DatasetCache {
    private let root: String
    private let mostBytes: Int
    private static let keyFile = "made-from.txt"

    /// - Parameter bytes: so many are kept, and what was used within the last hour: somebody may be about to open it.
    package init(in root: String, atMost bytes: Int = 4 << 30) {
        self.root = root
        mostBytes = bytes
    }

    /// - Parameters:
    ///   - paths: files, and folders that stand for the chats in them.
    ///   - manner: all that, beside the files, what is made depends on.
    ///   - make: fills a folder.
    package func folder(of paths: [String], made manner: String, _ make: (_ folder: String) throws -> Void) throws -> String {
        let key = try Self.key(paths, manner)
        var hash = FNV1a()
        hash.add(key)
        let path = "\(root)/\(hash.digits)"
        if Folder.contains(Self.keyFile, in: path), try InputFile.contents(of: "\(path)/\(Self.keyFile)") == Array(key.utf8) {
            CachedFolder.use(path, markedBy: Self.keyFile)
            return path
        }
        if Folder.contains(Self.keyFile, in: path) { Folder.removeAll(path) }
        try Folder.createAtomically(path) { part in
            try make(part)
            var file = try AtomicFile("\(part)/\(Self.keyFile)")
            try file.write(Array(key.utf8))
            try file.commit()
        }
        forgetOldest()
        return path
    }

    private func forgetOldest() {
        var sum = 0
        for folder in CachedFolder.all(in: root, markedBy: Self.keyFile).sorted(by: { $0.lastUse > $1.lastUse }) {
            sum += folder.bytes
            if sum > mostBytes, folder.secondsUnused > 3_600 { folder.remove() }
        }
    }

    private static func key(_ paths: [String], _ manner: String) throws(CorpusError) -> String {
        let all = try files { () throws(FileError) in try Folder.files(at: paths, withExtensions: CorpusBlocks.fileExtensions) }
        var lines = [manner]
        for path in all { lines.append(try files { () throws(FileError) in try FileStamp(path) }.description) }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension TokenMeta {
    /// What tells whether tokens are those that a training began with, wherever they lie.
    package var identity: String {
        "vocabulary \(fingerprint), seed \(seed), "
            + DatasetSplit.allCases.map { part in
                let counts = counts(of: part)
                return
                    "\(part.rawValue) \(counts.conversations) conversations, \(counts.tokens) tokens, \(counts.turns) turns, \(counts.bytes.total) bytes"
            }.joined(separator: ", ")
    }
}
