import Files

/// A byte offset at which a binary file does not have the expected content.
package struct ParseError: Error {
    package let offset: Int
    package let expected, found: String

    package init(offset: Int, expected: String, found: String) {
        self.offset = offset
        self.expected = expected
        self.found = found
    }
}

/// A position in a binary file that advances as numbers are read, and never past its end.
///
///     var cursor = ByteCursor(at: 512, to: 560)
///     let size = try cursor.readInteger(bytes: 2, of: file, "a size")
///
/// The last argument of each method names the field in error messages.
package struct ByteCursor {
    package private(set) var offset: Int
    package let end: Int

    package init(at offset: Int, to end: Int) {
        self.offset = offset
        self.end = end
    }

    package var remaining: Int { end - offset }

    /// Advances by `count` bytes and returns their range in the file.
    package mutating func readRange(_ count: Int, _ field: String) throws(ParseError) -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw ParseError(offset: offset, expected: "\(count) bytes of \(field)", found: "\(remaining)")
        }
        defer { offset += count }
        return offset..<offset + count
    }

    /// Reads a little-endian unsigned integer of up to 8 bytes.
    package mutating func readUnsigned(
        bytes count: Int, of file: borrowing Span<UInt8>, _ field: String
    ) throws(ParseError) -> UInt64 {
        UInt64(littleEndian: file.extracting(try readRange(count, field)))
    }

    /// Reads an unsigned integer of at most 2^48, which covers every size and offset in a file.
    package mutating func readInteger(
        bytes count: Int, of file: borrowing Span<UInt8>, _ field: String
    ) throws(ParseError) -> Int {
        let start = offset, number = try readUnsigned(bytes: count, of: file, field)
        guard let result = Int(exactly: number), result <= 1 << 48 else {
            throw ParseError(offset: start, expected: field, found: "\(number)")
        }
        return result
    }

    /// Reads bytes that must equal a constant.
    package mutating func expect(_ bytes: [UInt8], of file: borrowing Span<UInt8>, _ field: String) throws(ParseError) {
        let range = try readRange(bytes.count, field)
        for (i, byte) in zip(range, bytes) where file[i] != byte {
            throw ParseError(offset: i, expected: "\(field) with \(byte)", found: "\(file[i])")
        }
    }
}
