/// Where a file is not as it should be.
package struct LayoutFault: Error {
    package let offset: Int
    package let expected, found: String

    package init(offset: Int, expected: String, found: String) {
        self.offset = offset
        self.expected = expected
        self.found = found
    }
}

/// A place in a file that moves on as numbers are read, and never past its end.
///
///     var cursor = ByteCursor(at: 512, to: 560)
///     let size = try cursor.number(bytes: 2, of: file)
package struct ByteCursor {
    package private(set) var place: Int
    package let end: Int

    package init(at place: Int, to end: Int) { (self.place, self.end) = (place, end) }

    package var left: Int { end - place }

    /// Moves over so many bytes and says where they are.
    package mutating func take(_ count: Int, _ what: String) throws(LayoutFault) -> Range<Int> {
        guard count >= 0, count <= left else { throw LayoutFault(offset: place, expected: "\(count) bytes of \(what)", found: "\(left)") }
        defer { place += count }
        return place..<place + count
    }

    package mutating func unsigned(bytes count: Int, of file: borrowing Span<UInt8>, _ what: String) throws(LayoutFault) -> UInt64 {
        let range = try take(count, what)
        var result: UInt64 = 0
        for i in range.reversed() { result = result << 8 | UInt64(file[i]) }
        return result
    }

    /// A number that is no more than what a file can hold.
    package mutating func number(bytes count: Int, of file: borrowing Span<UInt8>, _ what: String) throws(LayoutFault) -> Int {
        let start = place, number = try unsigned(bytes: count, of: file, what)
        guard let result = Int(exactly: number), result <= 1 << 48 else { throw LayoutFault(offset: start, expected: what, found: "\(number)") }
        return result
    }

    /// Bytes that can only be one thing.
    package mutating func expect(_ bytes: [UInt8], of file: borrowing Span<UInt8>, _ what: String) throws(LayoutFault) {
        let range = try take(bytes.count, what)
        for (i, byte) in zip(range, bytes) where file[i] != byte { throw LayoutFault(offset: i, expected: "\(what) with \(byte)", found: "\(file[i])") }
    }
}
