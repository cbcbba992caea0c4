/// Where a file is not as it should be.
struct H5Fault: Error {
    let offset: Int
    let expected, found: String
}

/// A place in a file that moves on as numbers are read, and never past its end.
///
///     var cursor = H5Cursor(at: 512, to: 560)
///     let size = try cursor.number(bytes: 2, of: file)
struct H5Cursor {
    private(set) var place: Int
    let end: Int

    init(at place: Int, to end: Int) { (self.place, self.end) = (place, end) }

    var left: Int { end - place }

    /// Moves over so many bytes and says where they are.
    mutating func take(_ count: Int, _ what: String) throws(H5Fault) -> Range<Int> {
        guard count >= 0, count <= left else { throw H5Fault(offset: place, expected: "\(count) bytes of \(what)", found: "\(left)") }
        defer { place += count }
        return place..<place + count
    }

    mutating func unsigned(bytes count: Int, of file: borrowing Span<UInt8>, _ what: String) throws(H5Fault) -> UInt64 {
        let range = try take(count, what)
        var result: UInt64 = 0
        for i in range.reversed() { result = result << 8 | UInt64(file[i]) }
        return result
    }

    /// A number that is no more than what a file can hold.
    mutating func number(bytes count: Int, of file: borrowing Span<UInt8>, _ what: String) throws(H5Fault) -> Int {
        let start = place, number = try unsigned(bytes: count, of: file, what)
        guard let result = Int(exactly: number), result <= 1 << 48 else { throw H5Fault(offset: start, expected: what, found: "\(number)") }
        return result
    }

    /// A place in the file; nil is HDF5's "nowhere".
    mutating func address(of file: borrowing Span<UInt8>, _ what: String) throws(H5Fault) -> Int? {
        let start = place, number = try unsigned(bytes: 8, of: file, what)
        if number == .max { return nil }
        // Addresses count from behind the user block.
        guard number <= UInt64(file.count - Seal.size) else { throw H5Fault(offset: start, expected: "the place of \(what) in the file", found: "\(number)") }
        return Seal.size + Int(number)
    }

    /// Bytes that can only be one thing.
    mutating func expect(_ bytes: [UInt8], of file: borrowing Span<UInt8>, _ what: String) throws(H5Fault) {
        let range = try take(bytes.count, what)
        for (i, byte) in zip(range, bytes) where file[i] != byte { throw H5Fault(offset: i, expected: "\(what) with \(byte)", found: "\(file[i])") }
    }
}
