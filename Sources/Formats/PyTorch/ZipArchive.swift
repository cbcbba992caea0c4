import Gzip
import Checkpoint
/// The files of a zip archive that are stored as they are, each at its own place: what `torch.save` writes.
///
///     let archive = try ZipArchive(bytes)
///     let pickle = try archive.contents(of: "ckpt/data.pkl", in: bytes)
struct ZipArchive {
    struct Entry {
        let bytes: Range<Int>
        let checksum: UInt32
    }

    private(set) var entries: [String: Entry] = [:]

    /// Checks where every file is. Its bytes are checked when they are read.
    init(_ file: Span<UInt8>) throws(LayoutFault) {
        let directory = try ZipDirectory(file)
        var cursor = ByteCursor(at: directory.range.lowerBound, to: directory.range.upperBound), places: [Range<Int>] = []
        for _ in 0..<directory.count {
            let start = cursor.place, record = try ZipRecord(&cursor, of: file)
            let bytes = try record.contents(in: file, before: directory.range.lowerBound)
            guard entries.updateValue(Entry(bytes: bytes, checksum: record.checksum), forKey: record.name) == nil else {
                throw LayoutFault(offset: start, expected: "files of different names", found: Value.text(record.name).shown + " twice")
            }
            places.append(record.header..<bytes.upperBound)
        }
        guard cursor.left == 0 else { throw LayoutFault(offset: cursor.place, expected: "the end of the list of files", found: "\(cursor.left) more bytes") }
        var end = 0
        for place in places.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard place.lowerBound >= end else { throw LayoutFault(offset: place.lowerBound, expected: "a file behind the one before, which ends at \(end)", found: "another") }
            end = place.upperBound
        }
    }

    /// Where the bytes of a file are, which are those that were written.
    func contents(of name: String, in file: Span<UInt8>) throws(LayoutFault) -> Range<Int> {
        guard let entry = entries[name] else { throw LayoutFault(offset: 0, expected: "a file \(Value.text(name).shown) in the archive", found: "none") }
        let checksum = CRC32.of(file.extracting(entry.bytes))
        guard checksum == entry.checksum else {
            throw LayoutFault(offset: entry.bytes.lowerBound, expected: "\(Value.text(name).shown) with the checksum \(String(entry.checksum, radix: 16))",
                          found: "\(String(checksum, radix: 16)): it was damaged")
        }
        return entry.bytes
    }
}

/// What an archive's list says of one file.
struct ZipRecord {
    let name: String
    let header: Int
    let checksum: UInt32
    private let size, flags: Int

    init(_ cursor: inout ByteCursor, of file: Span<UInt8>) throws(LayoutFault) {
        let start = cursor.place
        try cursor.expect([0x50, 0x4B, 1, 2], of: file, "a file of the list")
        _ = try cursor.take(4, "versions")
        flags = try cursor.number(bytes: 2, of: file, "flags")
        try Self.checkStored(flags, &cursor, of: file)
        checksum = UInt32(try cursor.number(bytes: 4, of: file, "a checksum"))
        let packed = try cursor.number(bytes: 4, of: file, "a size"), size = try cursor.number(bytes: 4, of: file, "a size")
        let nameLength = try cursor.number(bytes: 2, of: file, "a length"), extra = try cursor.number(bytes: 2, of: file, "a length")
        let comment = try cursor.number(bytes: 2, of: file, "a length")
        _ = try cursor.take(8, "a disk and attributes")
        let header = try cursor.number(bytes: 4, of: file, "a place")
        name = try Self.name(try cursor.take(nameLength, "a name"), of: file)
        var numbers = [size, packed, header]
        let end = cursor.place + extra
        guard extra <= cursor.left else { throw LayoutFault(offset: cursor.place, expected: "\(extra) bytes more of the file", found: "\(cursor.left)") }
        while cursor.place + 4 <= end {
            let kind = try cursor.number(bytes: 2, of: file, "a kind"), length = try cursor.number(bytes: 2, of: file, "a length")
            guard length <= end - cursor.place else { throw LayoutFault(offset: cursor.place, expected: "at most \(end - cursor.place) bytes", found: "\(length)") }
            let content = try cursor.take(length, "extra numbers")
            guard kind == 1 else { continue }                  // zip64: those numbers that did not fit above
            var inner = ByteCursor(at: content.lowerBound, to: content.upperBound)
            for i in numbers.indices where numbers[i] == 0xFFFF_FFFF { numbers[i] = try inner.number(bytes: 8, of: file, "a zip64 number") }
        }
        _ = try cursor.take(end - cursor.place, "extra bytes")
        _ = try cursor.take(comment, "a comment")
        guard numbers[0] == numbers[1] else { throw LayoutFault(offset: start, expected: "a file of one size", found: "\(numbers[0]) and \(numbers[1])") }
        (self.size, self.header) = (numbers[0], numbers[2])
    }

    /// Where its bytes are, after its own header has said the same as the list.
    func contents(in file: Span<UInt8>, before end: Int) throws(LayoutFault) -> Range<Int> {
        var cursor = ByteCursor(at: min(header, end), to: end)
        try cursor.expect([0x50, 0x4B, 3, 4], of: file, "the header of a file")
        _ = try cursor.take(2, "a version")
        guard try cursor.number(bytes: 2, of: file, "flags") == flags else { throw LayoutFault(offset: header + 6, expected: "the flags \(flags) of the list", found: "others") }
        try Self.checkStored(flags, &cursor, of: file)
        let found = [try cursor.number(bytes: 4, of: file, "a checksum"), try cursor.number(bytes: 4, of: file, "a size"), try cursor.number(bytes: 4, of: file, "a size")]
        let nameLength = try cursor.number(bytes: 2, of: file, "a length"), extra = try cursor.number(bytes: 2, of: file, "a length")
        let comesLater = flags & 8 != 0                        // then the header may say 0
        for (number, expected) in zip(found, [Int(checksum), size, size]) where number != expected {
            guard comesLater && number == 0 || expected >= 0xFFFF_FFFF && number == 0xFFFF_FFFF || number == 0xFFFF_FFFF && extra >= 20 else {
                throw LayoutFault(offset: header + 14, expected: "\(expected), as in the list", found: "\(number)")
            }
        }
        let place = cursor.place
        guard try Self.name(try cursor.take(nameLength, "a name"), of: file) == name else {
            throw LayoutFault(offset: place, expected: "the name \(Value.text(name).shown) of the list", found: "another")
        }
        _ = try cursor.take(extra, "extra bytes")
        let bytes = try cursor.take(size, Value.text(name).shown)
        if comesLater, cursor.left >= 8, try cursor.number(bytes: 4, of: file, "a signature") == 0x0807_4B50 {
            guard try cursor.number(bytes: 4, of: file, "a checksum") == Int(checksum) else {
                throw LayoutFault(offset: bytes.upperBound + 4, expected: "the checksum of the list", found: "another")
            }
        }
        return bytes
    }

    private static func checkStored(_ flags: Int, _ cursor: inout ByteCursor, of file: Span<UInt8>) throws(LayoutFault) {
        // 8: sizes behind the file; 2048: names in UTF-8. Others mean that it is encrypted or a patch.
        guard flags & ~0x808 == 0 else { throw LayoutFault(offset: cursor.place - 2, expected: "a plain file", found: "the flags \(flags)") }
        let method = try cursor.number(bytes: 2, of: file, "a method")
        guard method == 0 else { throw LayoutFault(offset: cursor.place - 2, expected: "a file that is stored as it is, as torch.save does", found: "the compression \(method)") }
        _ = try cursor.take(4, "a time")
    }

    private static func name(_ range: Range<Int>, of file: Span<UInt8>) throws(LayoutFault) -> String {
        guard let name = String(validating: range.map { file[$0] }, as: UTF8.self) else { throw LayoutFault(offset: range.lowerBound, expected: "a name in UTF-8", found: "other bytes") }
        return name
    }
}
