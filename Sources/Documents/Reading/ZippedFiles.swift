import Gzip

/// The files in a zip archive, of which only those that are asked for are decompressed.
///
///     var archive = try ZippedFiles(bytes, limit: 50_000_000)
///     let text = try archive.contents(of: "word/document.xml")     // nil if there is no such file
///
/// Files are stored or deflated; encrypted archives, and those of more than 4 GB, are not read. Names are names and no paths: nothing is
/// written to the disk. (`ZipArchive` of `Formats` reads what `torch.save` writes: larger archives, which are mapped, never compressed.)
struct ZippedFiles {
    private struct Entry {
        let method, flags: Int
        let checksum: UInt32
        let compressedSize, size: Int
        /// Where its local header begins.
        let offset: Int
    }

    private let bytes: [UInt8]
    private var entries: [String: Entry] = [:]
    /// The bytes that may still be decompressed: a small archive can have a text of terabytes.
    private var rest: Int
    private let limit: Int

    private static let mostEntries = 20_000
    /// What is decompressed before the limit is checked again. It becomes at most about a thousand times as long.
    private static let pieceSize = 4_096

    /// - Parameter limit: The most bytes of all contents together.
    init(_ bytes: [UInt8], limit: Int) throws(SkipReason) {
        self.bytes = bytes
        self.limit = limit
        rest = limit
        guard let end = Self.directoryEnd(in: bytes) else { throw .damaged("it has no directory of a zip archive") }
        let count = try integer(at: end + 10, bytes: 2), start = try integer(at: end + 16, bytes: 4)
        guard count <= Self.mostEntries else { throw .damaged("it has \(count) files") }
        var position = start
        for _ in 0..<count {
            guard try integer(at: position, bytes: 4) == 0x0201_4B50 else { throw .damaged("its directory is not complete") }
            let nameLength = try integer(at: position + 28, bytes: 2)
            let name = String(decoding: try slice(at: position + 46, count: nameLength), as: UTF8.self)
            // The last of several files with one name counts, as in other programs.
            entries[name] = Entry(
                method: try integer(at: position + 10, bytes: 2), flags: try integer(at: position + 8, bytes: 2),
                checksum: UInt32(try integer(at: position + 16, bytes: 4)), compressedSize: try integer(at: position + 20, bytes: 4),
                size: try integer(at: position + 24, bytes: 4), offset: try integer(at: position + 42, bytes: 4))
            position += 46 + nameLength + (try integer(at: position + 30, bytes: 2)) + (try integer(at: position + 32, bytes: 2))
        }
    }

    /// The contents of a file; nil if the archive has none of this name.
    mutating func contents(of name: String) throws(SkipReason) -> [UInt8]? {
        guard let entry = entries[name] else { return nil }
        if entry.flags & 1 != 0 { throw .unsupported(format: "an encrypted file") }
        guard try integer(at: entry.offset, bytes: 4) == 0x0403_4B50 else { throw .damaged("\(name) is not where it should be") }
        let header = 30 + (try integer(at: entry.offset + 26, bytes: 2)) + (try integer(at: entry.offset + 28, bytes: 2))
        let stored = try slice(at: entry.offset + header, count: entry.compressedSize)
        // Also refuses before any work what says so.
        guard entry.size <= rest else { throw tooLong }
        let contents = try decompressed(stored, method: entry.method)
        let checksum = CRC32.of(contents.span)
        guard contents.count == entry.size, checksum == entry.checksum else {
            throw .damaged("the checksum of \(name) is wrong")
        }
        rest -= contents.count
        return contents
    }

    private var tooLong: SkipReason { .notConverted("it expands to more than \(limit / 1_000_000) MB") }

    private func decompressed(_ bytes: ArraySlice<UInt8>, method: Int) throws(SkipReason) -> [UInt8] {
        switch method {
        case 0: Array(bytes)
        case 8: try inflated(bytes)
        default: throw .unsupported(format: "zip compression \(method)")
        }
    }

    private func inflated(_ bytes: ArraySlice<UInt8>) throws(SkipReason) -> [UInt8] {
        let decompressor = GzipDecompressor(.deflate)
        var output: [UInt8] = [], position = bytes.startIndex
        while position < bytes.endIndex {
            let end = min(position + Self.pieceSize, bytes.endIndex)
            do throws(GzipError) { try decompressor.decompress(Array(bytes[position..<end]), into: &output) } catch {
                throw .damaged(error.description)
            }
            if output.count > rest { throw tooLong }
            position = end
        }
        guard decompressor.isAtEnd else { throw .damaged("its compressed data is not complete") }
        return output
    }
}

extension ZippedFiles {
    /// Where the end of the directory is, which a comment of up to 64 KB may follow.
    private static func directoryEnd(in bytes: [UInt8]) -> Int? {
        let signature: [UInt8] = [0x50, 0x4B, 5, 6], last = bytes.count - 22
        guard last >= 0 else { return nil }
        return (max(0, last - 0xFFFF)...last).last { bytes[$0...].starts(with: signature) }
    }

    /// A number of 2 or 4 bytes, the lowest first.
    private func integer(at offset: Int, bytes count: Int) throws(SkipReason) -> Int {
        try slice(at: offset, count: count).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private func slice(at offset: Int, count: Int) throws(SkipReason) -> ArraySlice<UInt8> {
        guard offset >= 0, offset <= bytes.count, count <= bytes.count - offset else { throw .damaged("it is not complete") }
        return bytes[offset..<offset + count]
    }
}
