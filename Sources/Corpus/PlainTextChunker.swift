import Files

/// Splits a plain text at word borders, so that the chunks encode to the same tokens as the whole text.
///
/// The borders are at line ends: see `lastBreak`. Only a text without such a border in 4 MB is split elsewhere.
struct PlainTextChunker {
    /// The file offset at which the validation split starts; nil if the text has one split, or if its length is unknown.
    private let validationStart: Int?
    private let split: DatasetSplit?
    private let path: String
    /// Whether each block is a text of its own, because the text is split by block.
    private let isSplitByBlock: Bool
    private var waiting: LineBlock?
    private var startsText = true

    init(path: String, size: Int?, split: DatasetSplit?, validationShare: Double) {
        self.path = path
        self.split = split
        let isShared = split == nil && validationShare > 0
        validationStart = isShared ? size.map { $0 - Int(Double($0) * validationShare) } : nil
        isSplitByBlock = isShared && size == nil
    }

    mutating func append(_ block: LineBlock) {
        waiting = waiting.map { LineBlock(bytes: $0.bytes + block.bytes, firstLine: $0.firstLine, offset: $0.offset) } ?? block
    }

    /// The next chunk that no further block can change, if any.
    mutating func next(isAtEnd: Bool) -> CorpusBlock? {
        guard let block = waiting, !block.bytes.isEmpty else { return nil }
        if let validationStart, block.offset < validationStart, validationStart <= block.offset + block.bytes.count {
            // The line that contains the border is the last one for training. It may end in a later block.
            let searchStart = max(0, validationStart - block.offset - 1)
            let end = block.bytes.firstIndex(of: UInt8(ascii: "\n"), in: searchStart..<block.bytes.count)
            if end == nil, !isAtEnd { return nil }
            return take(end.map { $0 + 1 } ?? block.bytes.count, endsText: true)
        }
        if isAtEnd || isSplitByBlock { return take(block.bytes.count, endsText: true) }
        if let end = Self.lastBreak(in: block.bytes) { return take(end, endsText: false) }
        // One byte stays for the last chunk of the text.
        return block.bytes.count >= 4 << 20 ? take(block.bytes.count - 1, endsText: false) : nil
    }

    private mutating func take(_ count: Int, endsText: Bool) -> CorpusBlock? {
        guard let block = waiting else { return nil }
        let isWhole = count == block.bytes.count
        let bytes = isWhole ? block.bytes : Array(block.bytes[..<count])
        waiting = isWhole ? nil : LineBlock(
            bytes: Array(block.bytes[count...]),
            firstLine: block.firstLine + Self.lineEnds(in: bytes),
            offset: block.offset + count
        )
        defer { startsText = endsText }
        return CorpusBlock(
            path: path,
            content: .lines(LineBlock(bytes: bytes, firstLine: block.firstLine, offset: block.offset), .text),
            split: validationStart.map { block.offset < $0 ? .train : .val } ?? split,
            startsText: startsText,
            endsText: endsText
        )
    }

    private static func lineEnds(in bytes: [UInt8]) -> Int {
        var count = 0
        var at = 0
        while let end = bytes.firstIndex(of: 10, in: at..<bytes.count) {
            count += 1
            at = end + 1
        }
        return count
    }

    /// The last offset that is a word border in every pattern, whatever surrounds it: after a single line end between two visible
    /// characters, or before line ends that follow a letter or digit. (Several line ends form other words at the end of a text than before
    /// a word.)
    private static func lastBreak(in bytes: [UInt8]) -> Int? {
        func isVisible(_ i: Int) -> Bool { 33..<127 ~= bytes[i] }
        var i = bytes.count - 2
        while i > 0 {
            if bytes[i] == 10, isVisible(i - 1) {
                if isVisible(i + 1) { return i + 1 }
                if bytes[i - 1].isLetterOrDigit { return i }
            }
            i -= 1
        }
        return nil
    }
}
