import Gzip
import Checkpoint

/// A zip archive of uncompressed files that do not overlap: the format of `torch.save`.
///
///     let archive = try ZipArchive(bytes)
///     let pickle = try archive.contents(of: "ckpt/data.pkl", in: bytes)
struct ZipArchive {
    struct Entry {
        let bytes: Range<Int>
        let checksum: UInt32
    }

    private(set) var entries: [String: Entry] = [:]

    /// Reads the central directory and checks the position of every file. Checksums are verified by `contents`.
    init(_ file: Span<UInt8>) throws(ParseError) {
        let directory = try ZipDirectory(file)
        var cursor = ByteCursor(at: directory.range.lowerBound, to: directory.range.upperBound)
        var ranges: [Range<Int>] = []
        for _ in 0..<directory.count {
            let start = cursor.offset, record = try ZipRecord(&cursor, of: file)
            let bytes = try record.contents(in: file, before: directory.range.lowerBound)
            guard entries.updateValue(Entry(bytes: bytes, checksum: record.checksum), forKey: record.name) == nil else {
                throw ParseError(offset: start, expected: "distinct file names", found: record.name.quoted + " twice")
            }
            ranges.append(record.header..<bytes.upperBound)
        }
        guard cursor.remaining == 0 else {
            throw ParseError(
                offset: cursor.offset, expected: "the end of the central directory", found: "\(cursor.remaining) more bytes"
            )
        }
        var end = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard range.lowerBound >= end else {
                let expected = "a file after the previous one, which ends at \(end)"
                throw ParseError(offset: range.lowerBound, expected: expected, found: "an overlap")
            }
            end = range.upperBound
        }
    }

    /// Returns the range of a file's bytes after verifying their checksum.
    func contents(of name: String, in file: Span<UInt8>) throws(ParseError) -> Range<Int> {
        guard let entry = entries[name] else {
            throw ParseError(offset: 0, expected: "a file \(name.quoted) in the archive", found: "none")
        }
        let checksum = CRC32.of(file.extracting(entry.bytes))
        guard checksum == entry.checksum else {
            let expected = "\(name.quoted) with the checksum \(String(entry.checksum, radix: 16))"
            let found = "\(String(checksum, radix: 16)): it is damaged"
            throw ParseError(offset: entry.bytes.lowerBound, expected: expected, found: found)
        }
        return entry.bytes
    }
}

/// A file's entry in the central directory.
struct ZipRecord {
    let name: String
    /// The offset of the file's local header.
    let header: Int
    let checksum: UInt32
    private let size: Int

    init(_ cursor: inout ByteCursor, of file: Span<UInt8>) throws(ParseError) {
        let start = cursor.offset
        try cursor.expect([0x50, 0x4B, 1, 2], of: file, "an entry of the central directory")
        _ = try cursor.readRange(4, "versions")
        let flags = try cursor.readInteger(bytes: 2, of: file, "flags")
        // 8: sizes follow the data; 2048: UTF-8 names. Other flags mean encryption or a patch.
        guard flags & ~0x808 == 0 else {
            throw ParseError(offset: cursor.offset - 2, expected: "a plain file", found: "the flags \(flags)")
        }
        let method = try cursor.readInteger(bytes: 2, of: file, "a compression method")
        guard method == 0 else {
            let found = "the compression method \(method)"
            throw ParseError(offset: cursor.offset - 2, expected: "an uncompressed file, as written by torch.save", found: found)
        }
        _ = try cursor.readRange(4, "a time")
        checksum = UInt32(try cursor.readInteger(bytes: 4, of: file, "a checksum"))
        let compressedSize = try cursor.readInteger(bytes: 4, of: file, "a size")
        let size = try cursor.readInteger(bytes: 4, of: file, "a size")
        let nameLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let extraLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let commentLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        _ = try cursor.readRange(8, "a disk and attributes")
        let header = try cursor.readInteger(bytes: 4, of: file, "an offset")
        let nameBytes = try cursor.readRange(nameLength, "a name")
        guard let name = String(validating: nameBytes.map { file[$0] }, as: UTF8.self) else {
            throw ParseError(offset: nameBytes.lowerBound, expected: "a name in UTF-8", found: "other bytes")
        }
        var numbers = [size, compressedSize, header]
        let end = cursor.offset + extraLength
        guard extraLength <= cursor.remaining else {
            throw ParseError(offset: cursor.offset, expected: "\(extraLength) bytes of extra fields", found: "\(cursor.remaining)")
        }
        while cursor.offset + 4 <= end {
            let kind = try cursor.readInteger(bytes: 2, of: file, "a kind"), length = try cursor.readInteger(bytes: 2, of: file, "a length")
            guard length <= end - cursor.offset else {
                throw ParseError(offset: cursor.offset, expected: "at most \(end - cursor.offset) bytes", found: "\(length)")
            }
            let content = try cursor.readRange(length, "an extra field")
            guard kind == 1 else { continue }                  // zip64: the numbers that did not fit into 32 bits
            var inner = ByteCursor(at: content.lowerBound, to: content.upperBound)
            for i in numbers.indices where numbers[i] == 0xFFFF_FFFF {
                numbers[i] = try inner.readInteger(bytes: 8, of: file, "a zip64 number")
            }
        }
        _ = try cursor.readRange(end - cursor.offset, "extra fields")
        _ = try cursor.readRange(commentLength, "a comment")
        guard numbers[0] == numbers[1] else {
            throw ParseError(offset: start, expected: "an uncompressed file", found: "the sizes \(numbers[0]) and \(numbers[1])")
        }
        self.name = name
        self.size = numbers[0]
        self.header = numbers[2]
    }

    /// Returns the range of the file's bytes. The local header says only where they begin: size and checksum are those of the central
    /// directory, files must not overlap, and of all bytes that are read the checksum is verified.
    func contents(in file: Span<UInt8>, before end: Int) throws(ParseError) -> Range<Int> {
        var cursor = ByteCursor(at: min(header, end), to: end)
        try cursor.expect([0x50, 0x4B, 3, 4], of: file, "a local file header")
        _ = try cursor.readRange(22, "a local file header")
        let nameLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let extraLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        _ = try cursor.readRange(nameLength + extraLength, "a name and extra fields")
        return try cursor.readRange(size, name.quoted)
    }
}
