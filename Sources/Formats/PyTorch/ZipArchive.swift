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
    private let size, flags: Int

    init(_ cursor: inout ByteCursor, of file: Span<UInt8>) throws(ParseError) {
        let start = cursor.offset
        try cursor.expect([0x50, 0x4B, 1, 2], of: file, "an entry of the central directory")
        _ = try cursor.readRange(4, "versions")
        flags = try cursor.readInteger(bytes: 2, of: file, "flags")
        try Self.checkUncompressed(flags, &cursor, of: file)
        checksum = UInt32(try cursor.readInteger(bytes: 4, of: file, "a checksum"))
        let compressedSize = try cursor.readInteger(bytes: 4, of: file, "a size")
        let size = try cursor.readInteger(bytes: 4, of: file, "a size")
        let nameLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let extraLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let commentLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        _ = try cursor.readRange(8, "a disk and attributes")
        let header = try cursor.readInteger(bytes: 4, of: file, "an offset")
        name = try Self.name(try cursor.readRange(nameLength, "a name"), of: file)
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
        self.size = numbers[0]
        self.header = numbers[2]
    }

    /// Returns the range of the file's bytes after checking that its local header agrees with the central directory.
    func contents(in file: Span<UInt8>, before end: Int) throws(ParseError) -> Range<Int> {
        var cursor = ByteCursor(at: min(header, end), to: end)
        try cursor.expect([0x50, 0x4B, 3, 4], of: file, "a local file header")
        _ = try cursor.readRange(2, "a version")
        guard try cursor.readInteger(bytes: 2, of: file, "flags") == flags else {
            throw ParseError(offset: header + 6, expected: "the flags \(flags) of the central directory", found: "others")
        }
        try Self.checkUncompressed(flags, &cursor, of: file)
        let found = [
            try cursor.readInteger(bytes: 4, of: file, "a checksum"), try cursor.readInteger(bytes: 4, of: file, "a size"),
            try cursor.readInteger(bytes: 4, of: file, "a size"),
        ]
        let nameLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let extraLength = try cursor.readInteger(bytes: 2, of: file, "a length")
        let hasDescriptor = flags & 8 != 0                     // checksum and sizes follow the data, and may be 0 in the header
        for (number, expected) in zip(found, [Int(checksum), size, size]) where number != expected {
            let isDeferred = hasDescriptor && number == 0
            let isZip64 = number == 0xFFFF_FFFF && (expected >= 0xFFFF_FFFF || extraLength >= 20)
            guard isDeferred || isZip64 else {
                throw ParseError(offset: header + 14, expected: "\(expected), as in the central directory", found: "\(number)")
            }
        }
        let nameOffset = cursor.offset
        guard try Self.name(try cursor.readRange(nameLength, "a name"), of: file) == name else {
            throw ParseError(offset: nameOffset, expected: "the name \(name.quoted) of the central directory", found: "another")
        }
        _ = try cursor.readRange(extraLength, "extra fields")
        let bytes = try cursor.readRange(size, name.quoted)
        if hasDescriptor, cursor.remaining >= 8, try cursor.readInteger(bytes: 4, of: file, "a signature") == 0x0807_4B50 {
            guard try cursor.readInteger(bytes: 4, of: file, "a checksum") == Int(checksum) else {
                throw ParseError(offset: bytes.upperBound + 4, expected: "the checksum of the central directory", found: "another")
            }
        }
        return bytes
    }

    private static func checkUncompressed(_ flags: Int, _ cursor: inout ByteCursor, of file: Span<UInt8>) throws(ParseError) {
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
    }

    private static func name(_ range: Range<Int>, of file: Span<UInt8>) throws(ParseError) -> String {
        guard let name = String(validating: range.map { file[$0] }, as: UTF8.self) else {
            throw ParseError(offset: range.lowerBound, expected: "a name in UTF-8", found: "other bytes")
        }
        return name
    }
}
