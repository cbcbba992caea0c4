import Files
import JSON

/// The lines of a file of JSON objects, to which lines are appended for hours: a killed program may have left a part of the last one.
struct WholeLines {
    let texts: [String]
    private let path: String
    private let isCut: Bool

    /// No lines if there is no file.
    init(of path: String) throws {
        self.path = path
        guard (try? FileStamp(path)) != nil else {
            texts = []
            isCut = false
            return
        }
        var lines = try LineBlocks.nonEmptyLines(of: path), parser = JSONParser()
        isCut = lines.last.map { (try? parser.parse($0)) == nil } ?? false
        if isCut { lines.removeLast() }
        texts = lines
    }

    /// Removes the part of a line from the file.
    func removeCutLine() throws {
        if isCut { try AtomicFile.write(texts.map { $0 + "\n" }.joined(), to: path) }
    }
}
