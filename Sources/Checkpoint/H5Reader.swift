/// Finds the arrays of an HDF5 file that slm wrote: superblock 2, object headers 2, links in the headers, contiguous arrays.
///
///     let arrays = try H5Reader.arrays(in: bytes, path: "last.h5")
///
/// HDF5's own library, with which other programs write such files, crashes on manipulated ones. Here every number is checked before it
/// is used, and the work is bounded by the file's length. The format is that of the HDF5 File Format Specification, version 3.0.
struct H5Reader {
    private var arrays: [StoredArray] = []
    /// The bytes of headers and names that may still be read: groups that contain each other exhaust it.
    private var budget: Int

    static func arrays(in file: borrowing Span<UInt8>, path: String) throws(CheckpointError) -> [StoredArray] {
        do throws(ParseError) {
            var reader = H5Reader(budget: file.count)
            try reader.readFile(file)
            try reader.checkOverlaps()
            return reader.arrays
        } catch {
            throw .malformed(path: path, offset: error.offset, expected: error.expected, found: error.found)
        }
    }

    private init(budget: Int) { self.budget = budget }

    private mutating func readFile(_ file: borrowing Span<UInt8>) throws(ParseError) {
        var cursor = ByteCursor(at: CheckpointHeader.size, to: file.count)
        try cursor.expect([0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10], of: file, "HDF5's signature")
        try cursor.expect([2, 8, 8], of: file, "a superblock of version 2 with 8-byte addresses")
        _ = try cursor.readRange(1, "flags")
        let base = try cursor.readInteger(bytes: 8, of: file, "the base address")
        guard base == CheckpointHeader.size else {
            throw ParseError(offset: cursor.offset - 8, expected: "a user block of \(CheckpointHeader.size) bytes", found: "\(base)")
        }
        _ = try cursor.readAddress(of: file, "the superblock's extension")
        let end = try cursor.readInteger(bytes: 8, of: file, "the end of the file")
        guard end == file.count else {
            throw ParseError(offset: cursor.offset - 8, expected: "the file's length, \(file.count)", found: "\(end)")
        }
        guard let root = try cursor.readAddress(of: file, "the root group") else {
            throw ParseError(offset: cursor.offset - 8, expected: "a root group", found: "none")
        }
        try readObject(at: root, name: "", depth: 0, of: file)
    }

    private mutating func readObject(
        at offset: Int, name: String, depth: Int, of file: borrowing Span<UInt8>
    ) throws(ParseError) {
        guard depth < 16 else { throw ParseError(offset: offset, expected: "at most 16 nested groups", found: "more") }
        // An array's name contains those of its groups.
        budget -= name.utf8.count
        guard budget >= 0 else { throw ParseError(offset: offset, expected: "names shorter than the file", found: "longer ones") }
        let messages = try H5Message.all(at: offset, of: file, budget: &budget)
        if messages.contains(where: { $0.kind == .layout }) {
            arrays.append(try array(messages, name: name, at: offset, of: file))
            return
        }
        guard messages.contains(where: { $0.kind == .linkInfo }) else {
            throw ParseError(offset: offset, expected: "a group or an array", found: "neither")
        }
        var links: [H5Link] = []
        for message in messages {
            if message.kind == .linkInfo { try checkLinkInfo(message, of: file) }
            if message.kind == .link { links.append(try H5Link(message, of: file)) }
        }
        links.sort { $0.order < $1.order }
        guard Set(links.map(\.name)).count == links.count else {
            throw ParseError(offset: offset, expected: "distinct names", found: "a duplicate")
        }
        for link in links {
            try readObject(at: link.target, name: name.isEmpty ? link.name : name + "/" + link.name, depth: depth + 1, of: file)
        }
    }

    /// All links must be in the group's header, not in the B-trees that HDF5 uses for large groups.
    private func checkLinkInfo(_ message: H5Message, of file: borrowing Span<UInt8>) throws(ParseError) {
        var cursor = message.content
        try cursor.expect([0], of: file, "link information of version 0")
        let flags = try cursor.readInteger(bytes: 1, of: file, "flags")
        if flags & 1 != 0 { _ = try cursor.readRange(8, "a creation index") }
        try cursor.expect([UInt8](repeating: 0xFF, count: 8), of: file, "a group whose links are in its header")
    }

    private func array(
        _ messages: [H5Message], name: String, at offset: Int, of file: borrowing Span<UInt8>
    ) throws(ParseError) -> StoredArray {
        func only(_ kind: H5Message.Kind) throws(ParseError) -> H5Message {
            let found = messages.filter { $0.kind == kind }
            guard found.count == 1 else { throw ParseError(offset: offset, expected: "an array with one \(kind)", found: "\(found.count)") }
            return found[0]
        }
        let type = try ElementType(only(.type), of: file), shape = try Self.shape(only(.space), of: file), layout = try only(.layout)
        var byteCount = type.size
        for size in shape {
            let (product, overflows) = byteCount.multipliedReportingOverflow(by: size)
            guard !overflows else { throw ParseError(offset: offset, expected: "an array that fits into a file", found: "\(shape)") }
            byteCount = product
        }
        var cursor = layout.content
        try cursor.expect([3, 1], of: file, "a contiguous layout of version 3")
        let start = try cursor.readAddress(of: file, "an array"), stored = try cursor.readInteger(bytes: 8, of: file, "an array's size")
        guard stored == byteCount else {
            throw ParseError(offset: cursor.offset - 8, expected: "\(byteCount) bytes for \(name)", found: "\(stored)")
        }
        if byteCount == 0 { return StoredArray(path: name, type: type, shape: shape, range: 0..<0) }
        guard let start, byteCount <= file.count - start, start % 4 == 0 else {
            throw ParseError(
                offset: cursor.offset - 16, expected: "the offset of \(name) in the file", found: start.map { "\($0)" } ?? "none"
            )
        }
        return StoredArray(path: name, type: type, shape: shape, range: start..<start + byteCount)
    }

    private static func shape(_ message: H5Message, of file: borrowing Span<UInt8>) throws(ParseError) -> [Int] {
        var cursor = message.content
        try cursor.expect([2], of: file, "a dataspace of version 2")
        let rank = try cursor.readInteger(bytes: 1, of: file, "a rank")
        guard rank <= 4 else { throw ParseError(offset: cursor.offset - 1, expected: "at most 4 dimensions", found: "\(rank)") }
        _ = try cursor.readRange(1, "flags")                   // maximum sizes may follow the sizes, and equal them
        try cursor.expect([rank == 0 ? 0 : 1], of: file, rank == 0 ? "a scalar" : "a simple dataspace")
        var shape: [Int] = []
        for _ in 0..<rank { shape.append(try cursor.readInteger(bytes: 8, of: file, "a size")) }
        return shape
    }

    /// No byte may belong to two arrays, so that all of them together are no larger than the file.
    private func checkOverlaps() throws(ParseError) {
        var end = 0
        for array in arrays.filter({ !$0.range.isEmpty }).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            guard array.range.lowerBound >= end else {
                throw ParseError(offset: array.range.lowerBound, expected: "\(array.path) without overlap", found: "another array")
            }
            end = array.range.upperBound
        }
    }
}
