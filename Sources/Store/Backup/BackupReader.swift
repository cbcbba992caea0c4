import Files
import Gzip
import JSON

/// Reads a backup from front to back and checks it: the order and the size of its files, their checksums, every row, the number of rows.
///
///     var reader = try BackupReader(path)
///     while let member = try reader.next() {
///         if case .table(let name) = member { while let row = try reader.nextRow() { … } }
///     }
///
/// What is not read is checked, too. A backup is whole if `next` has returned nil.
struct BackupReader: ~Copyable {
    enum Member: Equatable { case table(BackupManifest.Table), checkpoint(String) }

    /// The longest line, far beyond that of the longest message.
    private static let maxLine = 1 << 28
    private static let maxManifest = 1 << 20

    let manifest: BackupManifest
    /// The checksums so far, as in SHA256SUMS.
    private(set) var sums: String
    private var tar: TarReader
    private var parser: JSONParser
    private var index = 0
    private var member: Member?
    /// The lines of the current table that are not returned yet, from `start` on, and the number of those that are.
    private var lines: [UInt8] = []
    private var start = 0, row = 0
    private var gzip = GzipDecompressor()

    init(_ path: String) throws(StoreError) {
        var tar = try TarReader(path)
        let (manifest, sum) = try Self.manifest(from: &tar)
        self.init(manifest, sums: sum, tar)
    }

    private init(_ manifest: BackupManifest, sums: String, _ tar: consuming TarReader) {
        self.manifest = manifest
        self.sums = sums
        self.tar = tar
        parser = JSONParser()
    }

    private static func manifest(from tar: inout TarReader) throws(StoreError) -> (BackupManifest, sum: String) {
        guard let header = try tar.next(), header.name == BackupManifest.fileName, header.size <= maxManifest else {
            throw .backup(.notABackup(path: tar.path, found: "it does not begin with \(BackupManifest.fileName)"))
        }
        var json: [UInt8] = []
        while let part = try tar.nextPart() { json += part }
        let manifest = try BackupManifest(json: json, of: tar.path)
        return (manifest, "\(try tar.end())  \(BackupManifest.fileName)\n")
    }

    var path: String { tar.path }
    /// The share that is read, from 0 to 1.
    var fraction: Double { tar.size.map { Double(tar.offset) / Double(max(1, $0)) } ?? 0 }

    /// Checks the rest of the current file and goes to the next one; nil at the end.
    mutating func next() throws(StoreError) -> Member? {
        if let member {
            if case .table = member { while try nextRow() != nil {} }
            sums += "\(try tar.end())  \(manifest.fileNames[index])\n"
            self.member = nil
            index += 1
        }
        let names = manifest.fileNames
        guard index < names.count else {
            try finish()
            return nil
        }
        guard let header = try tar.next(), header.name == names[index] else { throw tar.damaged("the file \(names[index]) is missing") }
        row = 0
        gzip = GzipDecompressor()
        let next = index < manifest.tables.count
            ? Member.table(manifest.tables[index]) : .checkpoint(manifest.checkpoints[index - manifest.tables.count])
        member = next
        return next
    }

    /// The next row of the current table; nil at its end.
    mutating func nextRow() throws(StoreError) -> JSONElement? {
        guard case .table(let table)? = member else { preconditionFailure("no table is being read") }
        while true {
            if let end = lines.firstIndex(of: 0x0A, in: start..<lines.count) {
                let line = Array(lines[start..<end])
                start = end + 1
                row += 1
                guard row <= table.rows else { throw tar.damaged("table \(table.name) has more than its \(table.rows) rows") }
                do throws(JSONError) { return try parser.parse(line) } catch { throw invalidRow("\(error)") }
            }
            lines.removeFirst(start)
            start = 0
            guard lines.count <= Self.maxLine else { throw invalidRow("it is longer than \(Self.maxLine) bytes") }
            guard let part = try tar.nextPart() else { break }
            do throws(GzipError) { try gzip.decompress(part, into: &lines) } catch { throw invalidRow("\(error)") }
        }
        guard gzip.isAtEnd, lines.isEmpty, row == table.rows else {
            throw tar.damaged("table \(table.name) ends after \(row) of its \(table.rows) rows")
        }
        return nil
    }

    /// The next bytes of the current checkpoint; nil at its end.
    mutating func nextPart() throws(StoreError) -> [UInt8]? { try tar.nextPart() }

    /// An error in the current row.
    func invalidRow(_ reason: String) -> StoreError {
        guard case .table(let table)? = member else { preconditionFailure("no table is being read") }
        return tar.damaged("table \(table.name), row \(row): \(reason)")
    }

    /// Compares the checksums.
    private mutating func finish() throws(StoreError) {
        guard let header = try tar.next(), header.name == BackupManifest.sumsName, header.size == sums.utf8.count else {
            throw tar.damaged("the file \(BackupManifest.sumsName) is missing")
        }
        var text: [UInt8] = []
        while let part = try tar.nextPart() { text += part }
        _ = try tar.end()
        let stored = String(decoding: text, as: UTF8.self).split(separator: "\n"), computed = sums.split(separator: "\n")
        for (stored, computed) in zip(stored, computed) where stored != computed {
            throw tar.damaged("the checksum of \(computed.drop { $0 != " " }.dropFirst(2)) is wrong")
        }
        guard text == Array(sums.utf8), try tar.next() == nil else { throw tar.damaged("bytes follow its files") }
    }
}
