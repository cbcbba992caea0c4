import Glibc

/// Consecutive complete lines of a file.
///
///     try block.forEachLine { line, number in … }
package struct LineBlock: Sendable {
    /// The lines including their line ends; only the last line of a file may lack one.
    package let bytes: [UInt8]
    /// The number of the first line, from 1.
    package let firstLine: Int
    /// The offset of the first line in the file.
    package let offset: Int

    package init(bytes: [UInt8], firstLine: Int = 1, offset: Int = 0) {
        self.bytes = bytes
        self.firstLine = firstLine
        self.offset = offset
    }

    /// Calls `body` with each line, without its end (`\n` or `\r\n`), and its number.
    package func forEachLine<Failure: Error>(_ body: (Span<UInt8>, Int) throws(Failure) -> Void) throws(Failure) {
        try forEachLineRange { range, number throws(Failure) in try body(bytes.span.extracting(range), number) }
    }

    /// The same with the range of each line in `bytes`.
    package func forEachLineRange<Failure: Error>(_ body: (Range<Int>, Int) throws(Failure) -> Void) throws(Failure) {
        var start = 0
        var number = firstLine
        while start < bytes.count {
            let newline = bytes.firstIndex(of: UInt8(ascii: "\n"), in: start..<bytes.count)
            var end = newline ?? bytes.count
            if newline != nil, end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
            try body(start..<end, number)
            start = (newline ?? bytes.count) + 1
            number += 1
        }
    }
}

/// Reads a file in blocks of complete lines, in bounded memory.
///
///     var blocks = try LineBlocks("chats.jsonl")
///     while let block = try blocks.next() { try block.forEachLine { line, number in … } }
///
/// A byte-order mark is skipped. A block has about `size` bytes; a longer line makes a longer block, up to `limit`. A line beyond the limit
/// is skipped and `next` throws; the next call returns the block after it.
package struct LineBlocks: ~Copyable {
    package static let defaultLimit = 64 << 20

    private var file: InputFile
    private let size, limit: Int
    private var rest: [UInt8] = []                  // read, but not yet returned
    private var line = 1, offset = 0
    private var isAtStart = true, isAtEnd = false

    package init(_ path: String, size: Int = 1 << 20, limit: Int = defaultLimit) throws(FileError) {
        file = try InputFile(path)
        self.size = min(size, limit)
        self.limit = limit
    }

    /// All non-empty lines of a file. Invalid UTF-8 becomes U+FFFD.
    package static func nonEmptyLines(of path: String) throws(FileError) -> [String] {
        var blocks = try LineBlocks(path)
        var texts: [String] = []
        while let block = try blocks.next() {
            block.forEachLineRange { range, _ in
                if !range.isEmpty { texts.append(String(decoding: block.bytes[range], as: UTF8.self)) }
            }
        }
        return texts
    }

    package var name: String { file.name }
    package var fileSize: Int? { file.size }

    package mutating func next() throws(FileError) -> LineBlock? {
        var bytes = rest
        rest = []
        try fill(&bytes, to: isAtStart ? max(size, 3) : size)
        if isAtStart, bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            offset = 3
            bytes = Array(bytes[3...])
        }
        isAtStart = false
        if let end = bytes.lastIndex(of: UInt8(ascii: "\n")), !isAtEnd { return take(bytes, to: end + 1) }
        if isAtEnd, bytes.count <= size { return bytes.isEmpty ? nil : take(bytes, to: bytes.count) }
        return try takeLongLine(&bytes)
    }

    /// Reads on until the end of a line that is longer than a block.
    private mutating func takeLongLine(_ bytes: inout [UInt8]) throws(FileError) -> LineBlock? {
        var searched = 0                            // bytes without a line end
        var skipped = 0                             // discarded bytes of a line beyond the limit
        while true {
            let end = bytes.firstIndex(of: UInt8(ascii: "\n"), in: searched..<bytes.count)
            let length = skipped + (end ?? bytes.count)
            if end != nil || isAtEnd {
                let next = end.map { $0 + 1 } ?? bytes.count
                if length <= limit { return next == 0 ? nil : take(bytes, to: next) }
                rest = Array(bytes[next...])
                line += 1
                offset += skipped + next
                throw .lineTooLong(path: name, line: line - 1, limit: limit)
            }
            if length > limit {
                skipped = length
                bytes = []
            }
            searched = bytes.count
            try fill(&bytes, to: searched + size)
        }
    }

    /// Blocks have the same borders however few bytes each read returns.
    private mutating func fill(_ bytes: inout [UInt8], to count: Int) throws(FileError) {
        while !isAtEnd, bytes.count < count { isAtEnd = try file.read(atMost: count - bytes.count, into: &bytes) == 0 }
    }

    private mutating func take(_ bytes: [UInt8], to end: Int) -> LineBlock {
        let block = LineBlock(bytes: end == bytes.count ? bytes : Array(bytes[..<end]), firstLine: line, offset: offset)
        rest = Array(bytes[end...])
        line += block.bytes.lineEnds
        offset += end
        return block
    }
}

extension [UInt8] {
    /// The index of the first such byte in a range: a fast `firstIndex(of:)`, by `memchr`.
    package func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        withUnsafeBytes { bytes in
            let part = bytes[range]
            guard !part.isEmpty, let base = bytes.baseAddress, let found = memchr(base + range.lowerBound, Int32(byte), part.count) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
    }

    fileprivate var lineEnds: Int {
        var found = 0
        var start = 0
        while let next = firstIndex(of: UInt8(ascii: "\n"), in: start..<count) {
            found += 1
            start = next + 1
        }
        return found
    }
}
