import Files

/// A text as lines, without copies.
struct SourceLines {
    let bytes: [UInt8]
    private let ranges: [Range<Int>]

    init(_ bytes: [UInt8]) {
        var ranges: [Range<Int>] = []
        LineBlock(bytes: bytes).forEachLineRange { range, _ in ranges.append(range) }
        self.bytes = bytes
        self.ranges = ranges
    }

    var count: Int { ranges.count }
    var indices: Range<Int> { ranges.indices }

    subscript(line: Int) -> ArraySlice<UInt8> { bytes[ranges[line]] }

    /// Lines with the line ends between them.
    func text(_ lines: Range<Int>) -> String {
        guard let first = lines.first, let last = lines.last else { return "" }
        return String(decoding: bytes[ranges[first].lowerBound..<ranges[last].upperBound], as: UTF8.self)
    }
}

/// Bytes of a line, as readers of documents compare them.
extension ArraySlice<UInt8> {
    var isBlank: Bool { allSatisfy(\.isSpace) }

    /// Without spaces at both ends.
    var string: String { String(decoding: self, as: UTF8.self) }
    var trimmed: ArraySlice<UInt8> { trimming(while: \.isSpace) }

    /// The number of columns before the first character. A tab ends at a multiple of four.
    var indentation: Int {
        var column = 0
        for byte in self {
            if byte == 32 { column += 1 } else if byte == 9 { column += 4 - column % 4 } else { break }
        }
        return column
    }

    /// Whether it is one character repeated, at least `count` times.
    func isRow(of characters: String, atLeast count: Int) -> Bool {
        guard let first, self.count >= count, characters.utf8.contains(first) else { return false }
        return allSatisfy { $0 == first }
    }

    /// The number of bytes of a list's marker, such as "- " or "12. "; nil if the line is not an item of a list.
    var listMarker: Int? {
        let text = drop { $0 == 32 || $0 == 9 }
        guard let first = text.first else { return nil }
        var marker = 1
        if first.isDigit {
            marker = text.prefix(10).prefix(while: \.isDigit).count
            guard marker < 10, let end = text.dropFirst(marker).first, ".)".utf8.contains(end) else { return nil }
            marker += 1
        } else if !"-*+".utf8.contains(first) { return nil }
        guard let next = text.dropFirst(marker).first, next == 32 || next == 9 else { return nil }
        return text.startIndex - startIndex + marker
    }
}
