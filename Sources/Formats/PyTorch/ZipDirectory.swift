import Checkpoint
/// Where the list of an archive's files is, as its last bytes say.
struct ZipDirectory {
    let range: Range<Int>
    /// Of its files.
    let count: Int

    init(_ file: Span<UInt8>) throws(LayoutFault) {
        let end = try Self.end(of: file)
        var cursor = ByteCursor(at: end + 4, to: file.count)
        let disks = try cursor.number(bytes: 4, of: file, "numbers of disks"), here = try cursor.number(bytes: 2, of: file, "a count")
        var count = try cursor.number(bytes: 2, of: file, "a count"), size = try cursor.number(bytes: 4, of: file, "a size")
        var start = try cursor.number(bytes: 4, of: file, "a place"), limit = end
        guard disks == 0, here == count else { throw LayoutFault(offset: end + 4, expected: "an archive in one piece", found: "one of several disks") }
        if let large = try Self.largeEnd(of: file, before: end) {
            for (small, whole, most) in [(count, large.count, 0xFFFF), (size, large.size, 0xFFFF_FFFF), (start, large.start, 0xFFFF_FFFF)] {
                guard small == whole || small == most else { throw LayoutFault(offset: end, expected: "\(whole), as its zip64 part says", found: "\(small)") }
            }
            (count, size, start, limit) = (large.count, large.size, large.start, large.place)
        }
        guard start <= limit, size <= limit - start, count <= size / 46 else {
            throw LayoutFault(offset: end, expected: "the list of its files before byte \(limit)", found: "\(count) files in \(size) bytes from \(start)")
        }
        (range, self.count) = (start..<start + size, count)
    }

    /// The place of the last record, behind which there is only a comment.
    private static func end(of file: Span<UInt8>) throws(LayoutFault) -> Int {
        var place = file.count - 22
        while place >= 0, place >= file.count - 22 - 65_535 {
            if file[place] == 0x50, file[place + 1] == 0x4B, file[place + 2] == 5, file[place + 3] == 6,
               place + 22 + Int(file[place + 20]) + Int(file[place + 21]) << 8 == file.count { return place }
            place -= 1
        }
        throw LayoutFault(offset: max(file.count - 22, 0), expected: "the end of a zip archive", found: "none: the file was cut short, or is something else")
    }

    private static func largeEnd(of file: Span<UInt8>, before end: Int) throws(LayoutFault) -> (place: Int, count: Int, size: Int, start: Int)? {
        var cursor = ByteCursor(at: max(end - 20, 0), to: end)
        guard end >= 20, try cursor.number(bytes: 4, of: file, "a signature") == 0x0706_4B50 else { return nil }
        try cursor.expect([0, 0, 0, 0], of: file, "a single disk")
        let place = try cursor.number(bytes: 8, of: file, "a place")
        try cursor.expect([1, 0, 0, 0], of: file, "a single disk")
        guard place <= end - 20 - 56 else { throw LayoutFault(offset: end - 12, expected: "the place of its zip64 part", found: "\(place)") }
        cursor = ByteCursor(at: place, to: end - 20)
        try cursor.expect([0x50, 0x4B, 6, 6], of: file, "a zip64 part")
        _ = try cursor.take(12, "its size and versions")
        try cursor.expect([0, 0, 0, 0, 0, 0, 0, 0], of: file, "a single disk")
        let here = try cursor.number(bytes: 8, of: file, "a count"), count = try cursor.number(bytes: 8, of: file, "a count")
        guard here == count else { throw LayoutFault(offset: place + 24, expected: "an archive in one piece", found: "\(here) of \(count) files") }
        return (place, count, try cursor.number(bytes: 8, of: file, "a size"), try cursor.number(bytes: 8, of: file, "a place"))
    }
}
