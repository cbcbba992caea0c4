import Files

/// Cuts a plain text where no word reaches across, so that its pieces encode to the ids of the whole.
///
/// That is at a line end: see `lastBreak`. Only a text with no such place in 4 MB is cut elsewhere.
struct PlainTextChunker {
    struct Piece {
        let block: LineBlock
        let part: DatasetSplit?
        let begins, ends: Bool
    }

    /// Where validation begins, in bytes of the file; nil if the text has one part, or if nobody knows how long it is.
    private let border: Int?
    private let part: DatasetSplit?
    /// Blocks of a text that is split by block stand alone.
    private let standsAlone: Bool
    private var waiting: LineBlock?
    private var begins = true

    init(size: Int?, part: DatasetSplit?, validationShare: Double) {
        self.part = part
        border = part == nil && validationShare > 0 ? size.map { $0 - Int(Double($0) * validationShare) } : nil
        standsAlone = part == nil && validationShare > 0 && size == nil
    }

    mutating func append(_ block: LineBlock) {
        waiting = waiting.map { LineBlock(bytes: $0.bytes + block.bytes, firstLine: $0.firstLine, offset: $0.offset) } ?? block
    }

    /// A piece, if there is one that no further block can change.
    mutating func next(isAtEnd: Bool) -> Piece? {
        guard let block = waiting, !block.bytes.isEmpty else { return nil }
        if let border, block.offset < border, border <= block.offset + block.bytes.count {
            // The line that holds the border is the last to be learned from; it may end in a block to come.
            let end = block.bytes.place(of: UInt8(ascii: "\n"), in: max(0, border - block.offset - 1)..<block.bytes.count)
            if end == nil, !isAtEnd { return nil }
            return take(end.map { $0 + 1 } ?? block.bytes.count, isEnd: true)
        }
        if isAtEnd { return take(block.bytes.count, isEnd: true) }
        if standsAlone { return take(block.bytes.count, isEnd: true) }
        if let end = Self.lastBreak(in: block.bytes) { return take(end, isEnd: false) }
        return block.bytes.count >= 4 << 20 ? take(block.bytes.count - 1, isEnd: false) : nil       // something stays, to be the end
    }

    private mutating func take(_ count: Int, isEnd: Bool) -> Piece? {
        guard let block = waiting else { return nil }
        let bytes = count == block.bytes.count ? block.bytes : Array(block.bytes[..<count])
        waiting = count == block.bytes.count ? nil : LineBlock(
            bytes: Array(block.bytes[count...]), firstLine: block.firstLine + Self.lineEnds(in: bytes), offset: block.offset + count)
        defer { begins = isEnd }
        return Piece(block: LineBlock(bytes: bytes, firstLine: block.firstLine, offset: block.offset),
                     part: border.map { block.offset < $0 ? .train : .val } ?? part, begins: begins, ends: isEnd)
    }

    private static func lineEnds(in bytes: [UInt8]) -> Int {
        var count = 0, at = 0
        while let end = bytes.place(of: 10, in: at..<bytes.count) {
            count = count + 1
            at = end + 1
        }
        return count
    }

    /// The last place where a word ends, and the next begins, whatever stands around them: behind a single line end between two visible
    /// characters,
    /// or before line ends that follow a letter or digit. (Several line ends are other words at the end of a text than before a word.)
    private static func lastBreak(in bytes: [UInt8]) -> Int? {
        func isVisible(_ i: Int) -> Bool { 33..<127 ~= bytes[i] }
        func isLetterOrDigit(_ byte: UInt8) -> Bool { 48...57 ~= byte || 97...122 ~= byte | 32 }
        var i = bytes.count - 2
        while i > 0 {
            if bytes[i] == 10, isVisible(i - 1) {
                if isVisible(i + 1) { return i + 1 }
                if isLetterOrDigit(bytes[i - 1]) { return i }
            }
            i -= 1
        }
        return nil
    }
}
