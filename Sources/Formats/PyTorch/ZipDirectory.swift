import Checkpoint
import Files

/// The location of a zip archive's central directory, from the end-of-central-directory record.
struct ZipDirectory {
    let range: Range<Int>
    /// The number of files.
    let count: Int

    init(_ file: Span<UInt8>) throws(ParseError) {
        let end = try Self.endRecord(of: file)
        var cursor = ByteCursor(at: end + 4, to: file.count)
        let disks = try cursor.readInteger(bytes: 4, of: file, "disk numbers")
        let entriesOnDisk = try cursor.readInteger(bytes: 2, of: file, "a count")
        var count = try cursor.readInteger(bytes: 2, of: file, "a count")
        var size = try cursor.readInteger(bytes: 4, of: file, "a size")
        var start = try cursor.readInteger(bytes: 4, of: file, "an offset")
        var limit = end
        guard disks == 0, entriesOnDisk == count else {
            throw ParseError(offset: end + 4, expected: "an archive in one piece", found: "one of several disks")
        }
        if let zip64 = try Self.zip64EndRecord(of: file, before: end) {
            for (small, large, maximum) in [
                (count, zip64.count, 0xFFFF), (size, zip64.size, 0xFFFF_FFFF), (start, zip64.start, 0xFFFF_FFFF),
            ] {
                guard small == large || small == maximum else {
                    throw ParseError(offset: end, expected: "\(large), as in the zip64 record", found: "\(small)")
                }
            }
            count = zip64.count
            size = zip64.size
            start = zip64.start
            limit = zip64.offset
        }
        guard start <= limit, size <= limit - start, count <= size / 46 else {
            let found = "\(count) files in \(size) bytes from \(start)"
            throw ParseError(offset: end, expected: "the central directory before byte \(limit)", found: found)
        }
        range = start..<start + size
        self.count = count
    }

    /// Finds the last record of the archive. Only a comment may follow it.
    private static func endRecord(of file: Span<UInt8>) throws(ParseError) -> Int {
        var offset = file.count - 22
        while offset >= 0, offset >= file.count - 22 - 65_535 {
            if file[offset] == 0x50, file[offset + 1] == 0x4B, file[offset + 2] == 5, file[offset + 3] == 6,
               offset + 22 + Int(littleEndian: file.extracting(offset + 20..<offset + 22)) == file.count { return offset }
            offset -= 1
        }
        let found = "none: the file is truncated, or not a zip archive"
        throw ParseError(offset: max(file.count - 22, 0), expected: "the end of a zip archive", found: found)
    }

    private static func zip64EndRecord(
        of file: Span<UInt8>, before end: Int
    ) throws(ParseError) -> (offset: Int, count: Int, size: Int, start: Int)? {
        var cursor = ByteCursor(at: max(end - 20, 0), to: end)
        guard end >= 20, try cursor.readInteger(bytes: 4, of: file, "a signature") == 0x0706_4B50 else { return nil }
        try cursor.expect([0, 0, 0, 0], of: file, "a single disk")
        let offset = try cursor.readInteger(bytes: 8, of: file, "an offset")
        try cursor.expect([1, 0, 0, 0], of: file, "a single disk")
        guard offset <= end - 20 - 56 else {
            throw ParseError(offset: end - 12, expected: "the offset of the zip64 record", found: "\(offset)")
        }
        cursor = ByteCursor(at: offset, to: end - 20)
        try cursor.expect([0x50, 0x4B, 6, 6], of: file, "a zip64 record")
        _ = try cursor.readRange(12, "its size and versions")
        try cursor.expect([0, 0, 0, 0, 0, 0, 0, 0], of: file, "a single disk")
        let entriesOnDisk = try cursor.readInteger(bytes: 8, of: file, "a count")
        let count = try cursor.readInteger(bytes: 8, of: file, "a count")
        guard entriesOnDisk == count else {
            throw ParseError(offset: offset + 24, expected: "an archive in one piece", found: "\(entriesOnDisk) of \(count) files")
        }
        let size = try cursor.readInteger(bytes: 8, of: file, "a size")
        let start = try cursor.readInteger(bytes: 8, of: file, "an offset")
        return (offset, count, size, start)
    }
}
