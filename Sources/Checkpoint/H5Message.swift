/// One of the things that an object's header says, of a group or of an array.
struct H5Message {
    enum Kind: Int {
        case space = 1, linkInfo = 2, type = 3, link = 6, layout = 8, continuation = 16
    }

    /// nil for what need not be known to read the numbers.
    let kind: Kind?
    let content: ByteCursor

    /// All messages of the object header at a place, from whatever pieces it is in.
    static func all(at place: Int, of file: borrowing Span<UInt8>, budget: inout Int) throws(LayoutFault) -> [H5Message] {
        var cursor = ByteCursor(at: place, to: file.count)
        try cursor.expect(Array("OHDR".utf8) + [2], of: file, "an object header of version 2")
        let flags = try cursor.number(bytes: 1, of: file, "flags")
        if flags & 0x20 != 0 { _ = try cursor.take(16, "times") }
        if flags & 0x10 != 0 { _ = try cursor.take(4, "limits of attributes") }
        let size = try cursor.number(bytes: 1 << (flags & 3), of: file, "the header's size")
        var pieces = [try cursor.take(size, "the header")], messages: [H5Message] = []
        while let piece = pieces.popLast() {
            budget -= piece.count + 16
            guard budget >= 0 else { throw LayoutFault(offset: piece.lowerBound, expected: "headers that are no larger than the file", found: "a circle") }
            var cursor = ByteCursor(at: piece.lowerBound, to: piece.upperBound)
            let headerSize = flags & 4 == 0 ? 4 : 6
            while cursor.left >= headerSize {
                let message = try H5Message(&cursor, of: file, hasOrder: flags & 4 != 0)
                if message.kind == .continuation { pieces.append(try continuation(message, of: file)) } else { messages.append(message) }
            }
        }
        return messages
    }

    private init(_ cursor: inout ByteCursor, of file: borrowing Span<UInt8>, hasOrder: Bool) throws(LayoutFault) {
        kind = Kind(rawValue: try cursor.number(bytes: 1, of: file, "a kind of message"))
        let size = try cursor.number(bytes: 2, of: file, "a message's size"), flags = try cursor.number(bytes: 1, of: file, "flags")
        guard flags & 2 == 0 else { throw LayoutFault(offset: cursor.place - 1, expected: "a message of its own", found: "one that is shared") }
        if hasOrder { _ = try cursor.take(2, "a message's number") }
        let range = try cursor.take(size, "a message")
        content = ByteCursor(at: range.lowerBound, to: range.upperBound)
    }

    private static func continuation(_ message: H5Message, of file: borrowing Span<UInt8>) throws(LayoutFault) -> Range<Int> {
        var cursor = message.content
        guard let place = try cursor.address(of: file, "the rest of a header") else {
            throw LayoutFault(offset: cursor.place - 8, expected: "the rest of a header", found: "none")
        }
        let size = try cursor.number(bytes: 8, of: file, "the size of the rest")
        var rest = ByteCursor(at: place, to: file.count)
        let range = try rest.take(size, "the rest of a header")
        var inside = ByteCursor(at: range.lowerBound, to: range.upperBound)
        try inside.expect(Array("OCHK".utf8), of: file, "the rest of a header")
        return try inside.take(inside.left - 4, "the rest of a header")     // without its checksum: the digest has seen to that
    }
}

/// A member of a group.
struct H5Link {
    let name: String
    /// When it was made, among the members of its group.
    let order: UInt64
    let target: Int

    init(_ message: H5Message, of file: borrowing Span<UInt8>) throws(LayoutFault) {
        var cursor = message.content
        try cursor.expect([1], of: file, "a link of version 1")
        let flags = try cursor.number(bytes: 1, of: file, "flags")
        if flags & 8 != 0 { try cursor.expect([0], of: file, "a hard link") }
        order = flags & 4 == 0 ? 0 : try cursor.unsigned(bytes: 8, of: file, "a creation order")
        if flags & 16 != 0 { _ = try cursor.take(1, "a character set") }
        let length = try cursor.number(bytes: 1 << (flags & 3), of: file, "a name's length")
        let range = try cursor.take(length, "a name")
        guard let name = String(validating: range.map { file[$0] }, as: UTF8.self), ArrayName.isPart(name) else {
            throw LayoutFault(offset: range.lowerBound, expected: "a name", found: "\(length) bytes that are none")
        }
        self.name = name
        guard let target = try cursor.address(of: file, name) else { throw LayoutFault(offset: cursor.place - 8, expected: "the place of \(name)", found: "none") }
        self.target = target
    }
}

extension ElementType {
    init(_ message: H5Message, of file: borrowing Span<UInt8>) throws(LayoutFault) {
        var cursor = message.content
        let start = cursor.place, head = try cursor.unsigned(bytes: 4, of: file, "a type"), size = try cursor.number(bytes: 4, of: file, "a type's size")
        // A version from 1 to 3 and a class, then what is little-endian, signed, where the sign is; in texts that they are UTF-8 and what is behind them.
        guard (1...3).contains(head >> 4 & 15) else { throw LayoutFault(offset: start, expected: "a type of version 1 to 3", found: "\(head >> 4 & 15)") }
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
        default: throw LayoutFault(offset: start, expected: "f32, f64, i64, u8 or a text", found: "a type of \(size) bytes")
        }
    }
}

extension ByteCursor {
    /// A place in the file; nil is HDF5's "nowhere".
    mutating func address(of file: borrowing Span<UInt8>, _ what: String) throws(LayoutFault) -> Int? {
        let start = place, number = try unsigned(bytes: 8, of: file, what)
        if number == .max { return nil }
        // Addresses count from behind the user block.
        guard number <= UInt64(file.count - Seal.size) else { throw LayoutFault(offset: start, expected: "the place of \(what) in the file", found: "\(number)") }
        return Seal.size + Int(number)
    }
}
