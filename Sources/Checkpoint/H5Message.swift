/// A message in the object header of an HDF5 group or dataset.
struct H5Message {
    enum Kind: Int {
        case space = 1, linkInfo = 2, type = 3, link = 6, layout = 8, continuation = 16
    }

    /// nil for messages that are not needed to read the numbers.
    let kind: Kind?
    let content: ByteCursor

    /// Reads all messages of the object header at an offset, following its continuation blocks.
    ///
    /// - Parameter budget: the bytes of headers that may still be read; guards against headers that refer to each other.
    static func all(at offset: Int, of file: borrowing Span<UInt8>, budget: inout Int) throws(ParseError) -> [H5Message] {
        var cursor = ByteCursor(at: offset, to: file.count)
        try cursor.expect(Array("OHDR".utf8) + [2], of: file, "an object header of version 2")
        let flags = try cursor.readInteger(bytes: 1, of: file, "flags")
        if flags & 0x20 != 0 { _ = try cursor.readRange(16, "timestamps") }
        if flags & 0x10 != 0 { _ = try cursor.readRange(4, "attribute limits") }
        let size = try cursor.readInteger(bytes: 1 << (flags & 3), of: file, "the header's size")
        var pieces = [try cursor.readRange(size, "the header")], messages: [H5Message] = []
        while let piece = pieces.popLast() {
            budget -= piece.count + 16
            guard budget >= 0 else {
                throw ParseError(offset: piece.lowerBound, expected: "headers that are no larger than the file", found: "a cycle")
            }
            var cursor = ByteCursor(at: piece.lowerBound, to: piece.upperBound)
            let headerSize = flags & 4 == 0 ? 4 : 6
            while cursor.remaining >= headerSize {
                let message = try H5Message(&cursor, of: file, hasOrder: flags & 4 != 0)
                if message.kind == .continuation { pieces.append(try continuation(message, of: file)) } else { messages.append(message) }
            }
        }
        return messages
    }

    private init(_ cursor: inout ByteCursor, of file: borrowing Span<UInt8>, hasOrder: Bool) throws(ParseError) {
        kind = Kind(rawValue: try cursor.readInteger(bytes: 1, of: file, "a message type"))
        let size = try cursor.readInteger(bytes: 2, of: file, "a message's size")
        let flags = try cursor.readInteger(bytes: 1, of: file, "flags")
        guard flags & 2 == 0 else {
            throw ParseError(offset: cursor.offset - 1, expected: "a message that is not shared", found: "a shared one")
        }
        if hasOrder { _ = try cursor.readRange(2, "a message's creation order") }
        let range = try cursor.readRange(size, "a message")
        content = ByteCursor(at: range.lowerBound, to: range.upperBound)
    }

    private static func continuation(_ message: H5Message, of file: borrowing Span<UInt8>) throws(ParseError) -> Range<Int> {
        var cursor = message.content
        guard let offset = try cursor.readAddress(of: file, "a continuation block") else {
            throw ParseError(offset: cursor.offset - 8, expected: "a continuation block", found: "none")
        }
        let size = try cursor.readInteger(bytes: 8, of: file, "the size of a continuation block")
        var rest = ByteCursor(at: offset, to: file.count)
        let range = try rest.readRange(size, "a continuation block")
        var block = ByteCursor(at: range.lowerBound, to: range.upperBound)
        try block.expect(Array("OCHK".utf8), of: file, "a continuation block")
        return try block.readRange(block.remaining - 4, "a continuation block")     // HDF5's checksum is redundant here
    }
}

/// A member of a group.
struct H5Link {
    let name: String
    /// The creation order among the members of the group.
    let order: UInt64
    let target: Int

    init(_ message: H5Message, of file: borrowing Span<UInt8>) throws(ParseError) {
        var cursor = message.content
        try cursor.expect([1], of: file, "a link of version 1")
        let flags = try cursor.readInteger(bytes: 1, of: file, "flags")
        if flags & 8 != 0 { try cursor.expect([0], of: file, "a hard link") }
        order = flags & 4 == 0 ? 0 : try cursor.readUnsigned(bytes: 8, of: file, "a creation order")
        if flags & 16 != 0 { _ = try cursor.readRange(1, "a character set") }
        let length = try cursor.readInteger(bytes: 1 << (flags & 3), of: file, "a name's length")
        let range = try cursor.readRange(length, "a name")
        guard let name = String(validating: range.map { file[$0] }, as: UTF8.self), ArrayName.isValidComponent(name) else {
            throw ParseError(offset: range.lowerBound, expected: "a valid name", found: "\(length) other bytes")
        }
        self.name = name
        guard let target = try cursor.readAddress(of: file, name) else {
            throw ParseError(offset: cursor.offset - 8, expected: "the offset of \(name)", found: "none")
        }
        self.target = target
    }
}

extension ElementType {
    init(_ message: H5Message, of file: borrowing Span<UInt8>) throws(ParseError) {
        var cursor = message.content
        let start = cursor.offset
        let head = try cursor.readUnsigned(bytes: 4, of: file, "a type")
        let size = try cursor.readInteger(bytes: 4, of: file, "a type's size")
        // Class in the low 4 bits, version 1 to 3 in the next 4, then flags: little-endian, signed, the position of the sign;
        // for strings, UTF-8 and null padding.
        guard (1...3).contains(head >> 4 & 15) else {
            throw ParseError(offset: start, expected: "a type of version 1 to 3", found: "\(head >> 4 & 15)")
        }
        switch (head & ~0xF0, size) {
        case (0x1F2001, 4):
            try cursor.expect([0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0], of: file, "f32")
            self = .float32
        case (0x3F2001, 8):
            try cursor.expect([0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0], of: file, "f64")
            self = .float64
        case (0x800, 8):
            try cursor.expect([0, 0, 64, 0], of: file, "i64")
            self = .int64
        case (0, 1):
            try cursor.expect([0, 0, 8, 0], of: file, "u8")
            self = .uint8
        case (0x1103, 1...): self = .text(length: size - 1)
        default: throw ParseError(offset: start, expected: "f32, f64, i64, u8 or a string", found: "a type of \(size) bytes")
        }
    }
}

extension ByteCursor {
    /// Reads an HDF5 address and converts it to an offset in the file; nil for HDF5's undefined address.
    mutating func readAddress(of file: borrowing Span<UInt8>, _ field: String) throws(ParseError) -> Int? {
        let start = offset, number = try readUnsigned(bytes: 8, of: file, field)
        if number == .max { return nil }
        // Addresses count from the end of the user block.
        guard number <= UInt64(file.count - CheckpointHeader.size) else {
            throw ParseError(offset: start, expected: "the offset of \(field) in the file", found: "\(number)")
        }
        return CheckpointHeader.size + Int(number)
    }
}
