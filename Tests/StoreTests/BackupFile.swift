import Foundation
import Gzip
import Secrets

/// The files of a backup, read and written by an implementation of tar that knows nothing of `Backup`.
struct BackupFile {
    var members: [(name: String, bytes: [UInt8])] = []

    init(_ path: String) throws {
        let archive = Array(try Data(contentsOf: URL(filePath: path)))
        var at = 0
        while archive[at] != 0 {
            let name = String(decoding: archive[at..<at + 100].prefix { $0 != 0 }, as: UTF8.self)
            let size = Int(String(decoding: archive[at + 124..<at + 135], as: UTF8.self), radix: 8) ?? 0
            members.append((name, Array(archive[at + 512..<at + 512 + size])))
            at += 512 + (size + 511) / 512 * 512
        }
    }

    var names: [String] { members.map(\.name) }

    /// The offsets at which the parts of the archive begin.
    var borders: [Int] {
        members.reduce(into: [0]) { borders, member in
            let start = borders[borders.count - 1]
            borders += [start + 512, start + 512 + member.bytes.count, start + 512 + (member.bytes.count + 511) / 512 * 512]
        }
    }

    func lines(of table: String) throws -> [UInt8] {
        var lines: [UInt8] = []
        try GzipDecompressor().decompress(members.first { $0.name == "tables/\(table).jsonl.gz" }?.bytes ?? [], into: &lines)
        return lines
    }

    func changingManifest(_ change: (String) -> String) throws -> [UInt8] {
        var copy = self
        copy.members[0].bytes = Array(change(String(decoding: members[0].bytes, as: UTF8.self)).utf8)
        return copy.archive
    }

    func changingLines(of table: String, _ change: (inout [UInt8]) throws -> Void) throws -> [UInt8] {
        var copy = self, lines = try lines(of: table), compressed: [UInt8] = []
        try change(&lines)
        let gzip = GzipCompressor()
        gzip.compress(lines, into: &compressed)
        gzip.finish(into: &compressed)
        for i in copy.members.indices where names[i] == "tables/\(table).jsonl.gz" { copy.members[i].bytes = compressed }
        return copy.archive
    }

    /// The archive with a changed header of its first file, whose checksum is right.
    func changingHeader(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = archive, header = Array(bytes[..<512])
        change(&header)
        header.replaceSubrange(148..<156, with: "        ".utf8)
        header.replaceSubrange(148..<155, with: (String(format: "%06o", header.reduce(0) { $0 + Int($1) }) + "\0").utf8)
        bytes.replaceSubrange(..<512, with: header)
        return bytes
    }

    /// The archive, with new checksums.
    var archive: [UInt8] {
        let files = members.filter { $0.name != "SHA256SUMS" }
        let sums = files.map { "\(SHA256.hex(of: $0.bytes))  \($0.name)\n" }.joined()
        let all = files + [("SHA256SUMS", Array(sums.utf8))]
        var archive: [UInt8] = []
        for (name, bytes) in all {
            archive += Self.header(name, bytes.count) + bytes
            archive += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
        }
        return archive + [UInt8](repeating: 0, count: 1_024)
    }

    private static func header(_ name: String, _ size: Int) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) { header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8) }
        put(name, 0)
        put("0000644\0" + "0001750\0" + "0001750\0", 100)
        put(String(format: "%011o", size) + "\0" + String(format: "%011o", 1_763_648_385) + "\0", 124)
        put("        0", 148)
        put("ustar\0" + "00", 257)
        put(String(format: "%06o", header.reduce(0) { $0 + Int($1) }) + "\0 ", 148)
        return header
    }
}
