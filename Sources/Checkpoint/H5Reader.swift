/// Finds the arrays of an HDF5 file in the layout that slm writes: superblock 2, object headers 2, links in them, arrays in one piece.
///
///     let arrays = try H5Reader.arrays(in: bytes, path: "last.h5")
///
/// HDF5's own library crashes on files that somebody has tampered with, so it reads none. Every number of a file is checked here before it is used;
/// the work is bounded by the file's length, whatever the file says. What is read is in the HDF5 File Format Specification, version 3.0.
struct H5Reader {
    private var arrays: [StoredArray] = []
    /// Bytes of headers that may still be read: a file whose groups lead in circles runs out of them.
    private var budget: Int

    static func arrays(in file: borrowing Span<UInt8>, path: String) throws(CheckpointError) -> [StoredArray] {
        do throws(LayoutFault) {
            var reader = H5Reader(budget: file.count)
            try reader.readFile(file)
            try reader.checkPlaces()
            return reader.arrays
        } catch {
            throw .malformed(path: path, offset: error.offset, expected: error.expected, found: error.found)
        }
    }

    private init(budget: Int) { self.budget = budget }

    private mutating func readFile(_ file: borrowing Span<UInt8>) throws(LayoutFault) {
        var cursor = ByteCursor(at: Seal.size, to: file.count)
        try cursor.expect([0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10], of: file, "HDF5's signature")
        try cursor.expect([2, 8, 8], of: file, "a superblock of version 2 with places of 8 bytes")
        _ = try cursor.take(1, "flags")
        let base = try cursor.number(bytes: 8, of: file, "the base address")
        guard base == Seal.size else { throw LayoutFault(offset: cursor.place - 8, expected: "a user block of \(Seal.size) bytes", found: "\(base)") }
        _ = try cursor.address(of: file, "the superblock's extension")
        let end = try cursor.number(bytes: 8, of: file, "the end of the file")
        guard end == file.count else { throw LayoutFault(offset: cursor.place - 8, expected: "the file's length, \(file.count)", found: "\(end)") }
        guard let root = try cursor.address(of: file, "the root group") else { throw LayoutFault(offset: cursor.place - 8, expected: "a root group", found: "none") }
        try readObject(at: root, named: "", depth: 0, of: file)
    }

    private mutating func readObject(at place: Int, named name: String, depth: Int, of file: borrowing Span<UInt8>) throws(LayoutFault) {
        guard depth < 16 else { throw LayoutFault(offset: place, expected: "at most 16 groups inside each other", found: "more") }
        let messages = try H5Message.all(at: place, of: file, budget: &budget)
        if messages.contains(where: { $0.kind == .layout }) { return arrays.append(try array(messages, named: name, at: place, of: file)) }
        guard messages.contains(where: { $0.kind == .linkInfo }) else { throw LayoutFault(offset: place, expected: "a group or an array", found: "neither") }
        var links: [H5Link] = []
        for message in messages {
            if message.kind == .linkInfo { try checkLinkInfo(message, of: file) }
            if message.kind == .link { links.append(try H5Link(message, of: file)) }
        }
        // Named in the order in which they were made, and each once: two places of one name would be two answers.
        links.sort { $0.order < $1.order }
        guard Set(links.map(\.name)).count == links.count else { throw LayoutFault(offset: place, expected: "names that differ", found: "one that is there twice") }
        for link in links { try readObject(at: link.target, named: name.isEmpty ? link.name : name + "/" + link.name, depth: depth + 1, of: file) }
    }

    /// All links are in the group's header, none in HDF5's trees for large groups.
    private func checkLinkInfo(_ message: H5Message, of file: borrowing Span<UInt8>) throws(LayoutFault) {
        var cursor = message.content
        try cursor.expect([0], of: file, "link information of version 0")
        let flags = try cursor.number(bytes: 1, of: file, "flags")
        if flags & 1 != 0 { _ = try cursor.take(8, "a creation index") }
        try cursor.expect([UInt8](repeating: 0xFF, count: 8), of: file, "a group whose links are in its header")
    }

    private func array(_ messages: [H5Message], named name: String, at place: Int, of file: borrowing Span<UInt8>) throws(LayoutFault) -> StoredArray {
        func only(_ kind: H5Message.Kind) throws(LayoutFault) -> H5Message {
            let found = messages.filter { $0.kind == kind }
            guard found.count == 1 else { throw LayoutFault(offset: place, expected: "an array with one \(kind)", found: "\(found.count)") }
            return found[0]
        }
        let type = try ElementType(only(.type), of: file), shape = try Self.shape(only(.space), of: file), layout = try only(.layout)
        var count = type.size
        for size in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows else { throw LayoutFault(offset: place, expected: "an array that fits into a file", found: "\(shape)") }
            count = product
        }
        var cursor = layout.content
        try cursor.expect([3, 1], of: file, "a layout of version 3 in one piece")
        let start = try cursor.address(of: file, "an array"), stored = try cursor.number(bytes: 8, of: file, "an array's size")
        guard stored == count else { throw LayoutFault(offset: cursor.place - 8, expected: "\(count) bytes for \(name)", found: "\(stored)") }
        if count == 0 { return StoredArray(path: name, type: type, shape: shape, range: 0..<0) }
        guard let start, count <= file.count - start, start % 4 == 0 else {
            throw LayoutFault(offset: cursor.place - 16, expected: "the place of \(name) in the file", found: start.map { "\($0)" } ?? "none")
        }
        return StoredArray(path: name, type: type, shape: shape, range: start..<start + count)
    }

    private static func shape(_ message: H5Message, of file: borrowing Span<UInt8>) throws(LayoutFault) -> [Int] {
        var cursor = message.content
        try cursor.expect([2], of: file, "a dataspace of version 2")
        let rank = try cursor.number(bytes: 1, of: file, "a rank")
        guard rank <= 4 else { throw LayoutFault(offset: cursor.place - 1, expected: "at most 4 dimensions", found: "\(rank)") }
        _ = try cursor.take(1, "flags")                        // largest sizes may follow, which are the same
        try cursor.expect([rank == 0 ? 0 : 1], of: file, rank == 0 ? "a single value" : "a simple dataspace")
        var shape: [Int] = []
        for _ in 0..<rank { shape.append(try cursor.number(bytes: 8, of: file, "a size")) }
        return shape
    }

    /// No byte belongs to two arrays, so that all of them together are no larger than the file.
    private func checkPlaces() throws(LayoutFault) {
        var end = 0
        for array in arrays.filter({ !$0.range.isEmpty }).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            guard array.range.lowerBound >= end else { throw LayoutFault(offset: array.range.lowerBound, expected: "\(array.path) alone", found: "another array") }
            end = array.range.upperBound
        }
    }
}
